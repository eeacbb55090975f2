package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// TestBlock: a blocked member sends nothing until it is unblocked. Without lateness, as in the Lifeguard paper, it then suspects another
// for the one probe that timed out meanwhile; a paused member does not, as its next probe begins when it resumes.
func TestBlock(t *testing.T) {
	const at, length, node = 10 * time.Second, 5 * time.Second, 3
	for _, tt := range []struct {
		kind Kind
		late time.Duration   // Config.LateAfter of the core
		want []time.Duration // when a probe of the node fails
	}{
		{Block, 0, []time.Duration{at + length}},
		{Block, LAN().LateAfter, nil},
		{Pause, 0, nil},
		{Pause, LAN().LateAfter, nil},
	} {
		t.Run(fmt.Sprint(tt.kind, ", ", tt.late), func(t *testing.T) {
			suspected := 0
			for seed := range uint64(20) {
				cfg := Config{N: 10, Seed: seed, Core: LAN(), Faults: []Fault{{Kind: tt.kind, At: at, For: length, Nodes: []int{node}}}}
				cfg.Core.LateAfter = tt.late
				var failed []time.Duration
				cfg.Tamper.Out = func(id int, _ *swim.Core, now time.Time, out *swim.Output) {
					for _, ev := range out.Events {
						if id == node && ev.Kind == swim.EventProbeFailed {
							failed = append(failed, now.Sub(start))
						}
					}
				}
				r := run(t, cfg)
				if !slices.Equal(failed, tt.want) {
					t.Errorf("seed %d: probes fail at %v, want %v", seed, failed, tt.want)
				}
				if r.Refutations > 0 { // the others suspected it, too
					suspected++
				}
			}
			if suspected < 15 {
				t.Errorf("a member was suspected in %d runs, want nearly all", suspected)
			}
		})
	}
}

// TestBlockHolds: the packets of a blocked member leave when it is unblocked, and are lost if it crashes before.
func TestBlockHolds(t *testing.T) {
	for _, crash := range []bool{false, true} {
		cfg := Config{N: 10, Faults: []Fault{{Kind: Block, At: 10 * time.Second, For: 5 * time.Second, Nodes: []int{3}},
			{Kind: Meta, At: 11 * time.Second, Nodes: []int{3}}}}
		if crash {
			cfg.Faults = append(cfg.Faults, Fault{Kind: Crash, At: 12 * time.Second, Nodes: []int{3}})
		}
		var b strings.Builder
		cfg.Trace = &b
		s := New(cfg)
		if err := s.RunUntil(15*time.Second - 1); err != nil {
			t.Fatal(err)
		}
		received := s.nodes[3].counts.PacketsIn
		const told = "believes n3 is alive at 2"
		if strings.Count(b.String(), told) != 1 { // by itself
			t.Error("others received the packets of a blocked member")
		}
		if err := s.Settle(); err != nil {
			t.Fatal(err)
		}
		if known := strings.Count(b.String(), told) > 1; known == crash {
			t.Errorf("crashed is %v, others know is %v", crash, known)
		}
		if !crash && s.nodes[3].counts.PacketsIn < received+5 {
			t.Error("it did not handle the waiting packets")
		}
	}
}
