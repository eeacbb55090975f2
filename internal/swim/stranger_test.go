package swim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// pingBy returns a ping of the node under test by member i.
func pingBy(i int, seq uint32) *wire.Ping {
	return &wire.Ping{SeqNo: seq, Node: "self", SourceAddr: memberAddr(i).Addr().AsSlice(), SourcePort: 7946, SourceNode: memberName(i)}
}

func from(i int) Endpoint { return Endpoint{AddrPort: memberAddr(i)} }

// TestPingsOfStrangersTakeNoGossip: the ack of a ping by no member, or in a member's name from elsewhere, has neither
// gossip nor, for a stranger, the payload; queued messages are sent as often as without it.
func TestPingsOfStrangersTakeNoGossip(t *testing.T) {
	for _, tt := range []struct {
		name    string
		from    Endpoint
		ping    *wire.Ping
		to      string
		gossip  bool
		payload bool
	}{
		{"member", from(1), pingBy(1, 5), "10.0.0.1:7946", true, true},
		{"member without a source", from(1), &wire.Ping{SeqNo: 5}, "10.0.0.1:7946", true, true},
		{"member of a transport without IP addresses", Endpoint{Text: "pipe"}, pingBy(1, 5), "10.0.0.1:7946", true, true},
		{"member behind a NAT", from(99), pingBy(1, 5), "10.0.0.1:7946", false, true},
		{"stranger", from(99), &wire.Ping{SeqNo: 5}, "10.0.0.99:7946", false, false},
		{"stranger with a member's name", from(99), &wire.Ping{SeqNo: 5, SourceNode: "m1"}, "10.0.0.99:7946", false, false},
		{"joiner", from(98), pingBy(98, 5), "10.0.0.98:7946", false, false},
		{"joiner behind a NAT", from(99), pingBy(98, 5), "10.0.0.99:7946", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(3)
			n.alive(aliveOf(1, 2)) // news
			queued := n.NumQueued()
			for range 500 {
				n.now = n.now.Add(time.Second) // no faster than members ping
				n.StepPing(tt.from, tt.ping, []byte("payload"))
				out := n.take()
				if len(out.Packets) != 1 || out.Packets[0].To.AddrPort.String() != tt.to {
					t.Fatalf("packets %+v, want an ack to %s", out.Packets, tt.to)
				}
				p := out.Packets[0]
				ack := parse(t, p.Messages[0]).(*wire.Ack)
				if ack.SeqNo != 5 || string(ack.Payload) == "payload" != tt.payload {
					t.Fatalf("ack %+v, want the payload: %v", ack, tt.payload)
				}
				if !tt.gossip && len(p.Messages) > 1 {
					t.Fatalf("the ack has %d messages", len(p.Messages))
				}
				if size := len(tt.ping.Append(nil)); !tt.payload && len(p.Messages[0]) > size {
					t.Fatalf("an ack of %d bytes for a ping of %d", len(p.Messages[0]), size)
				}
			}
			if taken := n.NumQueued() < queued; taken != tt.gossip {
				t.Errorf("%d of %d broadcasts are queued after 500 pings", n.NumQueued(), queued)
			}
		})
	}
}

// TestRelayOnlyForMembers: no packet goes to an address that is no member's because an indirect ping names it, as the target
// or as its source.
func TestRelayOnlyForMembers(t *testing.T) {
	indirect := func(target, source int) *wire.IndirectPing {
		return &wire.IndirectPing{SeqNo: 7, Target: memberAddr(target).Addr().AsSlice(), Port: 7946, Node: memberName(target), Nack: true,
			SourceAddr: memberAddr(source).Addr().AsSlice(), SourcePort: 7946, SourceNode: memberName(source)}
	}
	for _, tt := range []struct {
		name  string
		from  Endpoint
		ping  *wire.IndirectPing
		nacks string // address; "": it is refused
	}{
		{"member", from(1), indirect(2, 1), "10.0.0.1:7946"},
		{"member behind a NAT", from(99), indirect(2, 1), "10.0.0.1:7946"},
		{"joiner", from(98), indirect(2, 98), "10.0.0.98:7946"},
		{"joiner behind a NAT", from(99), indirect(2, 98), "10.0.0.99:7946"},
		{"target is no member", from(1), indirect(97, 1), ""},
		{"target is no member, in a member's name", from(1), func() *wire.IndirectPing {
			i := indirect(97, 1)
			i.Node = "m2"
			return i
		}(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(3)
			n.Step(tt.from, tt.ping)
			out := n.take()
			if tt.nacks == "" {
				if len(out.Packets) != 0 || out.Counts.Drops[DropStranger] != 1 {
					t.Errorf("packets %+v, %d dropped", out.Packets, out.Counts.Drops[DropStranger])
				}
				return
			}
			if len(out.Packets) != 1 || out.Packets[0].To.AddrPort != memberAddr(2) {
				t.Fatalf("packets %+v, want a ping of the target", out.Packets)
			}
			out = n.tickTo(time.Second)
			if len(out.Packets) != 1 || out.Packets[0].To.AddrPort.String() != tt.nacks {
				t.Errorf("packets %+v, want a nack to %s", out.Packets, tt.nacks)
			}
		})
	}
}

// TestAnswersToOthersAreLimited: relays, and acks to another address than the sender's, are limited for each source; those
// of one source do not count for another's.
func TestAnswersToOthersAreLimited(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	answered := func(at Endpoint) int {
		n.StepPing(at, pingBy(1, 5), nil) // from elsewhere
		out := n.take()
		if len(out.Packets)+out.Counts.Drops[DropRate] != 1 {
			t.Fatalf("%d packets, %d dropped", len(out.Packets), out.Counts.Drops[DropRate])
		}
		return len(out.Packets)
	}
	got := 0
	for range 10000 { // in 10 s
		n.now = n.now.Add(time.Millisecond)
		got += answered(from(99))
	}
	if most := answersAtOnce + 10*answersPerPeriod + 1; got > most || got < most-10 {
		t.Errorf("%d of 10,000 answered in 10 s, want about %d", got, most)
	}
	if answered(from(98)) != 1 {
		t.Error("another source is limited too")
	}
	// Many sources take no more memory, and no members' share.
	for i := range 3 * maxSources {
		answered(from(1000 + i))
	}
	if len(n.answers.members.sources)+len(n.answers.strangers.sources) > 2*maxSources {
		t.Errorf("%d sources are remembered", len(n.answers.strangers.sources))
	}
	n.Step(from(1), &wire.IndirectPing{SeqNo: 7, Target: memberAddr(2).Addr().AsSlice(), Port: 7946, Node: "m2"})
	if out := n.take(); len(out.Packets) != 1 {
		t.Error("a member is limited by strangers")
	}
	n.now = n.now.Add(time.Minute)
	if answered(from(5000)) != 1 || len(n.answers.strangers.sources) > maxSources {
		t.Error("sources are limited after a minute")
	}
}

// TestStaleMessagesAreAnsweredSlowly: a packet of many stale messages has as many answers as one of many pings for others.
func TestStaleMessagesAreAnsweredSlowly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		from    Endpoint
		message func() wire.Message
	}{
		{"alive of a member that failed", Endpoint{AddrPort: memberAddr(66)}, func() wire.Message { return aliveOf(1, 2) }},
		{"alive elsewhere of a member that left", Endpoint{AddrPort: memberAddr(66)}, func() wire.Message {
			a := aliveOf(2, 2)
			a.Addr = memberAddr(67).Addr().AsSlice()
			return a
		}},
		{"suspect about us", Endpoint{AddrPort: memberAddr(3)}, func() wire.Message { return &wire.Suspect{Node: "self", From: "m3"} }},
		{"leave of a member that is alive", Endpoint{AddrPort: memberAddr(3)}, func() wire.Message { return &wire.Dead{Node: "m4", From: "m4"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(4)
			n.dead(1, 3, "m3")
			n.dead(2, 3, "m2")
			answers := func(messages int) int {
				for range messages {
					n.Step(tt.from, tt.message())
				}
				return len(n.take().Packets)
			}
			if got := answers(1000); got != answersAtOnce {
				t.Errorf("%d of 1000 are answered, want %d", got, answersAtOnce)
			}
			n.after(time.Second)
			if got := answers(1000); got != answersPerPeriod {
				t.Errorf("%d of 1000 are answered a second later, want %d", got, answersPerPeriod)
			}
		})
	}
}
