package swim

import (
	"slices"
	"testing"
	"time"
)

func TestRoundTrips(t *testing.T) {
	var r roundTrips
	for i := range roundTripsWanted {
		if _, ok := r.high(); ok {
			t.Errorf("a percentile of %d round trips", i)
		}
		r.note(time.Duration(10+i) * time.Millisecond)
	}
	if high, ok := r.high(); !ok || high != 16*time.Millisecond {
		t.Errorf("the second largest of 10 to 17 ms is %v, %v", high, ok)
	}
	r.note(-time.Second) // by a clock that goes back
	r.note(time.Hour)
	if high, _ := r.high(); high != 17*time.Millisecond {
		t.Errorf("after an hour: %v", high)
	}
	for range roundTripsKept {
		r.note(3 * time.Millisecond)
	}
	if high, _ := r.high(); high != 3*time.Millisecond {
		t.Errorf("old round trips count: %v", high)
	}
}

// TestPingTimeout: it follows round trips, between a minimum and ProbeTimeout, and health stretches it.
func TestPingTimeout(t *testing.T) {
	for _, tt := range []struct {
		trip   time.Duration
		health int
		want   time.Duration
	}{
		{time.Millisecond, 0, 50 * time.Millisecond},
		{30 * time.Millisecond, 0, 120 * time.Millisecond},
		{30 * time.Millisecond, 1, 240 * time.Millisecond},
		{30 * time.Millisecond, 7, 500 * time.Millisecond},
		{time.Second, 0, 500 * time.Millisecond},
	} {
		n := newNode(t, detecting(nil))
		for range roundTripsWanted {
			n.roundTrips.note(tt.trip)
		}
		n.awareness.score = tt.health
		if got := n.pingTimeout(); got != tt.want {
			t.Errorf("%v, score %d: %v, want %v", tt.trip, tt.health, got, tt.want)
		}
	}
	if got := newNode(t, nil).quick().pingTimeout(); got != 500*time.Millisecond {
		t.Errorf("%v without AdaptiveTimeout", got)
	}
}

// TestAdaptiveProbe: others are asked as soon as round trips allow; the probe itself lasts as long as ever. An ack of the target
// that is late, but within ProbeTimeout, is a round trip as any other; that of a helper is none.
func TestAdaptiveProbe(t *testing.T) {
	begin := func() (*node, uint32) {
		n := newNode(t, detecting(nil)).withMembers(5).quick()
		return n, n.probingOf(1)
	}
	n, seq := begin()
	if out := n.tickTo(50 * time.Millisecond); len(questions(t, out)) != 3 || len(out.Streams) != 1 {
		t.Fatalf("%+v, want 3 indirect pings and a stream", out)
	}
	n.after(50*time.Millisecond).Step(fromMember(1), ackOf(seq))
	out := n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventPingComplete}) || out.Events[0].RTT != 100*time.Millisecond {
		t.Errorf("late ack: events %+v", out.Events)
	}

	n, seq = begin()
	out = n.tickTo(100 * time.Millisecond)
	for helper := range questions(t, out) {
		m, _ := n.Member(helper)
		n.Step(Endpoint{AddrPort: m.Addr}, ackOf(seq))
		break
	}
	if out := n.take(); !slices.Equal(kinds(out.Events), []EventKind{EventUnanswered}) || n.probe.target != nil {
		t.Errorf("relayed ack: events %+v", out.Events)
	}

	n, _ = begin()
	if out := n.tickTo(time.Second - 1); slices.Contains(kinds(out.Events), EventSuspect) {
		t.Error("suspected before the end of the interval")
	}
	if out := n.tickTo(time.Second); !slices.Contains(kinds(out.Events), EventSuspect) {
		t.Error("not suspected at the end of the interval")
	}
}
