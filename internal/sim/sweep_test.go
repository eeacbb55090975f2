package sim

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	seedsFlag    = flag.Int("seeds", 0, "run the sweep with so many seeds")
	scenarioFlag = flag.String("scenario", "", "the scenario to sweep or to replay")
	seedFlag     = flag.Uint64("seed", 0, "the first seed of the sweep, or the one to replay")
	faultsFlag   = flag.String("faults", "all", "the faults to replay: numbers with commas, all, or none")
)

// chosen returns the scenarios that the flag names.
func chosen(t *testing.T) []Scenario {
	t.Helper()
	all := Scenarios()
	if *scenarioFlag == "" {
		return all
	}
	i := slices.IndexFunc(all, func(sc Scenario) bool { return sc.Name == *scenarioFlag })
	if i < 0 {
		t.Fatalf("there is no scenario %q", *scenarioFlag)
	}
	return all[i : i+1]
}

// TestSweep runs every scenario with many seeds: no rule is broken, and each kind of fault has an effect.
func TestSweep(t *testing.T) {
	seeds := 200
	switch {
	case *seedsFlag > 0:
		seeds = *seedsFlag
	case raceEnabled:
		seeds = 6
	case testing.Short():
		seeds = 20
	}
	sweep := RunSweep(chosen(t), *seedFlag, seeds, 2, nil)
	kinds := make(map[string]int)
	for _, f := range sweep.Failures {
		kind := f.Scenario + ": " + f.Violation.Rule
		if kinds[kind]++; kinds[kind] == 1 {
			t.Error(f)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("of each kind the first is shown: %v", kinds)
	}
	for _, k := range Kinds() {
		t.Logf("%-10v had an effect %d times", k, sweep.Fired[k])
		if sweep.Fired[k] == 0 && *scenarioFlag == "" {
			t.Errorf("%v never had an effect", k)
		}
	}
	t.Logf("%d runs, %d events, %d failures", sweep.Runs, sweep.Events, len(sweep.Failures))
}

// TestReplay replays one seed of one scenario, with a trace. It is what a failing sweep tells to run.
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
	if testing.Verbose() {
		cfg.Trace = os.Stdout
	}
	if v := settle(cfg).Violation; v != nil {
		t.Error(v)
	}
}
