package sim

import (
	"flag"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/race"
)

var (
	seedsFlag    = flag.Int("seeds", 0, "run the sweep with `n` seeds")
	scenarioFlag = flag.String("scenario", "", "the scenarios to sweep, with commas, or the one to replay")
	seedFlag     = flag.Uint64("seed", 0, "the first seed of the sweep, or the one to replay")
	ignoreFlag   = flag.String("ignore", "", "rules to ignore, separated by semicolons, to find violations after theirs")
	faultsFlag   = flag.String("faults", "all", "the faults to replay: numbers with commas, all, or none")
)

// chosen returns the scenarios that the flag names, or all.
func chosen(t *testing.T) []Scenario {
	t.Helper()
	all := Scenarios()
	if *scenarioFlag == "" {
		return all
	}
	var some []Scenario
	for _, name := range strings.Split(*scenarioFlag, ", ") {
		i := slices.IndexFunc(all, func(sc Scenario) bool { return sc.Name == name })
		if i < 0 {
			t.Fatalf("there is no scenario %q", name)
		}
		some = append(some, all[i])
	}
	return some
}

// ignoring sets the rules to ignore to those that the flag names.
func ignoring(c *Config) { c.Ignored = strings.Split(*ignoreFlag, ";") }

// TestSweep runs every scenario with many seeds: no rule is violated, and each kind of fault has an effect.
func TestSweep(t *testing.T) {
	seeds := 200
	switch {
	case *seedsFlag > 0:
		seeds = *seedsFlag
	case race.Enabled:
		seeds = 6
	case testing.Short():
		seeds = 20
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the heaps are small and short-lived: this saves a quarter of the time
	const atOnce = 500                                // number of seeds between reports of progress
	sweep := &Sweep{Scenarios: make(map[string]*Tally)}
	kinds := make(map[string]int)
	for done := 0; done < seeds; done += atOnce {
		part := RunSweep(chosen(t), *seedFlag+uint64(done), min(atOnce, seeds-done), 2, ignoring)
		for _, f := range part.Failures {
			kind := f.Scenario + ": " + f.Violation.Rule
			if f.Violation.Rule == mixedByPackets {
				continue
			}
			if kinds[kind]++; kinds[kind] == 1 {
				t.Error(f)
			}
		}
		sweep.Add(part)
		t.Logf("%d runs, %d events, %d failures", sweep.Runs, sweep.Events, len(sweep.Failures))
	}
	if len(kinds) > 0 {
		t.Errorf("of each kind the first is shown: %v", kinds)
	}
	checkFired(t, sweep)
}

// checkFired checks that faults had an effect: each kind in the whole sweep, and a kind that is frequent in a
// scenario in that scenario.
func checkFired(t *testing.T, sweep *Sweep) {
	t.Helper()
	const many = 20
	total := sweep.Total()
	for _, k := range Kinds() {
		t.Logf("%6d faults %-10v had an effect %d times", total.Planned[k], k, total.Fired[k])
		if total.Fired[k] == 0 && *scenarioFlag == "" {
			t.Errorf("%v never had an effect", k)
		}
		for name, tally := range sweep.Scenarios {
			if tally.Planned[k] >= many && tally.Fired[k] == 0 {
				t.Errorf("scenario %q: none of %d faults %v had an effect", name, tally.Planned[k], k)
			}
		}
	}
}

// TestReplay replays one seed of one scenario, with a trace. The output of a failing sweep has the command.
func TestReplay(t *testing.T) {
	if *scenarioFlag == "" {
		t.Skip("no scenario given")
	}
	cfg := chosen(t)[0].Config(*seedFlag)
	for i, f := range cfg.Faults {
		t.Logf("fault %d: %v", i, f)
	}
	if *faultsFlag != "all" {
		var faults []int
		for _, f := range strings.Split(strings.Replace(*faultsFlag, "none", "", 1), ",") {
			if i, err := strconv.Atoi(f); err == nil {
				faults = append(faults, i)
			}
		}
		cfg = cfg.With(faults)
	}
	ignoring(&cfg)
	if testing.Verbose() {
		cfg.Trace = os.Stdout
	}
	if v := settle(cfg).Violation; v != nil {
		t.Error(v)
	}
}
