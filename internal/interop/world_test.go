package interop

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// world is the network that a cluster is on.
type world interface {
	// start creates a peer. One that is on a tapped network can be cut off.
	start(c *cluster, o options, k kind, j *journal, tapped bool) (peer, error)

	// link says what gets through from one address to another.
	link(from, to netip.AddrPort, packets, streams bool)

	// dial opens a stream for someone who is no member.
	dial(to netip.AddrPort) (net.Conn, error)

	// virtual says that time passes as soon as everyone waits for it.
	virtual() bool

	close()
}

// off is an interval that does not end during a test. A zero would do too, but the reference does not stop all of its
// goroutines then.
const off = 24 * time.Hour

// cluster is one run of a scenario.
type cluster struct {
	*testing.T
	world   world
	setting setting
	cast    []kind // who plays which role
	tap     *tap
	changes chan struct{} // one slot: something was noted
	peers   []peer
}

// scenario is what happens in a cluster.
type scenario struct {
	// verb joins the roles in the names of the subtests.
	verb string

	// roles is 2 or 3.
	roles int

	// tapped says that the scenario cuts links or looks at traffic.
	tapped bool

	// mixed says that the members do not have the same setting, so that no tap can read along.
	mixed bool

	play func(c *cluster)
}

// casts are all ways to cast roles with both libraries in the play.
func (s scenario) casts() [][]kind {
	var casts [][]kind
	for n := range 1 << s.roles {
		cast := make([]kind, s.roles)
		for i := range cast {
			cast[i] = ours
			if n>>i&1 == 1 {
				cast[i] = theirs
			}
		}
		if slices.Contains(cast, ours) && slices.Contains(cast, theirs) {
			casts = append(casts, cast)
		}
	}
	return casts
}

func (s scenario) title(cast []kind) string {
	title := fmt.Sprintf("%s-%s-%s", cast[0], s.verb, cast[1])
	for _, k := range cast[2:] {
		title += "-with-" + string(k)
	}
	return title
}

// everywhere plays a scenario in both worlds, in all casts: in virtual time under all settings, on sockets under two.
func everywhere(t *testing.T, s scenario) {
	t.Run("bubble", func(t *testing.T) { inBubbles(t, s, settings) })
	t.Run("sockets", func(t *testing.T) { onSockets(t, s, socketSettings) })
}

// inBubbles plays a scenario in virtual time, over a simulated network.
func inBubbles(t *testing.T, s scenario, settings []setting) {
	s.tapped = !s.mixed
	s.cross(t, settings, func(t *testing.T, cast []kind, set setting) {
		synctest.Test(t, func(t *testing.T) { s.run(t, cast, set, newBubble()) })
	})
}

// onSockets plays a scenario in real time, on the loopback interface.
func onSockets(t *testing.T, s scenario, settings []setting) {
	s.cross(t, settings, func(t *testing.T, cast []kind, set setting) {
		if set.ipv6 && !canListen("[::1]:0") {
			t.Skip("no IPv6 on the loopback interface")
		}
		if set.protocol == 1 && !canListen("127.1.0.1:0") {
			t.Skip("only one loopback address: see samePort")
		}
		s.run(t, cast, set, newSockets())
	})
}

func canListen(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (s scenario) cross(t *testing.T, settings []setting, play func(*testing.T, []kind, setting)) {
	for _, cast := range s.casts() {
		t.Run(s.title(cast), func(t *testing.T) {
			for _, set := range settings {
				t.Run(set.name, func(t *testing.T) {
					t.Parallel()
					play(t, cast, set)
				})
			}
		})
	}
}

func (s scenario) run(t *testing.T, cast []kind, set setting, w world) {
	c := &cluster{T: t, world: w, setting: set, cast: cast, changes: make(chan struct{}, 1)}
	if s.tapped {
		c.tap = newTap(t, set, c.changed)
	}
	defer c.end()
	s.play(c)
}

// end stops everyone, and in a bubble waits until the last timer of the reference has fired, as its goroutines wait for
// some of them.
func (c *cluster) end() {
	if c.Failed() {
		c.report()
	}
	for _, p := range c.peers {
		if err := p.shutdown(); err != nil {
			c.Errorf("shutdown of %s: %v", p.name(), err)
		}
	}
	c.world.close()
	if c.world.virtual() {
		time.Sleep(10 * time.Minute)
	}
	if c.tap != nil {
		c.tap.close()
	}
}

// report writes what everyone has seen.
func (c *cluster) report() {
	for _, p := range c.peers {
		c.Logf("%s (%s, %v): members %v, health %d", p.name(), p.kind(), p.addr(), p.members(), p.health())
		for _, e := range p.journal().all() {
			if len(e.text) > 80 {
				e.text = e.text[:80] + "..."
			}
			c.Logf("    %s %s %q", e.what, e.who, e.text)
		}
	}
	if c.tap != nil {
		c.Log("traffic:\n" + c.tap.transcript(60))
	}
}

func (c *cluster) changed() {
	select {
	case c.changes <- struct{}{}:
	default:
	}
}

// options are those that peers have if a scenario does not choose.
func (c *cluster) options(name string) options {
	o := options{
		setting:          c.setting,
		name:             name,
		meta:             "meta of " + name,
		ackPayload:       "ack of " + name,
		localState:       "state of " + name,
		probeInterval:    time.Second,
		probeTimeout:     300 * time.Millisecond,
		gossipInterval:   100 * time.Millisecond,
		pushPullInterval: off,
		suspicionMult:    4,
	}
	if !c.world.virtual() {
		o.probeInterval /= 2
		o.gossipInterval /= 2
	}
	return o
}

// start creates a peer, with what tune makes of the options.
func (c *cluster) start(k kind, name string, tune ...func(*options)) peer {
	c.Helper()
	o := c.options(name)
	for _, f := range tune {
		f(&o)
	}
	p, err := c.world.start(c, o, k, newJournal(o, c.changed), c.tap != nil)
	if err != nil {
		c.Fatalf("create %s %s: %v", k, name, err)
	}
	c.peers = append(c.peers, p)
	if c.tap != nil {
		c.tap.name(p)
	}
	return p
}

// join has a peer join others.
func (c *cluster) join(p peer, to ...peer) {
	c.Helper()
	var addrs []netip.AddrPort
	for _, q := range to {
		addrs = append(addrs, q.addr())
	}
	if n, err := p.join(addrs...); n != len(to) || err != nil {
		c.Fatalf("%s joins: got %d, %v, want %d", p.name(), n, err, len(to))
	}
}

// assemble has all join the first, and waits until all know all.
func (c *cluster) assemble(first peer, others ...peer) {
	c.Helper()
	names := []string{first.name()}
	for _, p := range others {
		c.join(p, first)
		names = append(names, p.name())
	}
	for _, p := range append(others, first) {
		c.awaitMembers(p, names...)
	}
}

// cut says what gets through between two peers, both ways.
func (c *cluster) cut(p, q peer, packets, streams bool) {
	c.world.link(p.addr(), q.addr(), packets, streams)
	c.world.link(q.addr(), p.addr(), packets, streams)
}

// patience is how long a condition may take. In real time it is for machines that have much else to do.
const patience = 5 * time.Minute

// await waits for a condition.
func (c *cluster) await(what string, met func() bool) {
	c.Helper()
	ticker, deadline := time.NewTicker(20*time.Millisecond), time.NewTimer(patience)
	defer ticker.Stop()
	defer deadline.Stop()
	for !met() {
		select {
		case <-c.changes:
		case <-ticker.C:
		case <-deadline.C:
			c.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// retry does something that may get lost until a condition is met.
func (c *cluster) retry(what string, try func(), met func() bool) {
	c.Helper()
	var last time.Time
	c.await(what, func() bool {
		if met() {
			return true
		}
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			try()
		}
		return met()
	})
}

// awaitEntry waits until a peer has noted something.
func (c *cluster) awaitEntry(p peer, what, who, text string) {
	c.Helper()
	c.await(fmt.Sprintf("%s (%s) notes %s %s %.40q", p.name(), p.kind(), what, who, text), func() bool {
		return p.journal().saw(what, who, text)
	})
}

// awaitMembers waits until a peer has exactly these members.
func (c *cluster) awaitMembers(p peer, names ...string) {
	c.Helper()
	slices.Sort(names)
	c.await(fmt.Sprintf("%s (%s) has members %s", p.name(), p.kind(), strings.Join(names, " ")), func() bool {
		return slices.Equal(p.members(), names)
	})
}

// awaitState waits until a peer tells of a member what is wanted.
func (c *cluster) awaitState(p peer, member string, state int, incarnation uint32) {
	c.Helper()
	c.await(fmt.Sprintf("%s (%s) has %s in state %d at %d or later", p.name(), p.kind(), member, state, incarnation), func() bool {
		s, ok := c.states(p)[member]
		return ok && s.State == state && s.Incarnation >= incarnation
	})
}

// never fails the test if a peer has noted something.
func (c *cluster) never(p peer, what, who string) {
	c.Helper()
	for _, e := range p.journal().all() {
		if e.what == what && e.who == who {
			c.Errorf("%s (%s) noted %s %s", p.name(), p.kind(), what, who)
		}
	}
}
