package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Failure is a seed of a scenario that violates a rule.
type Failure struct {
	Scenario  string
	Seed      uint64
	Violation *Violation
	Faults    []Fault // of the scenario
	Needed    []int   // the faults that are necessary for it
}

// Error describes the violation, the necessary faults, and the command that replays it.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %q, seed %d: %v\n", f.Scenario, f.Seed, f.Violation)
	for _, i := range f.Needed {
		fmt.Fprintf(&b, "\tfault %d: %v\n", i, f.Faults[i])
	}
	fmt.Fprintf(&b, "replay: %s", f.Command())
	return b.String()
}

// Command returns the command that replays the failure, with a trace.
func (f *Failure) Command() string {
	needed := "none"
	if len(f.Needed) > 0 {
		needed = strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Needed), " ", ","), "[]")
	}
	return fmt.Sprintf("go test ./internal/sim -run '^TestReplay$' -v -args -scenario '%s' -seed %d -faults %s",
		f.Scenario, f.Seed, needed)
}

// Sweep is the result of many runs.
type Sweep struct {
	Runs      int
	Events    uint64
	Scenarios map[string]*Tally
	Failures  []*Failure
}

// Tally counts, by kind, the faults of a scenario, and how often they had an effect.
type Tally struct{ Planned, Fired [numKinds]uint64 }

// RunSweep runs scenarios with each seed from first on, on several goroutines. change, if not nil, is applied to each
// Config. Failures are shrunk, and are in order.
func RunSweep(scenarios []Scenario, first uint64, seeds, workers int, change func(*Config)) *Sweep {
	total := &Sweep{Scenarios: make(map[string]*Tally)}
	var mu sync.Mutex
	var done sync.WaitGroup
	seedsLeft := make(chan uint64)
	for range workers { // each ends when there are no more seeds
		done.Go(func() {
			for seed := range seedsLeft {
				for _, sc := range scenarios {
					part := runSeed(sc, seed, change)
					mu.Lock()
					total.Add(part)
					mu.Unlock()
				}
			}
		})
	}
	for i := range seeds {
		seedsLeft <- first + uint64(i)
	}
	close(seedsLeft)
	done.Wait()
	slices.SortFunc(total.Failures, func(a, b *Failure) int {
		return strings.Compare(fmt.Sprintf("%s %20d", a.Scenario, a.Seed), fmt.Sprintf("%s %20d", b.Scenario, b.Seed))
	})
	return total
}

// Add adds the results of other runs.
func (s *Sweep) Add(other *Sweep) {
	s.Runs += other.Runs
	s.Events += other.Events
	s.Failures = append(s.Failures, other.Failures...)
	for name, tally := range other.Scenarios {
		sum := s.Scenarios[name]
		if sum == nil {
			sum = &Tally{}
			s.Scenarios[name] = sum
		}
		sum.add(tally)
	}
}

func (t *Tally) add(other *Tally) {
	for k := range numKinds {
		t.Planned[k] += other.Planned[k]
		t.Fired[k] += other.Fired[k]
	}
}

// Total sums the counts of the scenarios.
func (s *Sweep) Total() Tally {
	var total Tally
	for _, tally := range s.Scenarios {
		total.add(tally)
	}
	return total
}

// runSeed runs one seed of a scenario.
func runSeed(sc Scenario, seed uint64, change func(*Config)) *Sweep {
	cfg := sc.Config(seed)
	if change != nil {
		change(&cfg)
	}
	r := settle(cfg)
	tally := &Tally{Fired: r.Fired}
	for i := range cfg.Faults {
		tally.Planned[cfg.Faults[i].Kind]++
	}
	outcome := &Sweep{Runs: 1, Events: r.Events, Scenarios: map[string]*Tally{sc.Name: tally}}
	if r.Violation != nil {
		f := &Failure{Scenario: sc.Name, Seed: seed, Violation: r.Violation, Faults: cfg.Faults}
		f.Needed = Shrink(cfg, r.Violation.Rule)
		outcome.Failures = append(outcome.Failures, f)
	}
	return outcome
}

// settle runs a simulation until it has settled.
func settle(cfg Config) *Result {
	s := New(cfg)
	_ = s.Settle() // it is in the Result
	return s.Result()
}

// Shrink returns the numbers of the faults that are necessary to violate a rule: without any one of them it is not
// violated.
func Shrink(cfg Config, rule string) []int {
	needed := make([]int, len(cfg.Faults))
	for i := range needed {
		needed[i] = i
	}
	fails := func(faults []int) bool {
		v := settle(cfg.With(faults)).Violation
		return v != nil && v.Rule == rule
	}
	for again := true; again; {
		again = false
		for i := len(needed) - 1; i >= 0; i-- {
			fewer := slices.Delete(slices.Clone(needed), i, i+1)
			if fails(fewer) {
				needed, again = fewer, true
			}
		}
	}
	return needed
}

// With returns the Config with only some of its faults.
func (c Config) With(faults []int) Config {
	all := c.Faults
	c.Faults = nil
	for _, i := range faults {
		c.Faults = append(c.Faults, all[i])
	}
	return c
}
