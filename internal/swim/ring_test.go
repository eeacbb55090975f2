package swim

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// inRing returns a node among members that are known to know the extensions, with round trips measured.
func inRing(t *testing.T, members int) *node {
	n := newNode(t, func(c *Config) {
		c.Extensions = true
		c.Detector = Detector{AdaptiveTimeout: true, Ring: true}
	}).withMembers(members).quick()
	n.know(members)
	return n
}

// know makes a node know that members, from 1 on, know the extensions.
func (n *node) know(members int) {
	for i := 1; i <= members; i++ {
		n.view.note(n.table.named(memberName(i)), wire.ViewUnsaid)
	}
}

// neighbours returns the members before and after a name in the ring of some names.
func neighbours(name string, others []string) (before, after string) {
	all := append(slices.Clone(others), name)
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(ringPlace(a), ringPlace(b)) })
	i := slices.Index(all, name)
	return all[(i+len(all)-1)%len(all)], all[(i+1)%len(all)]
}

// TestRingNeighbours: the neighbours in the ring are those of the alive members, whatever joins, fails, returns and is removed.
func TestRingNeighbours(t *testing.T) {
	n := inRing(t, 20)
	r := rand.New(rand.NewPCG(1, 1))
	for step := range 500 {
		i := 1 + r.IntN(20)
		m, known := n.Member(memberName(i))
		switch {
		case !known:
			n.Step(Endpoint{}, aliveOf(i, 1))
		case m.State == StateAlive:
			n.Step(Endpoint{}, &wire.Dead{Incarnation: m.Incarnation, Node: m.Name, From: "other"})
		case r.IntN(2) == 0:
			n.remove(n.table.named(m.Name))
			if r.IntN(2) == 0 {
				n.table.leaveOrder()
			}
		default:
			n.alive(aliveOf(i, m.Incarnation+1))
		}
		n.take()
		var alive []string
		for i := 1; i <= 20; i++ {
			if m, _ := n.Member(memberName(i)); m.State == StateAlive && m.Name != "" {
				alive = append(alive, m.Name)
			}
		}
		before, after := neighbours("self", alive)
		if len(alive) == 0 {
			before, after = "", ""
		}
		if got := nameOf(n.ring.predecessor); got != before {
			t.Fatalf("step %d: predecessor %q, want %q", step, got, before)
		}
		if got := nameOf(n.ring.successor); got != after {
			t.Fatalf("step %d: successor %q, want %q", step, got, after)
		}
	}
}

func nameOf(m *member) string {
	if m == nil {
		return ""
	}
	return m.Name
}

// TestRing: each ProbeInterval a member sends its successor a beat, which is not answered, and every other one it probes a member.
func TestRing(t *testing.T) {
	n := inRing(t, 20)
	successor := n.ring.successor.Name
	n.Start()
	beats, pings := 0, 0
	for i := 1; i <= 40; i++ {
		out := n.tickTo(time.Duration(i)*time.Second + 999*time.Millisecond)
		n.beat(n.ring.predecessor, wire.ViewUnsaid)
		for _, p := range out.Packets {
			switch m := parse(t, p.Messages[0]).(type) {
			case *wire.Ack:
				beats++
				if m.SeqNo != 0 || m.View == 0 || p.To.Name != successor {
					t.Errorf("beat %+v to %s, want to %s", m, p.To.Name, successor)
				}
			case *wire.Ping:
				pings++
				n.Step(Endpoint{AddrPort: p.To.AddrPort}, &wire.Ack{SeqNo: m.SeqNo, View: wire.ViewUnsaid})
			}
		}
		n.take()
	}
	if beats < 39 || beats > 41 || pings < 19 || pings > 21 {
		t.Errorf("%d beats and %d pings in 40 intervals", beats, pings)
	}
}

// TestRingSample: in a large cluster the ring is used once some members have been heard, if nearly all of those know the extensions.
func TestRingSample(t *testing.T) {
	for _, tt := range []struct {
		heard, reference int
		used             bool
	}{
		{ringSample - 1, 0, false},
		{ringSample, 0, true},
		{ringSample, ringSample / ringSlack, true},
		{ringSample, ringSample/ringSlack + 1, false},
		{200, 25, true},
		{200, 26, false},
	} {
		n := newNode(t, func(c *Config) {
			c.Extensions = true
			c.Detector = Detector{AdaptiveTimeout: true, Ring: true}
		}).withMembers(200).quick()
		n.know(tt.heard)
		for i := 1; i <= tt.reference; i++ {
			n.view.note(n.table.named(memberName(i)), 0)
		}
		if used := n.ring.isUsed(n.Turn); used != tt.used {
			t.Errorf("with %d heard, %d of the reference: used %v, want %v", tt.heard, tt.reference, used, tt.used)
		}
	}
}

// TestRingUnused: no beats are sent, and every probe is random, while more than an eighth of the members may be of the reference,
// before round trips are known, and without rounds of gossip.
func TestRingUnused(t *testing.T) {
	for name, change := range map[string]func(n *node){
		"reference": func(n *node) {
			n.view.note(n.table.named("m1"), 0)
			n.view.note(n.table.named("m2"), 0)
			n.view.note(n.table.named("m3"), 0)
		},
		"no round trips": func(n *node) { n.roundTrips = roundTrips{} },
		"no gossip":      func(n *node) { n.cfg.GossipInterval = 0 },
		"off":            func(n *node) { n.cfg.Detector.Ring = false },
	} {
		t.Run(name, func(t *testing.T) {
			n := inRing(t, 20)
			change(n)
			n.Start()
			pings := 0
			for i := 1; i <= 6; i++ {
				for _, p := range n.tickTo(time.Duration(i) * time.Second).Packets {
					switch m := parse(t, p.Messages[0]).(type) {
					case *wire.Ack:
						t.Fatalf("sent a beat to %s", p.To.Name)
					case *wire.Ping:
						pings++
						n.Step(Endpoint{AddrPort: p.To.AddrPort}, &wire.Ack{SeqNo: m.SeqNo})
					}
				}
			}
			if pings < 4 { // the first one is in the second
				t.Errorf("%d pings in 6 intervals", pings)
			}
		})
	}
}

// beat delivers a beat of a member.
func (n *node) beat(m *member, view uint64) {
	n.Step(Endpoint{AddrPort: n.table.addrPort(m)}, &wire.Ack{View: view})
}

// TestRingSilence: a predecessor that sends no beat is probed once a ProbeInterval and the time of a ping have passed, even if
// another probe is running then. Beats of others do not count, and those of another host neither.
func TestRingSilence(t *testing.T) {
	const late = time.Second + leastTimeout
	start := func(t *testing.T) (n *node, predecessor *member) {
		n = inRing(t, 20)
		n.deadlines.stop(&n.probe.tick)
		predecessor = n.ring.predecessor
		n.beat(predecessor, wire.ViewUnsaid)
		n.take()
		return n, predecessor
	}
	pinged := func(t *testing.T, out *Output) (names []string) {
		for _, p := range out.Packets {
			if _, ok := parse(t, p.Messages[0]).(*wire.Ping); ok {
				names = append(names, p.To.Name)
			}
		}
		return names
	}
	t.Run("silent", func(t *testing.T) {
		n, predecessor := start(t)
		if got := pinged(t, n.tickTo(late-1)); len(got) != 0 {
			t.Errorf("pinged %q early", got)
		}
		if got := pinged(t, n.tickTo(late)); !slices.Equal(got, []string{predecessor.Name}) {
			t.Errorf("pinged %q, want %s", got, predecessor.Name)
		}
	})
	t.Run("beats", func(t *testing.T) {
		n, predecessor := start(t)
		for i := range 5 {
			if got := pinged(t, n.tickTo(time.Duration(i+1)*time.Second)); len(got) != 0 {
				t.Errorf("pinged %q", got)
			}
			n.beat(predecessor, wire.ViewUnsaid)
		}
	})
	t.Run("others beat", func(t *testing.T) {
		n, predecessor := start(t)
		n.tickTo(time.Second / 2)
		n.beat(n.ring.successor, wire.ViewUnsaid)
		n.Step(Endpoint{AddrPort: netip.MustParseAddrPort("192.0.2.1:7946")}, &wire.Ack{View: wire.ViewUnsaid})
		n.beat(predecessor, 0) // an ack without a view is of no member that knows the extensions
		if got := pinged(t, n.tickTo(late)); !slices.Equal(got, []string{predecessor.Name}) {
			t.Errorf("pinged %q, want %s", got, predecessor.Name)
		}
	})
	t.Run("during a probe", func(t *testing.T) {
		n, predecessor := start(t)
		n.tickTo(late - 10*time.Millisecond)
		n.probe.begin(n.Turn, n.ring.successor)
		seq := n.probe.seq
		n.take()
		if got := pinged(t, n.tickTo(late)); len(got) != 0 {
			t.Errorf("pinged %q during a probe", got)
		}
		n.Step(Endpoint{AddrPort: n.table.addrPort(n.ring.successor)}, ackOf(seq))
		if got := pinged(t, n.take()); !slices.Equal(got, []string{predecessor.Name}) {
			t.Errorf("pinged %q, want %s", got, predecessor.Name)
		}
	})
	t.Run("a beat during a probe", func(t *testing.T) {
		n, predecessor := start(t)
		n.tickTo(late - 10*time.Millisecond)
		n.probe.begin(n.Turn, n.ring.successor)
		seq := n.probe.seq
		n.tickTo(late)
		n.beat(predecessor, wire.ViewUnsaid)
		n.Step(Endpoint{AddrPort: n.table.addrPort(n.ring.successor)}, ackOf(seq))
		if n.probe.urgent != nil {
			t.Error("still urgent after a beat")
		}
	})
}

// TestRingFailures: when the predecessor is suspected the one before it is pinged at once, unless many members are suspect.
func TestRingFailures(t *testing.T) {
	for _, many := range []bool{false, true} {
		n := inRing(t, 20)
		n.deadlines.stop(&n.probe.tick)
		suspect := func(m *member) {
			n.Step(Endpoint{}, &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: "other"})
		}
		first := n.ring.predecessor
		for i := 1; many && len(n.suspicions) < 3; i++ {
			if m := n.table.named(memberName(i)); m != first {
				suspect(m)
			}
		}
		n.run(0, func(*Output) {})
		n.beat(n.ring.predecessor, wire.ViewUnsaid)
		n.take()
		suspect(n.ring.predecessor)
		second, got := n.ring.predecessor, ""
		for _, p := range n.tickTo(time.Millisecond).Packets {
			if ping, ok := parse(t, p.Messages[0]).(*wire.Ping); ok {
				got += ping.Node
			}
		}
		want := second.Name
		if many {
			want = ""
		}
		if got != want {
			t.Errorf("many suspect: %v: pinged %q, want %q", many, got, want)
		}
	}
}

// TestRingLeavesOut: every second probe is left out, but not while a few members are suspect.
func TestRingLeavesOut(t *testing.T) {
	for _, tt := range []struct{ suspects, least, most int }{{0, 4, 6}, {1, 9, 11}, {2, 9, 11}, {3, 4, 6}} {
		n := inRing(t, 20)
		for i := range tt.suspects {
			n.suspect(i+1, 1, "other")
		}
		n.take()
		probes := 0
		for range 10 {
			if n.ring.tick(n.Turn) {
				probes++
			}
		}
		if probes < tt.least || probes > tt.most {
			t.Errorf("%d suspects: %d probes of 10, want %d to %d", tt.suspects, probes, tt.least, tt.most)
		}
	}
}

// TestRingComparesViews: the receiver of a beat compares the views.
func TestRingComparesViews(t *testing.T) {
	n := inRing(t, 20)
	n.tickTo(5 * time.Second)
	predecessor := n.ring.predecessor
	n.take()
	n.beat(predecessor, n.view.checksum())
	if out := n.take(); len(out.Streams) != 0 {
		t.Errorf("streams %+v, though the views are equal", out.Streams)
	}
	n.beat(predecessor, n.view.checksum()+1)
	if out := n.take(); len(out.Streams) != 1 || out.Streams[0].Kind != StreamDifferences || out.Streams[0].To.Name != predecessor.Name {
		t.Errorf("streams %+v, want an exchange with %s", out.Streams, predecessor.Name)
	}
}

// TestRingOfZone: with zones the neighbours are of one's own zone.
func TestRingOfZone(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 20, "b": 20}, nil)
	n.cfg.Detector.Ring = true
	n.quick()
	n.ring.stale = true
	n.ring.tick(n.Turn)
	if p, s := n.ring.predecessor, n.ring.successor; p == nil || s == nil || p.Name[0] != 'a' || s.Name[0] != 'a' {
		t.Errorf("neighbours %q and %q, want of zone a", nameOf(p), nameOf(s))
	}
}

// TestRingOfZoneThatIsLeft: a neighbour that announces another zone is none any more.
func TestRingOfZoneThatIsLeft(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 20, "b": 20}, nil)
	n.cfg.Detector.Ring = true
	n.quick()
	n.ring.stale = true
	n.ring.tick(n.Turn)
	was := *n.ring.predecessor
	n.Step(Endpoint{}, &wire.Alive{Incarnation: was.Incarnation + 1, Node: was.Name, Addr: was.ip[:], Port: was.port,
		Vsn: testVersions[:], Zone: []byte("b")})
	n.ring.tick(n.Turn)
	if p := n.ring.predecessor; p.Name == was.Name || p.Name[0] != 'a' {
		t.Errorf("predecessor %q, of zone %q", p.Name, n.table.zones.name(p.zone))
	}
}
