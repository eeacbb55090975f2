package sim

import (
	"flag"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/swim"
)

var forgeFlag = flag.Uint64("forge", 200, "how many seeds TestForgedLeaves runs")

// TestForgedLeaves: after leave messages of some or all members were forged, to some or all members, all see all again
// within 5 seconds of the last one.
func TestForgedLeaves(t *testing.T) {
	const bound = 5 * time.Second
	seeds := *forgeFlag
	if race.Enabled {
		seeds = min(seeds, 10)
	}
	var slowest, sum time.Duration
	late := 0
	for seed := range seeds {
		cfg := Scenario{Name: "forged leaves", make: forgedLeaves}.Config(seed)
		end := lastEnd(cfg.Faults)
		s := New(cfg)
		if err := s.RunUntil(end); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for !s.oneView() && s.Now() < end+time.Minute {
			if err := s.RunUntil(s.Now() + time.Second/100); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		took := s.Now() - end
		slowest, sum = max(slowest, took), sum+took
		if took > bound {
			if late++; late < 9 {
				t.Errorf("seed %d: one view again only after %v", seed, took)
			}
		}
	}
	t.Logf("%d seeds: one view again after %v in the mean, %v at most; %d after more than %v", seeds, sum/time.Duration(seeds), slowest, late, bound)
}

// TestTrueLeave: a member that leaves is questioned by few of the others.
func TestTrueLeave(t *testing.T) {
	const n, seeds = 100, 20
	questions, most := 0, 0
	for seed := range uint64(seeds) {
		asked := 0
		cfg := Config{N: n, Seed: seed, Faults: []Fault{{Kind: Leave, At: time.Second, Nodes: []int{7}}}}
		cfg.Tamper.Out = func(node int, _ *swim.Core, _ time.Time, o *swim.Output) {
			for _, p := range o.Packets {
				for _, m := range p.Messages {
					if node != 7 && p.To.Name == nodeName(7) && m[0] == 5 {
						asked++
					}
				}
			}
		}
		s := New(cfg)
		if err := s.Settle(); err != nil {
			t.Fatal(err)
		}
		questions, most = questions+asked, max(most, asked)
	}
	t.Logf("%.1f questions in the mean, %d at most", float64(questions)/seeds, most)
	if questions > 8*seeds || most > 20 {
		t.Errorf("%d questions in %d leaves, %d at most for one", questions, seeds, most)
	}
}
