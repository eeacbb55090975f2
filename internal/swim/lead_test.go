package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRoundsOfALead: one begins each second, when the grace ends, and at the SilenceTimeout, until two seconds later.
func TestRoundsOfALead(t *testing.T) {
	n := newNode(t, detecting(func(d *Detector) {
		d.RefusalGrace, d.SilenceTimeout = 1300*time.Millisecond, 2500*time.Millisecond
	})).withMembers(40)
	n.probingOf(1)
	n.tickTo(time.Second)
	s := n.suspicions.of(n.table.named("m1"))
	if s == nil || s.lead == nil || len(s.lead.rounds) != 1 {
		t.Fatal("no round begins with the suspicion")
	}
	var began []time.Duration
	n.run(10*time.Second, func(o *Output) {
		for _, one := range o.Streams {
			if one.Kind == StreamPing && one.To.Name == "m1" && n.rounds[one.Seq] != nil {
				began = append(began, n.now.Sub(s.began))
			}
		}
	})
	want := []time.Duration{1000, 1300, 2300, 2500, 3500}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(began, want) {
		t.Errorf("further rounds after %v, want %v", began, want)
	}
}

// TestLateNacks: silence ends a suspicion only by what the last round found.
func TestLateNacks(t *testing.T) {
	n := newNode(t, detecting(func(d *Detector) { d.SilenceTimeout = time.Second })).withMembers(40)
	n.probingOf(1)
	n.tickTo(time.Second)
	n.awareness.score = 0
	lead := n.suspicions.of(n.table.named("m1")).lead
	nack := func(r *round, count int) {
		for _, id := range slices.Clone(r.asked)[:count] {
			m := n.table.snapshot(n.table.at(id))
			n.Step(Endpoint{AddrPort: m.Addr}, &wire.Nack{SeqNo: r.seq, Evidence: wire.EvidenceSilent})
		}
	}
	n.after(time.Second).Tick()
	if len(lead.rounds) != 2 {
		t.Fatalf("%d rounds", len(lead.rounds))
	}
	nack(lead.rounds[0], roundHelpers)
	n.want(1, StateSuspect, 1)
	nack(lead.rounds[1], 1)
	n.want(1, StateSuspect, 1)
	nack(lead.rounds[1], 1)
	n.want(1, StateDead, 1)
}
