package sim

import (
	"testing"
	"time"
)

// TestRegressions runs histories that sweeps once found. Each violated the rule that it is named after; the core has
// tests of its own for the corrected rules.
func TestRegressions(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
	}{
		// A node that had a member for dead, and received a suspicion of it at a higher incarnation, told the senders
		// of that incarnation that it was dead, though no node had declared it dead there.
		{ruleDeath, Config{N: 7, Core: Local(), Seed: 19, Faults: []Fault{
			{Kind: Delay, At: 2373 * time.Millisecond, For: 53196 * time.Millisecond, Nodes: []int{6, 0, 3}, Delay: 2995 * time.Millisecond},
		}}},
		// A suspicion at a higher incarnation continued with the remaining time of the refuted one.
		{rulePatience, Config{N: 16, Core: Local(), Seed: 6, Faults: []Fault{
			{Kind: Loss, At: 1722 * time.Millisecond, For: 26941 * time.Millisecond, Rate: 0.48758612790665223},
			{Kind: Loss, At: 14289 * time.Millisecond, For: 55560 * time.Millisecond, Rate: 0.5703729629044628},
		}}},
		// A node that was left alone kept the news about all members that it had removed.
		{ruleQueue, Config{N: 12, Seed: 10, Faults: []Fault{
			{Kind: Leave, At: 29818 * time.Millisecond, Nodes: []int{10, 3, 8, 5, 2}},
			{Kind: Leave, At: 15256 * time.Millisecond, For: 71421 * time.Millisecond, Nodes: []int{9, 11, 7}},
			{Kind: Leave, At: 4060 * time.Millisecond, Nodes: []int{9, 0, 6, 1}},
		}}},
		// All members moved to other addresses, in three groups. Those that returned first were refused by some,
		// which had them for dead at their old addresses, and the others left: two parts knew only each other's old
		// addresses. They need seeds that have names; see Config.Seeds of the library.
		{ruleSettle, Config{N: 10, Seed: 332, Seeds: []int{0, 1, 2}, Faults: []Fault{
			{Kind: Move, At: 10342 * time.Millisecond, For: 15442 * time.Millisecond, Nodes: []int{6, 8, 5, 7}},
			{Kind: Move, At: 21831 * time.Millisecond, For: 39258 * time.Millisecond, Nodes: []int{2, 9, 0}},
			{Kind: Move, At: 35711 * time.Millisecond, For: 34583 * time.Millisecond, Nodes: []int{1, 3, 7, 4}},
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

// TestFoundSeeds runs seeds at which the simulator was wrong, not the core.
func TestFoundSeeds(t *testing.T) {
	for _, tt := range []struct {
		scenario string
		seed     uint64
	}{
		{"chaos", 5546},                // see TestDeadAtOwnAddress
		{"two clusters at once", 5825}, // a process took the address of one with its name, of another cluster
	} {
		for _, sc := range Scenarios() {
			if sc.Name == tt.scenario {
				if v := settle(sc.Config(tt.seed)).Violation; v != nil {
					t.Errorf("%s, seed %d: %v", tt.scenario, tt.seed, v)
				}
			}
		}
	}
}
