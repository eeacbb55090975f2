package swim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// named returns from(i) with a name that the transport has verified.
func named(i int, name string) Endpoint {
	e := from(i)
	e.Name = name
	return e
}

// TestAcksFromElsewhere: an ack counts only from the address that was pinged or, later, from a helper that was asked.
// A member behind a NAT may ack from another address, but always from the same one.
func TestAcksFromElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered bool // the member has answered before
		acks     []Endpoint
		late     bool // after helpers were asked
		acked    bool
	}{
		{"its own address", true, []Endpoint{from(1)}, false, true},
		{"unknown address", true, []Endpoint{{Text: "pipe"}}, false, true},
		{"elsewhere", true, []Endpoint{from(99)}, false, false},
		{"elsewhere, first", false, []Endpoint{from(99)}, false, true},
		{"helper before it was asked", true, []Endpoint{from(2)}, false, false},
		{"helper", true, []Endpoint{from(2)}, true, true},
		{"elsewhere, late", true, []Endpoint{from(99)}, true, false},
		{"elsewhere, with its verified name", true, []Endpoint{named(99, "m1")}, false, true},
		{"its own address, with another name", true, []Endpoint{named(1, "m2")}, false, false},
		{"its own address, with another name, first", false, []Endpoint{named(1, "m2")}, false, false},
		{"helper, with its verified name", true, []Endpoint{named(99, "m2")}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(2)
			m := n.table.named("m1")
			m.answered = tt.answered
			n.probe.begin(n.Turn, m)
			seq := n.take().Packets[0].Ping
			if tt.late {
				n.tickTo(600 * time.Millisecond)
			}
			for _, at := range tt.acks {
				n.Step(at, ackOf(seq))
			}
			if acked := n.probe.target == nil; acked != tt.acked {
				t.Errorf("acked: %v, want %v", acked, tt.acked)
			}
			if drops := n.take().Counts.Drops[DropStranger]; drops > 0 == tt.acked {
				t.Errorf("%d dropped", drops)
			}
		})
	}
	t.Run("another port of its host", func(t *testing.T) { // as of packets that are sent on connections
		n := newNode(t, nil).withMembers(2)
		m := n.table.named("m1")
		for port := range uint16(3) {
			n.probe.begin(n.Turn, m)
			at := netip.AddrPortFrom(memberAddr(1).Addr(), 40000+port)
			n.Step(Endpoint{AddrPort: at}, ackOf(n.take().Packets[0].Ping))
			if n.probe.target != nil {
				t.Errorf("an ack from port %d does not count", at.Port())
			}
		}
	})
	t.Run("NAT", func(t *testing.T) {
		n := newNode(t, nil).withMembers(2)
		m := n.table.named("m1")
		m.answered = false
		probe := func(at Endpoint) bool {
			n.probe.begin(n.Turn, m)
			n.Step(at, ackOf(n.take().Packets[0].Ping))
			return n.probe.target == nil
		}
		for i := range 2 {
			if !probe(from(70)) {
				t.Errorf("ack %d of a member behind a NAT does not count", i+1)
			}
		}
		if probe(from(71)) {
			t.Error("an ack from yet another address counts")
		}
		n.probe.onTimeout(n.Turn) // the NAT has given it another port
		if !probe(from(71)) || probe(from(70)) {
			t.Error("the new address of the NAT was not learned")
		}
	})
}

// TestAckOfUserPingFromElsewhere: the same holds for pings of the user, and for relays.
func TestAckOfUserPingFromElsewhere(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	seq := n.Ping(Endpoint{AddrPort: memberAddr(50)})
	n.Step(from(51), ackOf(seq))
	n.Step(from(50), ackOf(seq))
	if out := n.take(); len(out.Pings) != 1 || !out.Pings[0].OK || out.Counts.Drops[DropStranger] != 1 {
		t.Errorf("results %+v, %d dropped", out.Pings, out.Counts.Drops[DropStranger])
	}
	n.Step(from(1), &wire.IndirectPing{SeqNo: 7, Target: memberAddr(2).Addr().AsSlice(), Port: 7946, Node: "m2"})
	seq = parse(t, n.take().Packets[0].Messages[0]).(*wire.Ping).SeqNo
	n.Step(from(51), ackOf(seq))
	if out := n.take(); len(out.Packets) != 0 {
		t.Error("a forged ack was relayed")
	}
	n.Step(from(2), ackOf(seq))
	if out := n.take(); len(out.Packets) != 1 {
		t.Error("the ack was not relayed")
	}
}

// TestRefutationsRaiseHealthSlowly: many refutations raise the health score by one in a ProbeInterval.
func TestRefutationsRaiseHealthSlowly(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	for i := range 40 { // four a second
		n.now = n.now.Add(250 * time.Millisecond)
		n.Step(from(1), &wire.Suspect{Incarnation: uint32(10 + i), Node: "self", From: "m1"})
		if i%4 == 3 {
			n.awareness.apply(-1) // a probe succeeds
		}
	}
	if n.awareness.score > 1 {
		t.Errorf("health score %d after 10 s, want at most 1", n.awareness.score)
	}
}

// TestDialsAreLimited: claims to the names of members cause at most two streams a second, and none to a member that
// never answered.
func TestDialsAreLimited(t *testing.T) {
	n := newNode(t, nil).withMembers(100)
	n.table.named("m1").answered = false
	streams := 0
	for i := 1; i <= 100; i++ {
		a := aliveOf(i, 2)
		a.Addr = memberAddr(1000 + i).Addr().AsSlice()
		n.Step(from(99), a)
	}
	n.run(time.Second, func(o *Output) {
		for _, s := range o.Streams {
			if s.Kind == StreamPing {
				streams++
			}
			if s.To.Name == "m1" {
				t.Error("a stream to a member that never answered")
			}
		}
	})
	if streams == 0 || streams > dialsAtOnce+2 {
		t.Errorf("%d streams in a second", streams)
	}
}

// TestConflictIsToldOnce: a hundred claims to a name, each newer, and acks from the claimed address are one conflict.
func TestConflictIsToldOnce(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	conflicts := 0
	count := func(out *Output) {
		for _, e := range out.Events {
			if e.Kind == EventConflict {
				conflicts++
			}
		}
		for _, p := range out.Packets { // the member and the claimant answer
			if p.To.AddrPort != memberAddr(1) && p.To.AddrPort != memberAddr(50) {
				continue
			}
			if ping, ok := parse(t, p.Messages[0]).(*wire.Ping); ok {
				n.Step(Endpoint{AddrPort: p.To.AddrPort}, ackOf(ping.SeqNo))
			}
		}
	}
	for i := range 400 { // in 4 s
		n.now = n.now.Add(10 * time.Millisecond)
		a := aliveOf(1, uint32(10+i))
		a.Addr = memberAddr(50).Addr().AsSlice()
		n.Step(from(50), a)
		count(n.take())
		n.Tick()
		count(n.take())
	}
	if conflicts != 1 {
		t.Errorf("%d conflicts, want 1", conflicts)
	}
}
