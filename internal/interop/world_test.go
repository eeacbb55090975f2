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

// world is the network of a cluster.
type world interface {
	// start creates a peer. On a tapped network it can be cut off.
	start(c *cluster, o options, k kind, j *journal, tapped bool) (peer, error)

	// link sets what passes from one address to another.
	link(from, to netip.AddrPort, packets, streams bool)

	// dial opens a stream of a process that is no member.
	dial(to netip.AddrPort) (net.Conn, error)

	// virtual reports whether time is that of a testing/synctest bubble.
	virtual() bool

	close()
}

// off is an interval that does not end during a test. Zero would turn the loop off too, but the reference does not stop all
// of its goroutines then.
const off = 24 * time.Hour

// cluster is one run of a scenario.
type cluster struct {
	*testing.T
	world   world
	setting setting
	cast    []kind // the library of each role
	tap     *tap
	changes chan struct{} // one slot: something was recorded
	peers   []peer
}

// scenario is a course of events in a cluster.
type scenario struct {
	// verb joins the roles in the names of the subtests.
	verb string

	// roles is 2 or 3.
	roles int

	// tapped is set if the scenario cuts links or looks at traffic.
	tapped bool

	// mixed is set if the members have different settings, so that there is no tap.
	mixed bool

	play func(c *cluster)
}

// casts returns all assignments of roles to libraries in which both libraries have a role.
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

// end shuts all peers down, and in a bubble waits until the last timer of the reference has fired, as its goroutines wait
// for some of them.
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

// report logs what every peer has recorded.
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

// options returns the options of a peer that a scenario does not change.
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
		o.streamTimeout = time.Minute // the machine may be busy
	}
	return o
}

// start creates a peer, with options that tune has changed.
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

// join makes a peer join others.
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

// assemble makes all join the first, and waits until all know all.
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

// cut sets what passes between two peers, in both directions.
func (c *cluster) cut(p, q peer, packets, streams bool) {
	c.world.link(p.addr(), q.addr(), packets, streams)
	c.world.link(q.addr(), p.addr(), packets, streams)
}

// patience is the time in which a condition has to come true. In real time it allows for machines under heavy load.
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

// retry repeats something that may be lost until a condition is met.
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

// awaitEntry waits until a peer has recorded an entry.
func (c *cluster) awaitEntry(p peer, what, who, text string) {
	c.Helper()
	c.await(fmt.Sprintf("%s (%s) records %s %s %.40q", p.name(), p.kind(), what, who, text), func() bool {
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

// awaitState waits until a peer's state of a member is the wanted one.
func (c *cluster) awaitState(p peer, member string, state int, incarnation uint32) {
	c.Helper()
	c.await(fmt.Sprintf("%s (%s) has %s in state %d at %d or later", p.name(), p.kind(), member, state, incarnation), func() bool {
		s, ok := c.states(p)[member]
		return ok && s.State == state && s.Incarnation >= incarnation
	})
}

// never fails the test if a peer has recorded an entry.
func (c *cluster) never(p peer, what, who string) {
	c.Helper()
	for _, e := range p.journal().all() {
		if e.what == what && e.who == who {
			c.Errorf("%s (%s) recorded %s %s", p.name(), p.kind(), what, who)
		}
	}
}
