package sim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
)

// run simulates until the cluster has settled.
func run(t *testing.T, cfg Config) *Result {
	t.Helper()
	s := New(cfg)
	if err := s.Settle(); err != nil {
		t.Fatal(err)
	}
	return s.Result()
}

// TestSameSeed: a seed always yields the same history, whatever ran before; another seed yields another.
func TestSameSeed(t *testing.T) {
	cfg := Config{N: 20, Seed: 7, Start: Joining, JoinEvery: 10 * time.Millisecond, Faults: []Fault{
		{Kind: Loss, At: 5 * time.Second, For: 30 * time.Second, Rate: 0.3},
		{Kind: Crash, At: 10 * time.Second, For: 20 * time.Second, Nodes: []int{3, 4}},
	}}
	first := run(t, cfg)
	for range 3 {
		if again := run(t, cfg); again.Hash != first.Hash || again.Events != first.Events {
			t.Errorf("hash %x of %d events, want %x of %d", again.Hash, again.Events, first.Hash, first.Events)
		}
	}
	cfg.Seed++
	if other := run(t, cfg); other.Hash == first.Hash {
		t.Error("another seed gives the same history")
	}
	t.Logf("%+v", first.Total())
}

// TestScenariosSameSeed: so does each scenario.
func TestScenariosSameSeed(t *testing.T) {
	seeds := uint64(3)
	if race.Enabled {
		seeds = 1
	}
	for _, sc := range Scenarios() {
		for seed := range seeds {
			first, again := settle(sc.Config(seed)), settle(sc.Config(seed))
			if first.Hash != again.Hash || first.Events != again.Events {
				t.Errorf("%s, seed %d: hash %x of %d events, then %x of %d", sc.Name, seed, first.Hash, first.Events, again.Hash, again.Events)
			}
		}
	}
}
