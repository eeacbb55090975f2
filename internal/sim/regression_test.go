package sim

import (
	"testing"
	"time"
)

// TestRegressions runs what sweeps once found. Each broke the rule that it is named after; the core's own tests hold the
// mended rule too.
func TestRegressions(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
	}{
		// Whoever had a member for dead, and heard that a newer incarnation of it was suspected, told those who gossiped
		// that incarnation that it was dead: nobody had found it so.
		{ruleVerdict, Config{N: 7, Core: Local(), Seed: 19, Faults: []Fault{
			{Kind: Delay, At: 2373 * time.Millisecond, For: 53196 * time.Millisecond, Nodes: []int{6, 0, 3}, Delay: 2995 * time.Millisecond},
		}}},
		// A suspicion at a newer incarnation went on with the time of the one that had been refuted.
		{rulePatience, Config{N: 16, Core: Local(), Seed: 6, Faults: []Fault{
			{Kind: Loss, At: 1722 * time.Millisecond, For: 26941 * time.Millisecond, Rate: 0.48758612790665223},
			{Kind: Loss, At: 14289 * time.Millisecond, For: 55560 * time.Millisecond, Rate: 0.5703729629044628},
		}}},
		// Who was left alone kept the news of all those it had forgotten.
		{ruleQueue, Config{N: 12, Seed: 10, Faults: []Fault{
			{Kind: Leave, At: 29818 * time.Millisecond, Nodes: []int{10, 3, 8, 5, 2}},
			{Kind: Leave, At: 15256 * time.Millisecond, For: 71421 * time.Millisecond, Nodes: []int{9, 11, 7}},
			{Kind: Leave, At: 4060 * time.Millisecond, Nodes: []int{9, 0, 6, 1}},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(5) {
				cfg := tt.cfg
				cfg.Seed += seed
				if v := settle(cfg).Violation; v != nil {
					t.Errorf("seed %d: %v", cfg.Seed, v)
				}
			}
		})
	}
}
