package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The known holes of the protocol: the shortest history that leads into each, and the behaviour of the core there.

// scene is a settled cluster in which the test delivers messages to nodes at given times.
type scene struct {
	*Sim
	t *testing.T
}

func newScene(t *testing.T, n int, faults ...Fault) *scene {
	t.Helper()
	return &scene{New(Config{N: n, Unchecked: true, Faults: faults}), t}
}

// hear delivers a message to a node.
func (s *scene) hear(node, from int, m wire.Message) {
	n := &s.nodes[node]
	t := s.beginTurn(n)
	s.step(n, t, swim.Endpoint{AddrPort: address(int32(from), 0)}, m.Append(nil))
	s.endTurn(n, t)
}

// mergeState delivers one state of a push/pull that another node began to a node.
func (s *scene) mergeState(node, from int, m swim.Member) {
	n := &s.nodes[node]
	s.merge(n, n.core.Dialler(address(int32(from), 0), statesOf(m)), statesOf(m))
}

// statesOf returns the states of a push/pull about one member.
func statesOf(m swim.Member) wire.States {
	return wire.StatesOf(wire.PushNodeState{Name: m.Name, Addr: m.Addr.Addr().AsSlice(), Port: m.Addr.Port(),
		Meta: m.Meta, Incarnation: m.Incarnation, State: int(m.State), Vsn: m.Versions[:]})
}

// isGossip reports whether a decoded message is of one of the types.
func isGossip(m any, kinds ...wire.Type) bool {
	v, ok := m.(*wire.GossipView)
	return ok && slices.Contains(kinds, v.Kind)
}

// until runs the cluster up to a time.
func (s *scene) until(t time.Duration) {
	s.t.Helper()
	if err := s.RunUntil(t); err != nil {
		s.t.Fatal(err)
	}
}

// sees returns a node's entry of another.
func (s *scene) sees(node, other int) swim.Member {
	m, _ := s.nodes[node].core.Member(nodeName(other))
	return m
}

// want checks a node's entry of another.
func (s *scene) want(node, other int, state swim.State, incarnation uint32) {
	s.t.Helper()
	if m := s.sees(node, other); m.State != state || m.Incarnation != incarnation {
		s.t.Errorf("at %v n%d has n%d for %v at %d, want %v at %d", s.Now(), node, other, m.State, m.Incarnation, state, incarnation)
	}
}

// alive returns a node's alive message about itself at an incarnation.
func (s *scene) alive(node int, incarnation uint32) *wire.Alive {
	return &wire.Alive{Incarnation: incarnation, Node: nodeName(node), Addr: address(int32(node), 0).Addr().AsSlice(), Port: port,
		Meta: make([]byte, 4), Vsn: versions[:]}
}

// TestHoleStaleAlive: only one node knows a death at a much higher incarnation. The member, which has forgotten that,
// would stay dead there; but the sender of an alive about it is answered, and the member refutes.
func TestHoleStaleAlive(t *testing.T) {
	s := newScene(t, 5)
	s.hear(1, 2, &wire.Suspect{Incarnation: 100, Node: "n3", From: "n2"}) // otherwise the death is checked
	s.hear(1, 2, &wire.Dead{Incarnation: 100, Node: "n3", From: "n2"})
	s.nodes[1].settled(s.Sim) // no other node receives it
	s.want(1, 3, swim.StateDead, 100)
	s.hear(1, 3, s.alive(3, 1))
	s.until(2 * time.Second)
	for node := range 5 {
		s.want(node, 3, swim.StateAlive, 101)
	}
}

// TestHoleSuspicionTimer: a member has refuted a suspicion and is suspected at a higher incarnation shortly before
// the first would end. The new suspicion has the full timeout.
func TestHoleSuspicionTimer(t *testing.T) {
	s := newScene(t, 8, Fault{Kind: Partition, Nodes: []int{1}})
	for _, from := range []string{"n2", "n4", "n5"} { // enough confirmations to end it after 4 s
		s.hear(1, 2, &wire.Suspect{Incarnation: 1, Node: "n3", From: from})
	}
	s.until(3900 * time.Millisecond)
	s.hear(1, 4, &wire.Suspect{Incarnation: 2, Node: "n3", From: "n4"})
	s.until(7800 * time.Millisecond)
	s.want(1, 3, swim.StateSuspect, 2)
}

// TestHoleSyncConfirms: a suspect state in a push/pull confirms no suspicion, as its sender is no witness; and it is
// not gossiped in the name of a witness.
func TestHoleSyncConfirms(t *testing.T) {
	core := LAN()
	core.PushPullInterval = 0 // except those of the test
	s := &scene{New(Config{N: 8, Unchecked: true, Core: core}), t}
	s.cfg.Tamper.In = func(node int, _ *swim.Turn, m any) bool {
		switch {
		case isGossip(m, wire.TypeSuspect):
			return node != 3 // it acks, and does not refute
		case isGossip(m, wire.TypeDead):
			return node != 3 && node != 1 // others may receive the unattributed suspicion first, then n2's, which confirms it
		}
		return true
	}
	s.hear(1, 2, &wire.Suspect{Incarnation: 1, Node: "n3", From: "n2"})
	suspected := s.sees(1, 3)
	for range 5 {
		s.mergeState(1, 2, suspected)
	}
	for node := 4; node < 8; node++ { // these begin a suspicion, and gossip it
		s.mergeState(node, 2, suspected)
	}
	s.until(23900 * time.Millisecond) // one confirmation would end it after 11.4 s, two after 4 s
	s.want(1, 3, swim.StateSuspect, 1)
	s.until(24200 * time.Millisecond)
	s.want(1, 3, swim.StateDead, 1)
}

// TestHoleSyncStandsInForProbe: a suspicion begun by a push/pull has no witness: when our probe of the member fails
// too, that confirms it. If it counted as our own, it would last for 24 s.
func TestHoleSyncStandsInForProbe(t *testing.T) {
	core := LAN()
	core.Extensions, core.Detector = false, swim.Detector{} // else n1 learns of the death from the next member that it probes
	s := &scene{New(Config{N: 8, Unchecked: true, Core: core, Faults: []Fault{{Kind: HostCrash, Nodes: []int{3}}}}), t}
	s.cfg.Tamper.In = func(node int, _ *swim.Turn, m any) bool { // n1 does not share its observation
		return node != 1 || !isGossip(m, wire.TypeSuspect, wire.TypeDead)
	}
	reported := s.sees(1, 3)
	reported.State = swim.StateDead
	s.mergeState(1, 2, reported)
	s.want(1, 3, swim.StateSuspect, 1)
	s.until(11300 * time.Millisecond)
	s.want(1, 3, swim.StateSuspect, 1)
	s.until(12 * time.Second)
	s.want(1, 3, swim.StateDead, 1)
}

// TestHoleSyncIsRefuted: a member suspected by a push/pull alone learns of it, and refutes.
func TestHoleSyncIsRefuted(t *testing.T) {
	s := newScene(t, 8)
	reported := s.sees(1, 3)
	reported.State = swim.StateSuspect
	s.mergeState(1, 2, reported)
	s.want(1, 3, swim.StateSuspect, 1)
	s.until(3 * time.Second)
	for node := range 8 {
		s.want(node, 3, swim.StateAlive, 2)
	}
}

// TestHoleAckedSuspect: a suspect acks every probe, and stays suspect until it receives the suspect message: acks
// carry no incarnation. The probe sends it, so that the member refutes within a round.
func TestHoleAckedSuspect(t *testing.T) {
	s := newScene(t, 5)
	s.hear(1, 2, &wire.Suspect{Incarnation: 7, Node: "n3", From: "n2"})
	s.nodes[1].settled(s.Sim)
	s.want(1, 3, swim.StateSuspect, 7)
	s.until(10 * time.Second)
	s.want(1, 3, swim.StateAlive, 8)
}

// TestHoleStaleAccusation: one node missed a member's refutation. The member acks each of its probes, and the suspect
// message with the probe is old to it; so it sends the node its refutation. Otherwise it would stay suspect there,
// and then be dead.
func TestHoleStaleAccusation(t *testing.T) {
	core := LAN()
	core.PushPullInterval = 0 // no other node tells it
	s := &scene{New(Config{N: 8, Unchecked: true, Core: core}), t}
	s.cfg.Tamper.In = func(node int, _ *swim.Turn, m any) bool {
		return node != 1 || !isGossip(m, wire.TypeAlive)
	}
	s.hear(3, 2, &wire.Suspect{Incarnation: 1, Node: "n3", From: "n2"})
	s.until(5 * time.Second)
	s.want(2, 3, swim.StateAlive, 2)
	s.cfg.Tamper.In = nil
	s.hear(1, 4, &wire.Suspect{Incarnation: 1, Node: "n3", From: "n4"})
	s.nodes[1].settled(s.Sim)
	s.want(1, 3, swim.StateSuspect, 1)
	s.until(15 * time.Second) // a round of probes
	s.want(1, 3, swim.StateAlive, 2)
}

// TestHoleResurrection: a node that received nothing for long has, in a push/pull, a member that the others have
// removed. They remember the incarnation of its death, so that it does not return, and the node learns of the death.
func TestHoleResurrection(t *testing.T) {
	s := newScene(t, 10, Fault{Kind: Crash, Nodes: []int{3}})
	stale := s.sees(1, 3)
	s.until(2 * time.Minute)
	if s.sees(2, 3).Name != "" {
		t.Fatal("it has not been removed")
	}
	for _, node := range []int{2, 4} {
		s.mergeState(node, 2, stale)
		s.want(node, 3, swim.StateDead, 1)
	}
	for at := 2 * time.Minute; at <= 15*time.Minute; at += time.Second {
		s.until(at)
		for _, node := range []int{0, 1, 2, 4, 5, 6, 7, 8, 9} {
			if m := s.sees(node, 3); m.Name != "" && !m.State.IsDown() {
				t.Fatalf("at %v it is %v to n%d", at, m.State, node)
			}
		}
	}
}

// TestHoleLastIncarnation: a message about a member at an incarnation that leaves little or nothing to announce is ignored,
// however it arrives.
func TestHoleLastIncarnation(t *testing.T) {
	const last = swim.MaxIncarnation
	s := newScene(t, 5)
	for _, incarnation := range []uint32{last + 1, last, last - 1, 1 << 31} {
		s.hear(1, 60, &wire.Suspect{Incarnation: incarnation, Node: "n3", From: "n2"})
		s.hear(3, 60, &wire.Suspect{Incarnation: incarnation, Node: "n3", From: "n2"})
		s.hear(3, 60, &wire.Dead{Incarnation: incarnation, Node: "n3", From: "n2"})
		s.hear(4, 60, &wire.Dead{Incarnation: incarnation, Node: "n3", From: "n3"})
		s.hear(0, 60, s.alive(3, incarnation))
		for _, state := range []swim.State{swim.StateAlive, swim.StateSuspect, swim.StateDead, swim.StateLeft} {
			m := s.sees(1, 3)
			m.State, m.Incarnation = state, incarnation
			s.mergeState(2, 60, m)
		}
	}
	s.until(30 * time.Second)
	for node := range 5 {
		s.want(node, 3, swim.StateAlive, 1)
	}
}

// TestHoleLeap: a push/pull reminds a node of a high incarnation, as after a restart. The others, which ignore such
// leaps in gossip, ask it and learn of it; and so do the node itself and new members after the next restarts.
func TestHoleLeap(t *testing.T) {
	const high = 1 << 30
	s := newScene(t, 8, Fault{Kind: Amnesia, At: 10 * time.Second, For: time.Second, Nodes: []int{3}},
		Fault{Kind: Amnesia, At: time.Minute, For: time.Second, Nodes: []int{5}})
	reminded := s.sees(1, 3)
	reminded.Incarnation, reminded.State = high, swim.StateDead
	s.merge(&s.nodes[3], swim.Dialled(s.sees(1, 2).Addr), statesOf(reminded)) // in its reply to a push/pull
	s.until(5 * time.Second)
	for node := range 8 {
		s.want(node, 3, swim.StateAlive, high+1)
	}
	s.until(50 * time.Second) // a push/pull for each
	for node := range 8 {
		s.want(node, 3, swim.StateAlive, high+2)
	}
	s.until(65 * time.Second)
	s.want(5, 3, swim.StateAlive, high+2)
}

// TestHoleLeaveAmongTheLeft: the last of many to leave sends its leave to members that are present, not to those that
// left before.
func TestHoleLeaveAmongTheLeft(t *testing.T) {
	const n = 30
	leavers := make([]int, n-2)
	for i := range leavers {
		leavers[i] = i + 1
	}
	s := newScene(t, n, Fault{Kind: Leave, At: time.Second, Nodes: leavers}, Fault{Kind: Leave, At: 10 * time.Second, Nodes: []int{n - 1}})
	s.until(20 * time.Second)
	for i := 1; i < n; i++ {
		s.want(0, i, swim.StateLeft, 1)
	}
}

// TestHoleOnlyHelper: of many members only one is alive and can relay a probe. It is always found, so that a member
// that only it reaches is never suspected; a few random draws would miss it most of the time.
func TestHoleOnlyHelper(t *testing.T) {
	const n = 30
	leavers := make([]int, n-3)
	for i := range leavers {
		leavers[i] = i + 3
	}
	core := LAN()
	core.GossipToTheDeadTime = time.Hour // those that have left stay in the table
	s := &scene{New(Config{N: n, Unchecked: true, Core: core, Faults: []Fault{
		{Kind: Leave, Nodes: leavers},
		{Kind: NoPackets, At: 10 * time.Second, Nodes: []int{0}, To: []int{1}},
		{Kind: NoStreams, At: 10 * time.Second, Nodes: []int{0}, To: []int{1}, Rate: 1},
	}}), t}
	s.until(9 * time.Second)
	s.want(0, n-1, swim.StateLeft, 1)
	s.until(5 * time.Minute)
	for node := range 3 {
		for other := range 3 {
			s.want(node, other, swim.StateAlive, 1)
		}
	}
}
