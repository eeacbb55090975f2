package swim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLeaps: a message at an incarnation far above the known one is believed if its subject sent it. Otherwise the subject is
// asked, in a way that costs it nothing.
func TestLeaps(t *testing.T) {
	stranger, other, itself := Endpoint{AddrPort: memberAddr(66)}, Endpoint{AddrPort: memberAddr(2)}, Endpoint{AddrPort: memberAddr(1)}
	const known, near, far = 5, 5 + maxRise, 6 + maxRise
	isSuspect := func(inc uint32) wire.Message { return &wire.Suspect{Incarnation: inc, Node: "m1", From: "m2"} }
	isDead := func(inc uint32) wire.Message { return &wire.Dead{Incarnation: inc, Node: "m1", From: "m2"} }
	isLeave := func(inc uint32) wire.Message { return &wire.Dead{Incarnation: inc, Node: "m1", From: "m1"} }
	for _, tt := range []struct {
		name    string
		from    Endpoint
		message wire.Message
		becomes uint32
	}{
		{"alive by a stranger", stranger, aliveOf(1, far), known},
		{"alive by another member", other, aliveOf(1, far), known},
		{"alive by itself", itself, aliveOf(1, far), far},
		{"alive by itself, the highest", itself, aliveOf(1, MaxIncarnation), MaxIncarnation},
		{"alive by itself, above the highest", itself, aliveOf(1, MaxIncarnation+1), known},
		{"alive over a transport without addresses", Endpoint{Text: "m2"}, aliveOf(1, far), far},
		{"alive, near", stranger, aliveOf(1, near), near},
		{"suspect", other, isSuspect(far), known},
		{"suspect, near", other, isSuspect(near), near},
		{"suspect, the highest", itself, isSuspect(MaxIncarnation), known},
		{"dead", other, isDead(far), known},
		{"dead, near", other, isDead(near), near},
		{"leave by another", other, isLeave(far), known},
		{"leave", itself, isLeave(far), far},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(2)
			n.Step(itself, aliveOf(1, known))
			n.take()
			n.Step(tt.from, tt.message)
			out := n.take()
			if m, _ := n.Member("m1"); m.Incarnation != tt.becomes {
				t.Errorf("incarnation %d, want %d", m.Incarnation, tt.becomes)
			}
			assertAsks(t, out, "suspect m1@4 by self")
		})
	}
}

// TestLeapOfAMove: a member's own message is not believed to be its own if it says that the member is elsewhere.
func TestLeapOfAMove(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	moved := aliveOf(1, 6+maxRise)
	moved.Addr = memberAddr(9).Addr().AsSlice()
	n.Step(Endpoint{AddrPort: memberAddr(1)}, moved)
	out := n.take()
	if out.Counts.Drops[DropLeap] != 1 {
		t.Error("it is believed")
	}
	assertAsks(t, out, "suspect m1@0 by self")
}

// assertAsks checks that m1 is asked about a leap that was dropped.
func assertAsks(t *testing.T, out *Output, question string) {
	t.Helper()
	asked := ""
	for _, p := range out.Packets {
		if p.To.Name == "m1" && p.To.AddrPort == memberAddr(1) {
			for _, m := range p.Messages {
				asked += describe(parse(t, m))
			}
		}
	}
	if out.Counts.Drops[DropLeap] == 0 {
		question = ""
	}
	if asked != question {
		t.Errorf("asks %q, want %q", asked, question)
	}
}

// TestRisesAreLimited: others may raise incarnations by so much in a minute, and by little at any time.
func TestRisesAreLimited(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	raise := func(i int, to uint32) bool {
		n.Step(Endpoint{AddrPort: memberAddr(66)}, aliveOf(i, to))
		n.take()
		m, _ := n.Member(memberName(i))
		return m.Incarnation == to
	}
	if !raise(1, maxRise/2) || !raise(2, maxRise/2) || raise(1, maxRise/2+100) || raise(2, maxRise) {
		t.Error("not maxRise in all")
	}
	if !raise(1, maxRise/2+1) || !raise(1, maxRise/2+1+smallRise) {
		t.Error("a small rise is not believed")
	}
	n.after(risePeriod / 2)
	if raise(1, maxRise+maxRise/8) || !raise(1, maxRise) {
		t.Error("after half a minute, not half of it")
	}
	n.after(risePeriod)
	if !raise(2, maxRise+maxRise/2-smallRise) {
		t.Error("after a minute, not all of it")
	}
}

// TestEarlierLife: the answer to a push/pull may say at which high incarnation we once were, others only up to a limit.
func TestEarlierLife(t *testing.T) {
	packet := func(from int, inc uint32) func(*node) {
		return func(n *node) {
			n.Step(Endpoint{AddrPort: memberAddr(from)}, &wire.Suspect{Incarnation: inc, Node: "self", From: "m9"})
		}
	}
	stream := func(peer Peer, at int, inc uint32) func(*node) {
		return func(n *node) {
			s := wire.StatesOf(wire.PushNodeState{Name: "self", Addr: memberAddr(at).Addr().AsSlice(), Port: 7946, Incarnation: inc,
				Meta: []byte("old"), State: int(StateDead), Vsn: testVersions[:]})
			n.Turn.Merge(&peer, &s)
		}
	}
	for _, tt := range []struct {
		name    string
		say     func(*node)
		becomes uint32
	}{
		{"suspect by a stranger", packet(66, 2+maxRise), 1},
		{"suspect by a stranger, near", packet(66, 1+maxRise), 1},
		{"suspect by a member", packet(1, maxFirst), maxFirst + 1},
		{"suspect by a member, high", packet(1, maxFirst+1), 1},
		{"push/pull that we began, at our address", stream(Dialled(memberAddr(66)), 0, maxLeap), maxLeap + 1},
		{"push/pull that we began, at our address, with too little room above it", stream(Dialled(memberAddr(66)), 0, maxLeap+1), 1},
		{"push/pull that we began, elsewhere", stream(Dialled(memberAddr(66)), 7, maxFirst), maxFirst + 1},
		{"push/pull that we began, elsewhere, high", stream(Dialled(memberAddr(66)), 7, maxFirst+1), 1},
		{"push/pull that a member began", stream(Peer{Endpoint: Endpoint{AddrPort: memberAddr(1)}, dialled: true}, 0, maxFirst), maxFirst + 1},
		{"push/pull that a stranger began", stream(Peer{Endpoint: Endpoint{AddrPort: memberAddr(66)}, dialled: true, stranger: true}, 0, maxFirst), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(1)
			tt.say(n)
			if got := n.Self().Incarnation; got != tt.becomes {
				t.Errorf("incarnation %d, want %d", got, tt.becomes)
			}
		})
	}
}

// TestFirstIncarnation: members may introduce one at half of all incarnations, itself at any, strangers as far as they may raise
// one. A stream is from a member if it comes from its host.
func TestFirstIncarnation(t *testing.T) {
	at := func(from netip.AddrPort) func(*node, uint32) {
		return func(n *node, inc uint32) { n.Step(Endpoint{AddrPort: from}, aliveOf(1, inc)) }
	}
	stream := func(peer Peer) func(*node, uint32) {
		return func(n *node, inc uint32) {
			s := wire.StatesOf(stateOf(1, inc, StateAlive))
			n.Turn.Merge(&peer, &s)
		}
	}
	dialler := func(i int) Peer {
		return Peer{Endpoint: Endpoint{AddrPort: memberAddr(i)}, dialled: true, stranger: i > 2}
	}
	for _, tt := range []struct {
		name string
		say  func(*node, uint32)
		inc  uint32
		asks string // "": it is known
	}{
		{"by another member", at(memberAddr(2)), maxFirst, ""},
		{"by another member, high", at(memberAddr(2)), maxFirst + 1, "suspect m1@0 by selfalive self@1 "},
		{"by a stranger", at(memberAddr(66)), maxRise, ""},
		{"by a stranger, high", at(memberAddr(66)), maxRise + 1, "suspect m1@0 by self"},
		{"by itself, high", at(memberAddr(1)), MaxIncarnation, ""},
		{"stream that we began", stream(Dialled(memberAddr(66))), maxFirst, ""},
		{"stream that we began, high", stream(Dialled(memberAddr(66))), maxFirst + 1, "suspect m1@0 by selfalive self@1 "},
		{"stream that it began", stream(dialler(1)), MaxIncarnation, ""},
		{"stream that a stranger began", stream(dialler(66)), maxRise + 1, "suspect m1@0 by self"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.alive(aliveOf(2, 1))
			n.take()
			tt.say(n, tt.inc)
			if tt.asks != "" {
				assertAsks(t, n.take(), tt.asks)
			}
			n.answerPings()
			if _, known := n.Member("m1"); known != (tt.asks == "") {
				t.Errorf("known: %v, want %v", known, tt.asks == "")
			}
		})
	}
}

// TestHighIncarnationIsNotRemembered: a name that was last used at an incarnation that its next process could not go above is
// free again once the member is removed.
func TestHighIncarnationIsNotRemembered(t *testing.T) {
	for _, inc := range []uint32{maxFirst, maxFirst + 1, MaxIncarnation - 1} {
		n := newNode(t, nil)
		n.alive(aliveOf(2, 1))
		itself := Endpoint{AddrPort: memberAddr(1)}
		n.Step(itself, aliveOf(1, inc))
		n.answerPings()
		n.Step(itself, &wire.Dead{Incarnation: inc, Node: "m1", From: "m1"})
		n.after(time.Minute).reaper.tick(n.Turn)
		n.Step(itself, aliveOf(1, 1))
		n.answerPings()
		m, _ := n.Member("m1")
		if alive := m.State == StateAlive; alive != (inc > maxFirst) {
			t.Errorf("after a leave at %d it is %v at %d", inc, m.State, m.Incarnation)
		}
	}
}

// TestClaimsAtHighIncarnations: who has taken the name of a member that left, and raised it, does not bring the member back at
// that incarnation; the member itself may come back at any.
func TestClaimsAtHighIncarnations(t *testing.T) {
	itself, claimant := Endpoint{AddrPort: memberAddr(1)}, Endpoint{AddrPort: memberAddr(66)}
	there := func(inc uint32) *wire.Alive {
		a := aliveOf(1, inc)
		a.Addr = memberAddr(66).Addr().AsSlice()
		return a
	}
	n := newNode(t, nil).withMembers(2)
	n.Step(itself, &wire.Dead{Incarnation: 1, Node: "m1", From: "m1"})
	n.Step(claimant, there(2))
	n.Step(claimant, there(MaxIncarnation-9))
	n.Step(claimant, &wire.Dead{Incarnation: MaxIncarnation - 9, Node: "m1", From: "m1"})
	for _, tt := range []struct {
		name string
		from Endpoint
		inc  uint32
		at   int
	}{
		{"by the claimant", claimant, MaxIncarnation - 5, 66},
		{"by another member", Endpoint{AddrPort: memberAddr(2)}, MaxIncarnation - 5, 66},
		{"by itself", itself, MaxIncarnation - 5, 1},
	} {
		n.Step(tt.from, aliveOf(1, tt.inc))
		if m, _ := n.Member("m1"); m.Addr != memberAddr(tt.at) {
			t.Errorf("%s: it is at %v, want %v", tt.name, m.Addr, memberAddr(tt.at))
		}
	}
}

// TestHighMemberIntroducesItself: a member that others cannot introduce, as its incarnation is high, says that it is there when it
// tells a member that it is taken for one that left; that one believes members only.
func TestHighMemberIntroducesItself(t *testing.T) {
	for inc, want := range map[uint32]string{maxFirst - 1: "dead m1@9 by m1", maxFirst: "alive self@2147483649 dead m1@9 by m1"} {
		n := newNode(t, nil).withMembers(2)
		n.Step(Endpoint{}, &wire.Suspect{Incarnation: inc, Node: "self", From: "m2"})
		n.dead(1, 9, "m1")
		n.after(time.Minute).reaper.tick(n.Turn)
		n.take()
		n.Step(Endpoint{AddrPort: memberAddr(1)}, aliveOf(1, 1))
		got := ""
		for _, p := range n.take().Packets {
			for _, m := range p.Messages {
				got += describe(parse(t, m))
			}
		}
		if got != want {
			t.Errorf("at %d it says %q, want %q", inc+1, got, want)
		}
	}
}
