package swim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

var strangerAddr = memberAddr(5000)

// fake returns an alive message about member i, which does not exist.
func fake(i int) *wire.Alive { return aliveOf(6000+i, 1) }

// TestNewcomer: a name that only a stranger asserts is pinged, once, and is a member when it answers from its address, or when
// it is asserted by a member; otherwise nothing remains of it.
func TestNewcomer(t *testing.T) {
	own := Endpoint{AddrPort: memberAddr(5)}
	for _, tt := range []struct {
		name  string
		after func(n *node, seq uint32)
		joins uint32 // the incarnation at which it becomes a member; 0: it does not
	}{
		{"it answers", func(n *node, seq uint32) { n.Step(own, ackOf(seq)) }, 3},
		{"it answers, without an address", func(n *node, seq uint32) { n.Step(Endpoint{}, ackOf(seq)) }, 3},
		{"it answers after a newer assertion", func(n *node, seq uint32) {
			n.Step(Endpoint{AddrPort: strangerAddr}, aliveOf(5, 4))
			n.Step(own, ackOf(seq))
		}, 4},
		{"another address is asserted", func(n *node, seq uint32) {
			elsewhere := aliveOf(5, 4)
			elsewhere.Addr = memberAddr(6).Addr().AsSlice()
			n.Step(Endpoint{AddrPort: strangerAddr}, elsewhere)
			n.Step(own, ackOf(seq))
		}, 3},
		{"it answers from another address", func(n *node, seq uint32) { n.Step(Endpoint{AddrPort: strangerAddr}, ackOf(seq)) }, 3},
		{"an ack of another ping", func(n *node, seq uint32) { n.Step(own, ackOf(seq+1)) }, 0},
		{"a member asserts it", func(n *node, _ uint32) { n.Step(Endpoint{AddrPort: memberAddr(1)}, aliveOf(5, 4)) }, 4},
		{"a member that is dead asserts it", func(n *node, _ uint32) {
			n.dead(1, 1, "m2")
			n.take()
			n.Step(Endpoint{AddrPort: memberAddr(1)}, aliveOf(5, 4))
		}, 0},
		{"a peer that we dialled asserts it", func(n *node, _ uint32) { n.Merge([]wire.PushNodeState{stateOf(5, 4, StateAlive)}) }, 4},
		{"it leaves", func(n *node, seq uint32) {
			n.Step(own, &wire.Dead{Incarnation: 3, Node: "m5", From: "m5"})
			n.Step(own, ackOf(seq))
		}, 0},
		{"an earlier process of the name leaves", func(n *node, seq uint32) {
			n.Step(own, &wire.Dead{Incarnation: 2, Node: "m5", From: "m5"})
			n.Step(own, ackOf(seq))
		}, 3},
		{"another name answers, as the transport knows", func(n *node, seq uint32) {
			n.Step(Endpoint{AddrPort: own.AddrPort, Name: "m6"}, ackOf(seq))
		}, 0},
		{"it is silent", func(*node, uint32) {}, 0},
		{"it answers too late", func(n *node, seq uint32) {
			n.after(newcomerPatience * n.cfg.ProbeTimeout).Tick()
			n.Step(own, ackOf(seq))
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(2)
			n.queued()
			n.Step(Endpoint{AddrPort: strangerAddr}, aliveOf(5, 3))
			n.Step(Endpoint{AddrPort: strangerAddr}, aliveOf(5, 3))
			out := n.take()
			if len(out.Packets) != 1 || out.Packets[0].To.AddrPort != own.AddrPort || len(out.Packets[0].Messages) != 1 || len(out.Events) != 0 {
				t.Fatalf("packets %+v, events %v", out.Packets, out.Events)
			}
			ping, ok := parse(t, out.Packets[0].Messages[0]).(*wire.Ping)
			if _, known := n.Member("m5"); !ok || ping.Node != "m5" || known || n.NumQueued() != 0 {
				t.Fatalf("ping %+v, known: %v, %d queued", ping, known, n.NumQueued())
			}
			tt.after(n, ping.SeqNo)
			joined := slices.Contains(kinds(n.take().Events), EventJoin)
			n.after(newcomerPatience * n.cfg.ProbeTimeout).Tick()
			gossiped := slices.ContainsFunc(n.queued(), func(m wire.Message) bool { return m.Type() == wire.TypeAlive })
			if m, _ := n.Member("m5"); m.Incarnation != tt.joins || joined != (tt.joins > 0) || gossiped != joined {
				t.Errorf("joined: %v, gossiped: %v, %+v; want incarnation %d", joined, gossiped, m, tt.joins)
			}
			if len(n.probation.byName)+len(n.probation.bySeq)+n.probation.ofStreams > 0 {
				t.Errorf("%+v remains", n.probation)
			}
		})
	}
}

// TestNewcomersAreLimited: strangers cannot cause many pings, nor make us keep much, by packets or in push/pulls, and those of
// packets keep no others from joining.
func TestNewcomersAreLimited(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	pings, refused := 0, 0
	flood := func(from int, fakes int) {
		for i := range fakes {
			n.Step(Endpoint{AddrPort: memberAddr(from)}, fake(from*1000+i))
			out := n.take()
			pings += len(out.Packets)
			refused += out.Counts.Drops[DropUnconfirmed]
		}
	}
	flood(5, 1000)
	if pings != answersAtOnce || refused != 1000-answersAtOnce {
		t.Errorf("%d pings by one source, %d refused", pings, refused)
	}
	for source := 6; source < 20; source++ {
		flood(source, 100)
	}
	if pings != newcomersOfPackets || len(n.probation.byName) != newcomersOfPackets {
		t.Errorf("%d pings by 15 sources, %d newcomers", pings, len(n.probation.byName))
	}

	dialler := Endpoint{AddrPort: memberAddr(7)}
	var states []wire.PushNodeState
	for i := range 5000 {
		states = append(states, stateOf(30_000+i, 1, StateAlive))
		states[i].Addr = memberAddr(7).Addr().AsSlice()
	}
	out := n.mergeOf(dialler, states)
	if joined := len(out.Changed); joined != introducedAtOnce || len(out.Packets) != newcomersOfStreams || len(n.probation.byName) != newcomersOfPackets+newcomersOfStreams {
		t.Errorf("%d members and %d pings by a push/pull, %d newcomers", joined, len(out.Packets), len(n.probation.byName))
	}
	dialler.AddrPort = memberAddr(8)
	if out := n.mergeOf(dialler, []wire.PushNodeState{stateOf(8, 1, StateAlive)}); len(out.Events) != 1 {
		t.Errorf("a joining member is not known: %v", out.Events)
	}
	n.after(newcomerPatience * n.cfg.ProbeTimeout).Tick()
	if got := n.take().Counts.Drops[DropUnconfirmed]; got != newcomersOfPackets+newcomersOfStreams || len(n.probation.byName)+n.probation.ofStreams != 0 {
		t.Errorf("%d were dropped, %d remain, %d of streams", got, len(n.probation.byName), n.probation.ofStreams)
	}
}

// TestNewcomersElsewhereAreLimited: a peer that dials us causes as few pings of other hosts as one that sends packets.
func TestNewcomersElsewhereAreLimited(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	var states []wire.PushNodeState
	for i := range 1000 {
		states = append(states, stateOf(30_000+i, 1, StateAlive))
	}
	out := n.mergeOf(Endpoint{AddrPort: memberAddr(7)}, states)
	if len(out.Changed) != introducedAtOnce || len(out.Packets) != answersAtOnce {
		t.Errorf("%d members, %d pings", len(out.Changed), len(out.Packets))
	}
}

// mergeOf merges the states of a push/pull that a peer began.
func (n *node) mergeOf(from Endpoint, states []wire.PushNodeState) *Output {
	read := wire.StatesOf(states...)
	peer := n.Dialler(from.AddrPort, read)
	for read.Len() > 0 {
		n.Turn.Merge(&peer, &read)
	}
	return n.take()
}

// TestDialler: who dials us is believed if it is a member: one of its states is known at the IP address that it dials from.
func TestDialler(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.dead(3, 1, "m1")
	for _, tt := range []struct {
		name     string
		from     Endpoint
		state    wire.PushNodeState
		stranger bool
	}{
		{"a member", Endpoint{AddrPort: memberAddr(1)}, stateOf(1, 1, StateAlive), false},
		{"a member elsewhere", Endpoint{AddrPort: memberAddr(9)}, stateOf(1, 1, StateAlive), true},
		{"one that is dead here", Endpoint{AddrPort: memberAddr(3)}, stateOf(3, 1, StateAlive), true},
		{"one that is unknown", Endpoint{AddrPort: memberAddr(9)}, stateOf(9, 1, StateAlive), true},
		{"a transport without IP addresses", Endpoint{Text: "9"}, stateOf(9, 1, StateAlive), false},
	} {
		if got := n.Dialler(tt.from.AddrPort, wire.StatesOf(stateOf(50, 1, StateAlive), tt.state)); got.stranger != tt.stranger {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestSenderBehindNAT: a member is believed too in packets from the address that its acks come from.
func TestSenderBehindNAT(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	nat := Endpoint{AddrPort: strangerAddr}
	n.table.named("m1").answered = false
	if m := n.table.named("m1"); !n.ackSources.isFrom(n.Turn, m, &nat) {
		t.Fatal("the first ack of a member does not tell where its acks come from")
	}
	n.Step(nat, aliveOf(5, 1))
	n.want(5, StateAlive, 1)
	n.dead(1, 1, "m2")
	n.after(n.cfg.GossipToTheDeadTime + time.Second).Tick()
	n.Step(nat, aliveOf(6, 1))
	if _, known := n.Member("m6"); known || len(n.ackSources.at) != 0 {
		t.Errorf("m6 is known: %v; sources %v", known, n.ackSources.at)
	}
}

// TestFailedMemberIsNoNewcomer: a member that answered us before it failed is known at once when it is back.
func TestFailedMemberIsNoNewcomer(t *testing.T) {
	n := reconnecting(t, nil).withMembers(3)
	n.dead(1, 1, "m2")
	n.after(n.cfg.GossipToTheDeadTime + time.Second).Tick()
	if _, known := n.Member("m1"); known {
		t.Fatal("it is still in the table")
	}
	n.Step(Endpoint{AddrPort: strangerAddr}, aliveOf(1, 2))
	n.want(1, StateAlive, 2)
}

// TestFakesTakeNoGossip: under a flood, news of a member is sent in the next round.
func TestFakesTakeNoGossip(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	n.queued()
	n.Start()
	n.alive(aliveOf(2, 2))
	for i := range 1000 {
		n.Step(Endpoint{AddrPort: strangerAddr}, fake(i))
	}
	n.take()
	var first string
	n.run(2*n.cfg.GossipInterval, func(out *Output) {
		for _, p := range out.Packets {
			if first == "" && len(p.Messages) > 0 && p.Ping == 0 {
				first = fmt.Sprint(len(p.Messages), " ", describe(parse(t, p.Messages[0])))
			}
		}
	})
	if first != "1 alive m2@2 " {
		t.Errorf("the first gossip is %q", first)
	}
}

// TestFakesAtOurAddress: what strangers assert to be at our own address is neither kept nor gossiped.
func TestFakesAtOurAddress(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.queued()
	a := aliveOf(5, 1)
	a.Addr = memberAddr(0).Addr().AsSlice()
	n.Step(Endpoint{AddrPort: strangerAddr}, a)
	state := stateOf(5, 1, StateAlive)
	state.Addr = a.Addr
	n.mergeOf(Endpoint{AddrPort: strangerAddr}, []wire.PushNodeState{state})
	if n.NumKnown() != 3 || n.NumQueued() != 0 || n.failed.named("m5") != nil {
		t.Errorf("%d known, %d queued", n.NumKnown(), n.NumQueued())
	}
}
