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
			asked := ""
			for _, p := range out.Packets {
				if p.To.Name == "m1" && p.To.AddrPort == memberAddr(1) && len(p.Messages) == 1 {
					asked += describe(parse(t, p.Messages[0]))
				}
			}
			want := ""
			if out.Counts.Drops[DropLeap] > 0 {
				want = "suspect m1@4 by self"
			}
			if asked != want {
				t.Errorf("asks %q, want %q", asked, want)
			}
		})
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

// TestEarlierLife: another member, or the answer to a push/pull, may say at which high incarnation we once were; others may not.
func TestEarlierLife(t *testing.T) {
	state := func(inc uint32) *wire.States {
		s := wire.StatesOf(wire.PushNodeState{Name: "self", Addr: memberAddr(0).Addr().AsSlice(), Port: 7946, Incarnation: inc,
			Meta: []byte("old"), Vsn: testVersions[:]})
		return &s
	}
	packet := func(from int, inc uint32) func(*node) {
		return func(n *node) {
			n.Step(Endpoint{AddrPort: memberAddr(from)}, &wire.Suspect{Incarnation: inc, Node: "self", From: "m9"})
		}
	}
	stream := func(peer Peer, inc uint32) func(*node) {
		return func(n *node) { n.Turn.Merge(&peer, state(inc)) }
	}
	for _, tt := range []struct {
		name    string
		say     func(*node)
		becomes uint32
	}{
		{"suspect by a stranger", packet(66, 2+maxRise), 1},
		{"suspect by a stranger, near", packet(66, 1+maxRise), 2 + maxRise},
		{"suspect by a member", packet(1, 1<<31), 1<<31 + 1},
		{"suspect by a member, with too little room above it", packet(1, maxLeap+1), 1},
		{"push/pull that we began", stream(Dialled(memberAddr(66)), 1<<31), 1<<31 + 1},
		{"push/pull that we began, with too little room above it", stream(Dialled(memberAddr(66)), maxLeap+1), 1},
		{"push/pull of another", stream(Peer{Endpoint: Endpoint{AddrPort: memberAddr(1)}, dialled: true}, 1<<31), 1},
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

// TestFirstIncarnation: others may introduce a member at the lower half of all incarnations, itself at any. A stream is its own
// if it comes from its host.
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
	dialler := func(i int) Peer { return Peer{Endpoint: Endpoint{AddrPort: memberAddr(i)}, dialled: true} }
	for _, tt := range []struct {
		name  string
		say   func(*node, uint32)
		inc   uint32
		known bool
	}{
		{"by another", at(memberAddr(2)), maxFirst, true},
		{"by another, high", at(memberAddr(2)), maxFirst + 1, false},
		{"by itself, high", at(memberAddr(1)), MaxIncarnation, true},
		{"stream that we began", stream(Dialled(memberAddr(1))), MaxIncarnation, true},
		{"stream that it began", stream(dialler(1)), MaxIncarnation, true},
		{"stream of another", stream(dialler(2)), maxFirst + 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.alive(aliveOf(2, 1))
			n.take()
			tt.say(n, tt.inc)
			n.answerPings()
			if _, known := n.Member("m1"); known != tt.known {
				t.Errorf("known: %v, want %v", known, tt.known)
			}
		})
	}
}

// TestHighIncarnationIsNotRemembered: a name that was last used at an incarnation that its next process could not go above is
// free again once the member is removed.
func TestHighIncarnationIsNotRemembered(t *testing.T) {
	for _, inc := range []uint32{maxLeap, maxLeap + 1, MaxIncarnation - 1} {
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
		if alive := m.State == StateAlive; alive != (inc > maxLeap) {
			t.Errorf("after a leave at %d it is %v at %d", inc, m.State, m.Incarnation)
		}
	}
}
