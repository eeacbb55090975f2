package swim

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestMalformedAliveIsIgnored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*wire.Alive)
		drop   Drop
	}{
		{"no name", func(a *wire.Alive) { a.Node = "" }, DropMalformed},
		{"name too long", func(a *wire.Alive) { a.Node = string(make([]byte, MaxName+1)) }, DropMalformed},
		{"no address", func(a *wire.Alive) { a.Addr = nil }, DropMalformed},
		{"address of 3 bytes", func(a *wire.Alive) { a.Addr = a.Addr[:3] }, DropMalformed},
		{"address of 5 bytes", func(a *wire.Alive) { a.Addr = make([]byte, 5) }, DropMalformed},
		{"address of 15 bytes", func(a *wire.Alive) { a.Addr = make([]byte, 15) }, DropMalformed},
		{"metadata too long", func(a *wire.Alive) { a.Meta = make([]byte, MaxMeta+1) }, DropMalformed},
		{"least version 0", func(a *wire.Alive) { a.Vsn = []byte{0, 5, 2, 0, 0, 0} }, DropVersions},
		{"greatest version 0", func(a *wire.Alive) { a.Vsn = []byte{1, 0, 2, 0, 0, 0} }, DropVersions},
		{"least version above the greatest", func(a *wire.Alive) { a.Vsn = []byte{5, 1, 2, 0, 0, 0} }, DropVersions},
		{"three bad versions", func(a *wire.Alive) { a.Vsn = []byte{0, 0, 0} }, DropVersions},
		{"three good versions", func(a *wire.Alive) { a.Vsn = []byte{1, 5, 2} }, DropVersions},
		{"no versions", func(a *wire.Alive) { a.Vsn = nil }, DropVersions},
		{"all versions 0", func(a *wire.Alive) { a.Vsn = make([]byte, 6) }, DropVersions},
		{"a version that we do not understand", func(a *wire.Alive) { a.Vsn = []byte{1, 6, 6, 0, 0, 0} }, DropVersions},
		{"ours is not understood", func(a *wire.Alive) { a.Vsn = []byte{3, 5, 3, 0, 0, 0} }, DropVersions},
		{"a version outside of its own range", func(a *wire.Alive) { a.Vsn = []byte{3, 5, 2, 0, 0, 0} }, DropVersions},
		{"another delegate", func(a *wire.Alive) { a.Vsn = []byte{1, 5, 2, 4, 6, 5} }, DropVersions},
		{"incarnation 0", func(a *wire.Alive) { a.Incarnation = 0 }, DropMalformed},
		{"a name that no ping has room for", func(a *wire.Alive) { a.Node = string(bytes.Repeat([]byte("x"), 1000)) }, DropOversize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.cfg.Room = 1000
			a := aliveOf(1, 1)
			tt.change(a)
			out := n.alive(a)
			if n.NumKnown() != 1 || len(out.Events) != 0 {
				t.Errorf("%d members known, events %v; want nothing changed", n.NumKnown(), out.Events)
			}
			if out.Counts.Drops[tt.drop] != 1 {
				t.Errorf("drops %v, want one of kind %d", out.Counts.Drops, tt.drop)
			}
		})
	}
}

// TestAliveWithUnusableVersions: it changes nothing about a known member, and causes no event.
func TestAliveWithUnusableVersions(t *testing.T) {
	for _, vsn := range [][]byte{nil, {1, 5, 2}, {1, 5, 2, 4, 6, 5}} {
		n := newNode(t, nil).withMembers(1)
		n.queued()
		a := aliveOf(1, 2)
		a.Vsn = vsn
		n.alive(a)
		n.Merge([]wire.PushNodeState{{Name: "m1", Addr: a.Addr, Port: a.Port, Incarnation: 2, Vsn: vsn}})
		n.want(1, StateAlive, 1)
		if q := n.queued(); len(q) != 0 {
			t.Errorf("versions %v: gossips %v", vsn, texts(q))
		}
	}
}

// TestNameAtOurAddress: another name at our own address is that of a process that was here before. It is no member,
// and is gossiped as dead, unless it refutes that.
func TestNameAtOurAddress(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.queued()
	old := aliveOf(9, 4)
	old.Addr = memberAddr(0).Addr().AsSlice()
	out := n.alive(old)
	if q := texts(n.queued()); len(out.Events) != 0 || !slices.Equal(q, []string{"dead m9@4 by self"}) {
		t.Errorf("events %v, gossips %v", out.Events, q)
	}
	n.want(9, StateDead, 4)
	if n.present != 3 || n.NumLost() != 0 {
		t.Errorf("%d are present, %d are looked for", n.present, n.NumLost())
	}
	if out := n.alive(old); len(out.Events) != 0 {
		t.Errorf("events %v when it is heard again", out.Events)
	}
	old.Incarnation = 5
	if out := n.alive(old); len(out.Events) != 0 || len(n.queued()) != 0 || len(out.Packets) != 1 ||
		describe(parse(t, out.Packets[0].Messages[0])) != "dead m9@5 by self" {
		t.Errorf("newer: events %v, packets %+v", out.Events, out.Packets)
	}
	n.want(9, StateDead, 5)
	n.after(time.Minute).reaper.tick(n.Turn)
	n.alive(old)
	n.want(9, StateDead, 5)
	old.Node, old.Incarnation = "m10", MaxIncarnation
	n.Step(Endpoint{}, old)
	if out := n.take(); out.Counts.Drops[DropMaximum] != 1 || n.NumKnown() != 5 {
		t.Error("an assertion at the last incarnation is taken")
	}

	n = newNode(t, nil).withMembers(3)
	here := aliveOf(1, 2)
	here.Addr = memberAddr(0).Addr().AsSlice()
	if out := n.alive(here); len(out.Events)+len(out.Packets) != 0 {
		t.Errorf("a member is said to be where we are: events %v, %d packets", out.Events, len(out.Packets))
	}
	n.want(1, StateAlive, 1)
}

// TestBackAfterLeaving: a member that left returns, at any address, only at a higher incarnation. Until then its
// leave is sent to the asserted address, for as long as it is remembered.
func TestBackAfterLeaving(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		for _, where := range []int{1, 77} {
			n := newNode(t, nil).withMembers(3)
			n.alive(aliveOf(1, 3))
			n.dead(1, 3, "m1")
			if forgotten {
				n.run(time.Hour, func(*Output) {})
				if _, known := n.Member("m1"); known {
					t.Fatal("it is not forgotten")
				}
			}
			back := aliveOf(1, 3)
			back.Addr = memberAddr(where).Addr().AsSlice()
			n.Step(Endpoint{AddrPort: memberAddr(where)}, back)
			out := n.take()
			if len(out.Events) != 0 || len(out.Packets) != 1 || out.Packets[0].To.AddrPort != memberAddr(where) ||
				describe(parse(t, out.Packets[0].Messages[0])) != "dead m1@3 by m1" {
				t.Errorf("forgotten %v, at %d: events %v, packets %+v", forgotten, where, out.Events, out.Packets)
			}
			back.Incarnation = 4
			if out := n.alive(back); kinds(out.Events)[0] != EventJoin {
				t.Errorf("forgotten %v, at %d: events %v", forgotten, where, out.Events)
			}
			if m, _ := n.Member("m1"); m.State != StateAlive || m.Addr != memberAddr(where) || len(n.failed.byName) != 0 {
				t.Errorf("member is %+v, %d are remembered", m, len(n.failed.byName))
			}
		}
	}
}

func TestPortZeroMeansTheDefaultPort(t *testing.T) {
	n := newNode(t, func(c *Config) { c.DefaultPort = 4242 })
	a := aliveOf(1, 1)
	a.Port = 0
	n.alive(a)
	if m, _ := n.Member("m1"); m.Addr.Port() != 4242 {
		t.Errorf("port %d, want 4242", m.Addr.Port())
	}
}

func TestSameAddressInBothSpellingsIsNoConflict(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	a := aliveOf(1, 2)
	as16 := memberAddr(1).Addr().As16()
	a.Addr = as16[:]
	if got := n.alive(a).Events; len(got) != 0 {
		t.Errorf("events %v, want none", got)
	}
	n.want(1, StateAlive, 2)
}

func TestAllowed(t *testing.T) {
	network := netip.MustParsePrefix("10.0.0.0/30") // up to 10.0.0.3
	n := newNode(t, func(c *Config) { c.Allowed = network.Contains })
	if out := n.alive(aliveOf(9, 1)); n.NumKnown() != 1 || out.Counts.Drops[DropNotAllowed] != 1 {
		t.Error("a member outside of the allowed networks was taken")
	}
	n.withMembers(1)
	n.dead(1, 1, "m1")
	a := aliveOf(1, 2)
	a.Addr = memberAddr(9).Addr().AsSlice()
	n.alive(a)
	n.want(1, StateLeft, 1)
	as16 := memberAddr(2).Addr().As16()
	b := aliveOf(2, 1)
	b.Addr = as16[:]
	n.alive(b)
	n.want(2, StateAlive, 1)
}
