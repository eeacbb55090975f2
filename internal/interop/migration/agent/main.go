// Agent is a member of a cluster that is driven by lines of JSON: requests come in on stdin, replies and events go out on
// stdout. Built as it is, it uses this library; with -tags reference, the one that this replaces.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// request is a line in. The first one is {"do": "start"}.
type request struct {
	Do   string
	Name string   // start
	Bind string   // start: address and port, 0 for any
	Key  []byte   // start
	Meta string   // start, meta
	To   []string // join

	Pace *pace // start: other times than those of a migration
}

// pace is how fast an agent does what the protocol does.
type pace struct {
	Probe, ProbeTimeout, Gossip, PushPull, RememberDead time.Duration
	Reconnect                                           time.Duration // of this library only
	SuspicionMult, SuspicionMaxMult, Retransmits        int
}

// member is one that the agent sees.
type member struct {
	Name string
	Addr string
	Meta string
}

// event is what the agent was told of a member.
type event struct {
	What string
	member
}

// line is a line out: a reply, or an event.
type line struct {
	Reply   string         `json:",omitempty"` // what was asked
	Error   string         `json:",omitempty"`
	Event   *event         `json:",omitempty"`
	Library string         `json:",omitempty"`
	Addr    string         `json:",omitempty"`
	Members []member       `json:",omitempty"`
	Heard   map[string]int `json:",omitempty"` // how many broadcasts of each process
	Sent    int            `json:",omitempty"` // how many broadcasts of this one
	Quiet   int            `json:",omitempty"` // how often it had nothing to gossip about members
	Room    int            `json:",omitempty"` // the most bytes that there were for broadcasts
}

// Times are short, so that a migration is; a suspicion takes long enough for a machine that is busy.
const (
	gossipInterval = 30 * time.Millisecond
	flowInterval   = 100 * time.Millisecond
	leaveTimeout   = 20 * time.Second

	// retransmits is how often each agent tells of a broadcast, of which it tells everybody's, and of a member.
	retransmits = 20
)

func main() {
	a := &agent{out: json.NewEncoder(os.Stdout), heard: make(map[string]map[string]bool), idle: make(chan struct{}, 1)}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			a.say(line{Error: err.Error()})
			continue
		}
		a.say(a.answer(r))
		if r.Do == "leave" || r.Do == "stop" {
			return
		}
	}
	os.Exit(1) // whoever drives this is gone
}

// agent is a member and the program around it.
type agent struct {
	members *members
	config  *config
	queue   broadcasts
	idle    chan struct{} // one slot: a broadcast of ours has been told often enough

	saying sync.Mutex
	out    *json.Encoder

	mu      sync.Mutex
	meta    string
	heard   map[string]map[string]bool // by the process that sent it
	sent    int
	waiting int // of our own broadcasts, those that are not told often enough
	ended   bool
	quiet   int
	room    int
}

func (a *agent) say(l line) {
	a.saying.Lock()
	defer a.saying.Unlock()
	a.out.Encode(l)
}

func (a *agent) answer(r request) (l line) {
	l.Reply = r.Do
	err := a.do(r, &l)
	if err != nil {
		l.Error = err.Error()
	}
	return l
}

func (a *agent) do(r request, l *line) error {
	switch r.Do {
	case "start":
		return a.start(r, l)
	case "join":
		n, err := a.members.Join(r.To)
		if err == nil && n != len(r.To) {
			err = fmt.Errorf("joined %d of %d", n, len(r.To))
		}
		return err
	case "flow":
		go a.flow() // ends when the agent leaves
		return nil
	case "meta":
		a.set(func() { a.meta = r.Meta })
		return a.members.UpdateNode(leaveTimeout)
	case "report":
		a.report(l)
		return nil
	case "leave":
		return a.leave(l)
	case "stop": // there may be nobody to tell
		a.set(func() { a.ended = true })
		a.report(l)
		return a.members.Shutdown()
	default:
		return fmt.Errorf("cannot do %q", r.Do)
	}
}

func (a *agent) start(r request, l *line) error {
	bind, err := netip.ParseAddrPort(r.Bind)
	if err != nil {
		return err
	}
	a.meta = r.Meta
	a.queue.NumNodes = func() int { return 1 }
	a.queue.RetransmitMult = retransmits
	c := defaults()
	c.Name = r.Name
	c.BindAddr, c.BindPort, c.AdvertisePort = bind.Addr().String(), int(bind.Port()), int(bind.Port())
	c.SecretKey = r.Key
	c.GossipInterval = gossipInterval
	c.ProbeInterval = 200 * time.Millisecond
	c.ProbeTimeout = 150 * time.Millisecond
	c.SuspicionMult = 50 // times the probe interval: 10 s
	// None but those of joins: one that is under way while a member comes back at another address may tell that it left. That
	// is how the protocol is, and soon refuted.
	c.PushPullInterval = time.Hour
	c.RetransmitMult = retransmits // as there is none to make up for gossip that misses a member by chance
	if p := r.Pace; p != nil {
		c.ProbeInterval, c.ProbeTimeout, c.GossipInterval, c.PushPullInterval = p.Probe, p.ProbeTimeout, p.Gossip, p.PushPull
		c.GossipToTheDeadTime = p.RememberDead
		c.SuspicionMult, c.SuspicionMaxTimeoutMult, c.RetransmitMult = p.SuspicionMult, p.SuspicionMaxMult, p.Retransmits
		c.IndirectChecks = 3
		reconnectEvery(c, p.Reconnect)
	}
	c.LogOutput = io.Discard
	c.Delegate, c.Events = a, a
	a.config = c
	if a.members, err = create(c); err != nil {
		return err
	}
	l.Library = library
	l.Addr = a.members.LocalNode().Address()
	return nil
}

func (a *agent) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// flow sends a broadcast now and then.
func (a *agent) flow() {
	for range time.Tick(flowInterval) {
		a.mu.Lock()
		if a.ended {
			a.mu.Unlock()
			return
		}
		a.sent++
		a.waiting++
		message := fmt.Sprintf("%s %d", a.process(), a.sent)
		a.hearLocked(message)
		a.mu.Unlock()
		a.queue.QueueBroadcast(&told{agent: a, text: message, own: true})
	}
}

// process names this process: a member that is replaced is another one.
func (a *agent) process() string { return fmt.Sprintf("%s-%d", a.config.Name, os.Getpid()) }

// hearLocked takes a broadcast in, and says whether it is news.
func (a *agent) hearLocked(message string) bool {
	from, number, _ := strings.Cut(message, " ")
	if a.heard[from] == nil {
		a.heard[from] = make(map[string]bool)
	}
	if a.heard[from][number] {
		return false
	}
	a.heard[from][number] = true
	return true
}

// report says what this member sees. Of the reference, a Node may change while it is read, but not its name, and the others
// only with an event.
func (a *agent) report(l *line) {
	for _, n := range a.members.Members() {
		l.Members = append(l.Members, see(n))
	}
	slices.SortFunc(l.Members, func(a, b member) int { return cmp.Compare(a.Name, b.Name) })
	a.set(func() {
		l.Heard = make(map[string]int)
		for from, numbers := range a.heard {
			l.Heard[from] = len(numbers)
		}
		l.Sent, l.Quiet, l.Room = a.sent, a.quiet, a.room
	})
}

// leave stops the flow, waits until all of it has been told, and leaves.
func (a *agent) leave(l *line) error {
	for done := false; !done; {
		a.set(func() {
			a.ended = true
			done = a.waiting == 0
		})
		if !done {
			<-a.idle
		}
	}
	a.report(l)
	if err := a.members.Leave(leaveTimeout); err != nil {
		return err
	}
	return a.members.Shutdown()
}

// told is a broadcast that is being told.
type told struct {
	agent *agent
	text  string
	own   bool
}

func (t *told) Invalidates(broadcast) bool { return false }
func (t *told) Message() []byte            { return []byte(t.text) }
func (t *told) UniqueBroadcast()           {}

func (t *told) Finished() {
	if !t.own {
		return
	}
	t.agent.set(func() { t.agent.waiting-- })
	select {
	case t.agent.idle <- struct{}{}:
	default:
	}
}

// The methods from here on are those of both libraries' Delegate and EventDelegate.

func (a *agent) NodeMeta(int) (meta []byte) {
	a.set(func() { meta = []byte(a.meta) })
	return meta
}

func (a *agent) NotifyMsg(message []byte) {
	text := string(message)
	news := false
	a.set(func() { news = a.hearLocked(text) })
	if news {
		a.queue.QueueBroadcast(&told{agent: a, text: text})
	}
}

// GetBroadcasts also tells whether the library has anything of its own to say: then there is less room.
func (a *agent) GetBroadcasts(overhead, limit int) [][]byte {
	a.set(func() {
		a.room = max(a.room, limit)
		if limit == a.room {
			a.quiet++
		}
	})
	return a.queue.GetBroadcasts(overhead, limit)
}

// LocalState are all broadcasts, for those who come later.
func (a *agent) LocalState(bool) (state []byte) {
	a.set(func() { state, _ = json.Marshal(a.heard) })
	return state
}

// MergeRemoteState takes in what was broadcast before this agent came. What comes later it has to hear in gossip.
func (a *agent) MergeRemoteState(state []byte, join bool) {
	heard := make(map[string]map[string]bool)
	if !join || json.Unmarshal(state, &heard) != nil {
		return
	}
	a.set(func() {
		for from, numbers := range heard {
			for number := range numbers {
				a.hearLocked(from + " " + number)
			}
		}
	})
}

func see(n *node) member { return member{n.Name, n.Address(), string(n.Meta)} }

func (a *agent) NotifyJoin(n *node)   { a.say(line{Event: &event{"join", see(n)}}) }
func (a *agent) NotifyLeave(n *node)  { a.say(line{Event: &event{"leave", see(n)}}) }
func (a *agent) NotifyUpdate(n *node) { a.say(line{Event: &event{"update", see(n)}}) }
