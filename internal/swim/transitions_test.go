package swim

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestTransitions is the table of the effects of one message: the member's state before, the message, and the state,
// gossip and events after.
func TestTransitions(t *testing.T) {
	const alive, suspect, dead, left = StateAlive, StateSuspect, StateDead, StateLeft
	prepare := func(n *node, s State) { // member 1 at incarnation 5
		n.alive(aliveOf(1, 5))
		switch s {
		case suspect:
			n.suspect(1, 5, "m9")
		case dead:
			n.dead(1, 5, "m9")
		case left:
			n.dead(1, 5, "m1")
		}
		n.queued()
	}
	isAlive := func(inc uint32) wire.Message { return aliveOf(1, inc) }
	isSuspect := func(inc uint32, from string) wire.Message {
		return &wire.Suspect{Incarnation: inc, Node: "m1", From: from}
	}
	isDead := func(inc uint32, from string) wire.Message {
		return &wire.Dead{Incarnation: inc, Node: "m1", From: from}
	}
	for _, tt := range []struct {
		name        string
		before      State
		message     wire.Message
		state       State
		incarnation uint32
		gossip      string
		events      []EventKind
	}{
		{"older alive", alive, isAlive(4), alive, 5, "", nil},
		{"same alive", alive, isAlive(5), alive, 5, "", nil},
		{"newer alive", alive, isAlive(6), alive, 6, "alive m1@6 ", nil},
		{"same alive does not refute", suspect, isAlive(5), suspect, 5, "", nil},
		{"newer alive refutes", suspect, isAlive(6), alive, 6, "alive m1@6 ", []EventKind{EventRecover}},
		{"same alive does not revive", dead, isAlive(5), dead, 5, "", nil},
		{"newer alive revives the dead", dead, isAlive(6), alive, 6, "alive m1@6 ", []EventKind{EventJoin}},
		{"newer alive brings back who left", left, isAlive(6), alive, 6, "alive m1@6 ", []EventKind{EventJoin}},

		{"older suspect", alive, isSuspect(4, "m2"), alive, 5, "", nil},
		{"suspect", alive, isSuspect(5, "m2"), suspect, 5, "suspect m1@5 by m2", []EventKind{EventSuspect}},
		{"newer suspect", alive, isSuspect(7, "m2"), suspect, 7, "suspect m1@7 by m2", []EventKind{EventSuspect}},
		{"suspect again by the same", suspect, isSuspect(5, "m9"), suspect, 5, "", nil},
		{"suspect of the dead", dead, isSuspect(5, "m2"), dead, 5, "", nil},
		{"newer suspect of the dead is remembered", dead, isSuspect(8, "m2"), dead, 8, "", nil},
		{"suspect of who left", left, isSuspect(5, "m2"), left, 5, "", nil},
		{"newer suspect of who left", left, isSuspect(8, "m2"), left, 5, "", nil},

		{"older dead", alive, isDead(4, "m2"), alive, 5, "", nil},
		{"dead", alive, isDead(5, "m2"), dead, 5, "dead m1@5 by m2", []EventKind{EventLeave}},
		{"newer dead", alive, isDead(9, "m2"), dead, 9, "dead m1@9 by m2", []EventKind{EventLeave}},
		{"dead after suspect", suspect, isDead(5, "m2"), dead, 5, "dead m1@5 by m2", []EventKind{EventLeave}},
		{"leave", alive, isDead(5, "m1"), left, 5, "dead m1@5 by m1", []EventKind{EventLeave}},
		{"leave of the dead", dead, isDead(5, "m1"), left, 5, "dead m1@5 by m1", nil},
		{"older leave of the dead", dead, isDead(4, "m1"), dead, 5, "", nil},
		{"dead again", dead, isDead(5, "m3"), dead, 5, "", nil},
		{"newer dead of the dead is remembered", dead, isDead(8, "m3"), dead, 8, "", nil},
		{"newer dead of who left", left, isDead(8, "m3"), left, 5, "", nil},

		{"suspect that cannot be refuted", alive, isSuspect(MaxIncarnation, "m2"), alive, 5, "", nil},
		{"dead that cannot be refuted", alive, isDead(MaxIncarnation, "m2"), alive, 5, "", nil},
		{"leave that cannot be refuted", alive, isDead(MaxIncarnation, "m1"), alive, 5, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.alive(aliveOf(2, 1)) // another member, so that without member 1 the node is not alone
			prepare(n, tt.before)
			n.Step(Endpoint{}, tt.message)
			out := n.take()
			n.want(1, tt.state, tt.incarnation)
			gossip := ""
			for _, m := range n.queued() {
				gossip += describe(m)
			}
			if gossip != tt.gossip {
				t.Errorf("gossips %q, want %q", gossip, tt.gossip)
			}
			if got := kinds(out.Events); !slices.Equal(got, tt.events) {
				t.Errorf("events %v, want %v", got, tt.events)
			}
		})
	}
}

func TestAliveOfUnknownMember(t *testing.T) {
	n := newNode(t, nil)
	a := aliveOf(1, 1)
	a.Meta = []byte("role=db")
	out := n.alive(a)
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventJoin}) {
		t.Fatalf("events %v, want a join", got)
	}
	m := out.Events[0].Member
	if m.Name != "m1" || m.Addr != memberAddr(1) || string(m.Meta) != "role=db" || m.Versions != testVersions {
		t.Errorf("joined as %+v", m)
	}
	copy(a.Meta, "XXXXXXX") // the packet's memory is used again
	if m, _ := n.Member("m1"); string(m.Meta) != "role=db" {
		t.Errorf("metadata %q aliases the message", m.Meta)
	}
}

func TestAliveTellsOfNewMeta(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	a := aliveOf(1, 2)
	a.Meta = []byte("new")
	if got := kinds(n.alive(a).Events); !slices.Equal(got, []EventKind{EventUpdate}) {
		t.Errorf("events %v, want an update", got)
	}
	again := aliveOf(1, 3)
	again.Meta = []byte("new")
	if got := n.alive(again).Events; len(got) != 0 {
		t.Errorf("events %v for the same metadata, want none", got)
	}
}

func TestAddressChange(t *testing.T) {
	elsewhere := func(incarnation uint32) *wire.Alive {
		a := aliveOf(1, incarnation)
		a.Addr = memberAddr(77).Addr().AsSlice()
		return a
	}
	for _, tt := range []struct {
		name    string
		reclaim time.Duration
		before  func(*node)
		moves   bool
	}{
		{"alive", 0, func(*node) {}, false},
		{"suspect", 0, func(n *node) { n.suspect(1, 1, "m2") }, false},
		{"dead", 0, func(n *node) { n.dead(1, 1, "m2").reset() }, false},
		{"dead for the reclaim time", time.Minute, func(n *node) { n.dead(1, 1, "m2"); n.after(time.Minute) }, false},
		{"dead for longer", time.Minute, func(n *node) { n.dead(1, 1, "m2"); n.after(time.Minute + 1) }, true},
		{"left", 0, func(n *node) { n.dead(1, 1, "m1") }, false},
		{"left before", 0, func(n *node) {
			n.Step(Endpoint{}, aliveOf(1, 1))
			n.dead(1, 1, "m1")
			n.table.named("m1").Incarnation = 0
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.DeadNodeReclaimTime = tt.reclaim }).withMembers(2)
			tt.before(n)
			out := n.alive(elsewhere(1)) // not newer, but at another address
			m, _ := n.Member("m1")
			if !tt.moves {
				if len(out.Events) != 0 || len(out.Packets) == 0 {
					t.Fatalf("events %v, %d packets; want a question", kinds(out.Events), len(out.Packets))
				}
				if m.Addr != memberAddr(1) {
					t.Errorf("address %v taken over", m.Addr)
				}
				return
			}
			if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventJoin, EventMoved}) {
				t.Errorf("events %v, want a join and a move", got)
			}
			if m.Addr != memberAddr(77) || m.State != StateAlive {
				t.Errorf("member is %+v, want it alive at %v", m, memberAddr(77))
			}
			if n.Features(Endpoint{AddrPort: memberAddr(77)}) == 0 || n.Features(Endpoint{AddrPort: memberAddr(1)}) != 0 {
				t.Error("member is not found by its new address alone")
			}
		})
	}
}

func TestRefute(t *testing.T) {
	about := func(incarnation uint32, meta string) *wire.Alive {
		return &wire.Alive{Incarnation: incarnation, Node: "self", Addr: memberAddr(0).Addr().AsSlice(), Port: 7946,
			Meta: []byte(meta), Vsn: testVersions[:]}
	}
	for _, tt := range []struct {
		name    string
		message wire.Message
		becomes uint32 // our incarnation, from 1
	}{
		{"suspect", &wire.Suspect{Incarnation: 1, Node: "self", From: "m1"}, 2},
		{"suspect far ahead", &wire.Suspect{Incarnation: 40, Node: "self", From: "m1"}, 41},
		{"old suspect", &wire.Suspect{Incarnation: 0, Node: "self", From: "m1"}, 1},
		{"dead", &wire.Dead{Incarnation: 1, Node: "self", From: "m1"}, 2},
		{"left, but we did not", &wire.Dead{Incarnation: 6, Node: "self", From: "self"}, 7},
		{"echo", about(1, ""), 1},
		{"alive with other metadata", about(1, "other"), 2},
		{"alive ahead", about(3, ""), 4},
		{"old alive", about(0, "other"), 1},
		{"suspect that cannot be refuted", &wire.Suspect{Incarnation: MaxIncarnation, Node: "self", From: "m1"}, 1},
		{"dead that cannot be refuted", &wire.Dead{Incarnation: MaxIncarnation + 1, Node: "self", From: "m1"}, 1},
		{"alive that cannot be refuted", about(MaxIncarnation+1, "other"), 1},
		{"suspect that could be refuted a few times only", &wire.Suspect{Incarnation: MaxIncarnation - 1, Node: "self", From: "m1"}, 1},
		{"suspect in an earlier life", &wire.Suspect{Incarnation: maxFirst, Node: "self", From: "m1"}, maxFirst + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.queued()
			n.Step(Endpoint{}, tt.message)
			out := n.take()
			if got := n.Self().Incarnation; got != tt.becomes {
				t.Fatalf("incarnation %d, want %d", got, tt.becomes)
			}
			messages := n.queued()
			if tt.becomes == 1 {
				if len(messages) != 0 || out.Health != 0 {
					t.Errorf("gossips %v at health %d, want nothing said", messages, out.Health)
				}
				return
			}
			if len(messages) != 1 || messages[0].(*wire.Alive).Incarnation != tt.becomes {
				t.Errorf("gossips %v, want an alive at %d", messages, tt.becomes)
			}
			if out.Health != 1 {
				t.Errorf("health score %d, want 1", out.Health)
			}
			if n.Self().State != StateAlive {
				t.Errorf("we are %v", n.Self().State)
			}
		})
	}
}

func TestIncarnationSaturates(t *testing.T) {
	n := newNode(t, nil)
	earlier := aliveOf(0, maxLeap)
	earlier.Node = "self"
	n.Step(Endpoint{}, earlier)
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: MaxIncarnation - 1, Node: "self", From: "m1"})
	if got := n.Self().Incarnation; got != MaxIncarnation {
		t.Fatalf("incarnation %d, want the last one", got)
	}
	n.Announce(memberAddr(0), []byte("x"), testVersions, 0)
	if got := n.Self().Incarnation; got != MaxIncarnation {
		t.Errorf("incarnation %d after the last one, want it to stay", got)
	}
}

func TestStaleAliveIsAnswered(t *testing.T) {
	from := Endpoint{AddrPort: memberAddr(1), Name: ""}
	stranger := Endpoint{AddrPort: memberAddr(50)}
	for _, tt := range []struct {
		name   string
		before func(*node)
		from   Endpoint
		inc    uint32
		want   string
	}{
		{"alive", func(*node) {}, from, 1, ""},
		{"dead", func(n *node) { n.dead(1, 3, "m2") }, stranger, 3, "suspect m1@3 by self"},
		{"dead, then suspected", func(n *node) { n.dead(1, 3, "m2"); n.suspect(1, 5, "m3") }, stranger, 5, "suspect m1@5 by self"},
		{"dead, then suspected, older", func(n *node) { n.dead(1, 3, "m2"); n.suspect(1, 5, "m3") }, stranger, 3, "suspect m1@5 by self"},
		{"dead twice", func(n *node) { n.dead(1, 3, "m2"); n.dead(1, 5, "m3") }, stranger, 5, "suspect m1@5 by self"},
		{"left", func(n *node) { n.dead(1, 3, "m1") }, stranger, 2, "dead m1@3 by m1"},
		{"suspect, from itself", func(n *node) { n.suspect(1, 3, "m2") }, from, 3, "suspect m1@3 by m2"},
		{"suspect, from another", func(n *node) { n.suspect(1, 3, "m2") }, stranger, 3, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(1)
			tt.before(n)
			n.Step(tt.from, aliveOf(1, tt.inc))
			out := n.take()
			got := ""
			for _, p := range out.Packets {
				if p.To != tt.from {
					t.Errorf("answers to %v, want %v", p.To, tt.from)
				}
				got += describe(parse(t, p.Messages[0]))
			}
			if got != tt.want {
				t.Errorf("answers %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAccusationIsAnswered: a member that reports us is sent the refutation, a new or an earlier one; no other
// address is, in its name.
func TestAccusationIsAnswered(t *testing.T) {
	suspect := func(inc uint32) wire.Message { return &wire.Suspect{Incarnation: inc, Node: "self", From: "m2"} }
	dead := func(inc uint32) wire.Message { return &wire.Dead{Incarnation: inc, Node: "self", From: "m2"} }
	member, stranger := Endpoint{AddrPort: memberAddr(1)}, Endpoint{AddrPort: memberAddr(50)}
	for _, tt := range []struct {
		name       string
		before     func(*node)
		from       Endpoint
		accusation wire.Message
		want       string
	}{
		{"suspect", func(*node) {}, member, suspect(1), "alive self@2 "},
		{"dead", func(*node) {}, member, dead(1), "alive self@2 "},
		{"by a stranger", func(*node) {}, stranger, suspect(1), ""},
		{"of what is to be refuted", func(*node) {}, member, suspect(2), "alive self@3 "},
		{"at the last incarnation", func(*node) {}, member, suspect(MaxIncarnation), ""},
		{"after we left", func(n *node) { n.Leave(0) }, member, suspect(1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(1)
			n.Step(member, suspect(1)) // refuted
			tt.before(n)
			n.take()
			n.Step(tt.from, tt.accusation)
			got := ""
			for _, p := range n.take().Packets {
				if p.To != tt.from {
					t.Errorf("answers to %v, want %v", p.To, tt.from)
				}
				got += describe(parse(t, p.Messages[0]))
			}
			if got != tt.want {
				t.Errorf("answers %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLeave(t *testing.T) {
	n := newNode(t, nil)
	if n.Leave(7) {
		t.Error("somebody hears a leave of the only member")
	}
	n = newNode(t, nil).withMembers(1)
	n.queued()
	if !n.Leave(7) {
		t.Error("nobody hears the leave")
	}
	out := n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventLeave}) || n.Self().State != StateLeft {
		t.Errorf("events %v, we are %v; want to have left", got, n.Self().State)
	}
	// No message about us brings us back, and none is refuted.
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: 9, Node: "self", From: "m1"})
	n.Step(Endpoint{}, &wire.Dead{Incarnation: 9, Node: "self", From: "m1"})
	n.Step(Endpoint{}, &wire.Alive{Incarnation: 9, Node: "self", Addr: []byte{10, 0, 0, 0}, Port: 7946})
	n.Announce(memberAddr(0), []byte("x"), testVersions, 8)
	out = n.take()
	if len(out.Events) != 0 || !slices.Equal(out.Finished, []uint64{8}) {
		t.Errorf("events %v, finished %v; want none and the late announcement's", out.Events, out.Finished)
	}
	if n.Leave(9) || !slices.Equal(n.take().Finished, []uint64{9}) {
		t.Error("a second leave is not finished at once")
	}
	// The leave is finished when it has been sent as often as the limit.
	sent := 0
	n.Start()
	n.run(time.Minute, func(o *Output) {
		for _, p := range o.Packets {
			for _, m := range p.Messages {
				if d, ok := parse(t, m).(*wire.Dead); ok && d.Node == "self" {
					sent++
				}
			}
		}
		if slices.Contains(o.Finished, 7) && sent != 4*1 {
			t.Errorf("finished after %d transmits, want 4", sent)
		}
	})
	if sent != 4 {
		t.Errorf("leave sent %d times, want 4", sent)
	}
}

// TestNobodyLeftToHear: a wait for an announcement or a leave ends when all others have gone.
func TestNobodyLeftToHear(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.Announce(memberAddr(0), []byte("x"), testVersions, 5)
	n.dead(1, 1, "m1")
	if !n.AnyAlive() {
		t.Error("m2 is not counted")
	}
	out := n.dead(2, 1, "m2")
	if n.AnyAlive() || !slices.Equal(out.Finished, []uint64{5}) {
		t.Errorf("finished %v, want the announcement's notice", out.Finished)
	}
	if !slices.ContainsFunc(n.queued(), func(m wire.Message) bool { return m.Type() == wire.TypeAlive }) {
		t.Error("the announcement is lost to those who come later, and to the dead that are not")
	}
	n.withMembers(0).alive(aliveOf(1, 2))
	if !n.AnyAlive() {
		t.Error("m1 is back and not counted")
	}
	n.Leave(6)
	if out := n.dead(1, 2, "m1"); !slices.Equal(out.Finished, []uint64{6}) {
		t.Errorf("finished %v, want the leave's notice", out.Finished)
	}
}

func TestAnnounceReplacesWhatWasQueued(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.Announce(memberAddr(0), []byte("a"), testVersions, 1)
	n.Announce(memberAddr(0), []byte("b"), testVersions, 2)
	out := n.take()
	if !slices.Equal(out.Finished, []uint64{1}) {
		t.Errorf("finished %v, want the first announcement's", out.Finished)
	}
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventUpdate, EventUpdate}) {
		t.Errorf("events %v, want two updates", got)
	}
	about := 0
	for _, m := range n.queued() {
		if a, ok := m.(*wire.Alive); ok && a.Node == "self" {
			about++
			if string(a.Meta) != "b" || a.Incarnation != 3 {
				t.Errorf("gossips %q at %d", a.Meta, a.Incarnation)
			}
		}
	}
	if about != 1 {
		t.Errorf("%d messages about us queued, want 1", about)
	}
}

func TestLongestAccuserName(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	out := n.suspect(1, 1, string(bytes.Repeat([]byte("x"), MaxName+1)))
	n.want(1, StateAlive, 1)
	if out.Counts.Drops[DropMalformed] != 1 {
		t.Error("not counted")
	}
}
