// Agent is a member of a cluster that is driven by lines of JSON: requests on stdin, replies and events on stdout. It
// uses this library or, built with -tags reference, the reference.
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

// request is a line of input. The first one is {"do": "start"}.
type request struct {
	Do   string
	Name string   // start
	Bind string   // start: address and port, 0 for any
	Key  []byte   // start
	Meta string   // start, meta
	To   []string // join

	Pace *pace // start: other intervals than those of a migration
}

// pace is the intervals of the protocol.
type pace struct {
	Probe, ProbeTimeout, Gossip, PushPull, RememberDead time.Duration
	Reconnect, RefusalGrace, SilenceTimeout             time.Duration // of this library only
	SuspicionMult, SuspicionMaxMult, Retransmits        int
}

// member is a member in the agent's view.
type member struct {
	Name string
	Addr string
	Meta string
}

// event is a call of the EventDelegate.
type event struct {
	What string
	member
}

// line is a line of output: a reply, or an event.
type line struct {
	Reply   string         `json:",omitempty"` // the request
	Error   string         `json:",omitempty"`
	Event   *event         `json:",omitempty"`
	Library string         `json:",omitempty"`
	Addr    string         `json:",omitempty"`
	Members []member       `json:",omitempty"`
	Heard   map[string]int `json:",omitempty"` // number of broadcasts received, by process
	Sent    int            `json:",omitempty"` // number of own broadcasts
	Quiet   int            `json:",omitempty"` // number of times that the library had nothing of its own to gossip
	Room    int            `json:",omitempty"` // the maximum room for broadcasts, in bytes
}

// Intervals are short, so that a migration is; a suspicion is long enough for a busy machine.
const (
	gossipInterval = 30 * time.Millisecond
	flowInterval   = 100 * time.Millisecond
	leaveTimeout   = 20 * time.Second

	// retransmits is the number of transmissions of every broadcast, forwarded ones included, and of news about
	// members.
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
	os.Exit(1) // the driving process is gone
}

// agent is a member and the program around it.
type agent struct {
	members *members
	config  *config
	queue   broadcasts
	idle    chan struct{} // one slot: a broadcast of ours has been sent often enough

	saying sync.Mutex
	out    *json.Encoder

	mu      sync.Mutex
	meta    string
	heard   map[string]map[string]bool // by the process that sent it
	sent    int
	waiting int // own broadcasts that have not been sent often enough
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
	case "deafen":
		return deafen()
	case "shorten":
		return shorten()
	case "meta":
		a.set(func() { a.meta = r.Meta })
		return a.members.UpdateNode(leaveTimeout)
	case "report":
		a.report(l)
		return nil
	case "leave":
		return a.leave(l)
	case "stop": // there may be no other member
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
	// Only those of joins: one that is in progress while a member comes back at another address may report that it
	// left. The protocol permits that, and it is soon refuted.
	c.PushPullInterval = time.Hour
	c.RetransmitMult = retransmits // since no push/pull makes up for gossip that misses a member by chance
	if p := r.Pace; p != nil {
		c.ProbeInterval, c.ProbeTimeout, c.GossipInterval, c.PushPullInterval = p.Probe, p.ProbeTimeout, p.Gossip, p.PushPull
		c.GossipToTheDeadTime = p.RememberDead
		c.SuspicionMult, c.SuspicionMaxTimeoutMult, c.RetransmitMult = p.SuspicionMult, p.SuspicionMaxMult, p.Retransmits
		c.IndirectChecks = 3
		setOwn(c, p)
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

// process names this process: a replaced member is another one.
func (a *agent) process() string { return fmt.Sprintf("%s-%d", a.config.Name, os.Getpid()) }

// hearLocked adds a received broadcast, and returns whether it is new.
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

// report adds this member's view to a line. With the reference, a Node may change while it is read, but not its name,
// and other fields only with an event.
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

// leave stops the flow, waits until all broadcasts have been sent, and leaves.
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

// told is a broadcast that is being sent.
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

// The methods below are those of both libraries' Delegate and EventDelegate.

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

// GetBroadcasts also counts whether the library has broadcasts of its own: then there is less room.
func (a *agent) GetBroadcasts(overhead, limit int) [][]byte {
	a.set(func() {
		a.room = max(a.room, limit)
		if limit == a.room {
			a.quiet++
		}
	})
	return a.queue.GetBroadcasts(overhead, limit)
}

// LocalState returns all broadcasts, for agents that join later.
func (a *agent) LocalState(bool) (state []byte) {
	a.set(func() { state, _ = json.Marshal(a.heard) })
	return state
}

// MergeRemoteState adds the broadcasts from before this agent joined. Later ones have to arrive by gossip.
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
