package swim

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

var (
	errTest      = errors.New("test")
	memberPrefix = netip.MustParsePrefix("10.0.0.0/8")
)

func TestFormulas(t *testing.T) {
	for n, want := range map[int]time.Duration{
		0: 4 * time.Second, 5: 4 * time.Second, 10: 4 * time.Second, 50: 4 * 1698 * time.Millisecond,
		100: 8 * time.Second, 1000: 12 * time.Second,
	} {
		if got := suspicionTimeout(4, n, time.Second); got != want {
			t.Errorf("suspicionTimeout(4, %d) = %v, want %v", n, got, want)
		}
	}
	for n, want := range map[int]int{1: 0, 2: 0, 3: 0, 4: 2, 5: 2, 100: 2} {
		if got := suspicionConfirmations(4, n); got != want {
			t.Errorf("suspicionConfirmations(4, %d) = %d, want %d", n, got, want)
		}
	}
	if got := suspicionConfirmations(1, 100); got != 0 {
		t.Errorf("suspicionConfirmations(1, 100) = %d, want 0", got)
	}
	for _, tt := range []struct {
		c, k int
		want time.Duration
	}{
		{0, 3, 30 * time.Second}, {1, 3, 16 * time.Second}, {2, 3, 7810 * time.Millisecond}, {3, 3, 2 * time.Second},
		{4, 3, 2 * time.Second}, {0, 0, 2 * time.Second},
	} {
		if got := confirmedTimeout(tt.c, tt.k, 2*time.Second, 30*time.Second); got != tt.want {
			t.Errorf("confirmedTimeout(%d, %d) = %v, want %v", tt.c, tt.k, got, tt.want)
		}
	}
	for n, want := range map[int]time.Duration{1: 30 * time.Second, 32: 30 * time.Second, 33: time.Minute,
		64: time.Minute, 65: 90 * time.Second, 128: 90 * time.Second, 129: 2 * time.Minute} {
		if got := pushPullInterval(30*time.Second, n); got != want {
			t.Errorf("pushPullInterval(%d) = %v, want %v", n, got, want)
		}
	}
}

// TestSuspicionEnds checks when a suspect in a cluster of 10 is declared dead: after 24 s, or 4 s once two others
// have confirmed.
func TestSuspicionEnds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		members   int
		reporters []string
		want      time.Duration
		degraded  int
	}{
		{"nobody confirms", 9, nil, 24 * time.Second, 1},
		{"one confirms", 9, []string{"m3"}, 11381 * time.Millisecond, 1},
		{"one confirms again and again", 9, []string{"m3", "m3", "m2", "m3"}, 11381 * time.Millisecond, 1},
		{"two confirm", 9, []string{"m3", "m4"}, 4 * time.Second, 0},
		{"three confirm", 9, []string{"m3", "m4", "m5"}, 4 * time.Second, 0},
		{"a cluster too small to confirm", 2, nil, 4 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(tt.members)
			n.suspect(1, 1, "m2")
			n.queued()
			for _, from := range tt.reporters {
				n.suspect(1, 1, from)
			}
			if out := n.tickTo(tt.want - 1); len(out.Events) != 0 {
				t.Fatalf("events %v too early", out.Events)
			}
			n.want(1, StateSuspect, 1)
			out := n.tickTo(tt.want)
			n.want(1, StateDead, 1)
			if len(out.Events) != 2 || out.Events[0].Kind != EventTimeout || out.Events[1].From != "self" {
				t.Errorf("events %+v, want our death message", out.Events)
			}
			if out.Counts.DegradedTimeouts != tt.degraded {
				t.Errorf("%d degraded timeouts, want %d", out.Counts.DegradedTimeouts, tt.degraded)
			}
		})
	}
}

// TestSuspicionFromPushPull: a state in a push/pull confirms nothing, and the first reporter after a push/pull may be its witness;
// only our own observation is certainly another.
func TestSuspicionFromPushPull(t *testing.T) {
	const unconfirmed, once, twice = 24 * time.Second, 11381 * time.Millisecond, 4 * time.Second
	for _, tt := range []struct {
		reporters string // in order; "sync" is a push/pull, "gossip" an unattributed message
		want      time.Duration
		gossiped  int
	}{
		{"sync", unconfirmed, 1},
		{"gossip", unconfirmed, 1},
		{"sync sync gossip", unconfirmed, 1},
		{"m2 sync gossip", unconfirmed, 1},
		{"m2 sync m3 sync", once, 2},
		{"sync m2", unconfirmed, 2},
		{"sync m2 m2", unconfirmed, 2},
		{"sync self", once, 2},
		{"sync self m2", once, 3},
		{"sync m2 self", once, 3},
		{"sync m2 m3", once, 3},
		{"sync m2 m3 m4 m5", twice, 4},
		{"gossip self m2 m3 m4", twice, 4},
	} {
		t.Run(tt.reporters, func(t *testing.T) {
			n := newNode(t, nil).withMembers(9)
			n.queued()
			gossiped := 0
			for from := range strings.FieldsSeq(tt.reporters) {
				switch from {
				case "sync":
					n.Merge([]wire.PushNodeState{{Name: memberName(1), State: int(StateDead), Incarnation: 1}})
				case "gossip":
					n.suspect(1, 1, unattributed)
				default:
					n.suspect(1, 1, from)
				}
				gossiped += len(n.queued())
			}
			if gossiped != tt.gossiped {
				t.Errorf("%d accusations were gossiped, want %d", gossiped, tt.gossiped)
			}
			n.tickTo(tt.want - 1)
			n.want(1, StateSuspect, 1)
			n.tickTo(tt.want)
			n.want(1, StateDead, 1)
		})
	}
}

// TestLateConfirmation: a confirmation that moves the end into the past ends the suspicion at once.
func TestLateConfirmation(t *testing.T) {
	n := newNode(t, nil).withMembers(9)
	n.suspect(1, 1, "m2")
	n.after(10 * time.Second)
	n.suspect(1, 1, "m3")
	n.suspect(1, 1, "m4")
	if at, _ := n.NextDeadline(); at.After(n.now) {
		t.Fatalf("next deadline is %v away, want it due", at.Sub(n.now))
	}
	n.Tick()
	n.want(1, StateDead, 1)
}

func TestConfirmationsAreGossiped(t *testing.T) {
	n := newNode(t, nil).withMembers(9)
	n.suspect(1, 1, "m2")
	n.queued()
	for i, want := range []int{1, 0, 1, 0} { // new, repeated, new, more than wanted
		n.suspect(1, 1, fmt.Sprintf("m%d", 3+i/2+i/3*3))
		if got := n.queued(); len(got) != want {
			t.Errorf("accusation %d: gossips %v, want %d", i, got, want)
		}
	}
}

func TestRefutedSuspicionEndsWithoutDeath(t *testing.T) {
	n := newNode(t, nil).withMembers(9)
	n.suspect(1, 1, "m2")
	n.alive(aliveOf(1, 2))
	if out := n.tickTo(time.Hour); len(out.Events) != 0 {
		t.Errorf("events %v", out.Events)
	}
	if len(n.deadlines.heap) != 0 {
		t.Errorf("%d deadlines left", len(n.deadlines.heap))
	}
}

// TestNewerSuspicionBeginsAnew: a member suspected at a higher incarnation has refuted the current suspicion, and has
// the full timeout again.
func TestNewerSuspicionBeginsAnew(t *testing.T) {
	n := newNode(t, nil).withMembers(9)
	n.suspect(1, 1, "m2")
	n.suspect(1, 1, "m3")
	n.suspect(1, 1, "m4") // the shortest timeout
	least := n.NumTimers()
	n.after(3 * time.Second)
	out := n.suspect(1, 2, "m2")
	gossiped := false
	for _, m := range n.queued() {
		gossiped = gossiped || describe(m) == "suspect m1@2 by m2"
	}
	if !gossiped || len(out.Changed) != 1 || out.Changed[0].Incarnation != 2 {
		t.Errorf("gossiped: %v, changed: %v; want the new accusation", gossiped, out.Changed)
	}
	n.tickTo(26 * time.Second)
	n.want(1, StateSuspect, 2)
	n.tickTo(28 * time.Second)
	n.want(1, StateDead, 2)
	if n.NumTimers() != least { // one less for the suspicion, one more for the removal
		t.Errorf("%d timers are left, want %d", n.NumTimers(), least)
	}
}

// TestDeathAtTheHighestIncarnation: a suspect or dead message at a higher incarnation raises the stored one, so
// that older messages cannot undo the death.
func TestDeathAtTheHighestIncarnation(t *testing.T) {
	n := newNode(t, nil).withMembers(9)
	n.suspect(1, 1, "m2")
	n.suspect(1, 4, "m3")
	n.alive(aliveOf(1, 3))
	n.want(1, StateSuspect, 4)
	n.tickTo(30 * time.Second)
	n.want(1, StateDead, 4)
}

func TestDeadlines(t *testing.T) {
	var s deadlines
	at := func(d int) time.Time { return testStart.Add(time.Duration(d)) }
	a, b, c := newDeadline(dueProbe), newDeadline(dueGossip), newDeadline(duePushPull)
	s.set(a, at(3))
	s.set(b, at(1))
	s.set(c, at(3))
	s.set(b, at(5)) // again
	if next := s.nextBut(0); !next.Equal(at(3)) {
		t.Errorf("next %v", next)
	}
	if s.pop(at(2)) != nil {
		t.Error("popped before its time")
	}
	if s.pop(at(9)) != a || s.pop(at(9)) != c {
		t.Error("not in the order of setting")
	}
	s.stop(b)
	s.stop(b)
	if next := s.nextBut(0); !next.IsZero() || s.pop(at(9)) != nil {
		t.Error("stopped deadline is left")
	}
}

func TestAwareness(t *testing.T) {
	a := awareness{max: 3}
	for _, tt := range []struct{ delta, want int }{{-1, 0}, {1, 1}, {5, 2}, {-1, 1}, {-9, 0}} {
		if a.apply(tt.delta); a.score != tt.want {
			t.Errorf("after %d: %d, want %d", tt.delta, a.score, tt.want)
		}
	}
	a.score = 2
	if got := a.stretch(time.Second); got != 3*time.Second {
		t.Errorf("stretched to %v", got)
	}
}

func TestStateString(t *testing.T) {
	for s, want := range map[State]string{StateAlive: "alive", StateSuspect: "suspect", StateDead: "dead",
		StateLeft: "left", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("%d is %q, want %q", s, s, want)
		}
	}
}

func TestStepIgnoresWhatIsNotItsOwn(t *testing.T) {
	n := newNode(t, nil)
	n.Step(Endpoint{}, &wire.Err{Error: "x"})
	if out := n.take(); len(out.Packets)+len(out.Events) != 0 {
		t.Errorf("output %+v", out)
	}
}
