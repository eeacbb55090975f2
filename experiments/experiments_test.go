package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/sim"
)

// quiet returns a lab with two goroutines and no output.
func quiet() *lab { return &lab{workers: 2, progress: io.Discard} }

// measures skips a test under the race detector, with which simulations take five times as long; they share no
// memory.
func measures(t *testing.T) {
	t.Helper()
	if race.Enabled {
		t.Skip("it runs without the race detector")
	}
}

// ofQuick returns the quick version of an experiment.
func ofQuick[T experiment](t *testing.T) T {
	t.Helper()
	for _, e := range quick() {
		if e, ok := e.(T); ok {
			return e
		}
	}
	t.Fatal("there is no such experiment")
	panic("unreachable")
}

// TestDetection: a crashed member is first pinged in 1.58 periods on average, in clusters of any size.
func TestDetection(t *testing.T) {
	measures(t)
	for _, r := range ofQuick[detection](t).measure(quiet()) {
		m, e := r.periods()
		if m < expectedPeriods-4*e || m > expectedPeriods+4*e || e > 0.2 {
			t.Errorf("%d members: first pinged in %.2f ± %.2f periods, want %.2f", r.n, m, e, expectedPeriods)
		}
		for _, d := range r.samples {
			if d.ping >= d.suspect || d.suspect >= d.dead || d.dead > d.all || d.all > time.Minute || d.told != r.n-1 {
				t.Errorf("%d members: %+v", r.n, d)
			}
		}
	}
}

// TestLoad: the traffic of a member does not grow with the cluster.
func TestLoad(t *testing.T) {
	measures(t)
	for _, r := range ofQuick[load](t).measure(quiet(), 0) {
		if r.packets < 1.98 || r.packets > 2.02 || r.bytes > 110 || r.most > 2.5 {
			t.Errorf("%d members: %.2f packets/s, %.2f at most, %.0f bytes/s", r.n, r.packets, r.most, r.bytes)
		}
	}
}

// TestDissemination: news takes a time that grows with the logarithm of the cluster's size.
func TestDissemination(t *testing.T) {
	measures(t)
	results := ofQuick[dissemination](t).measure(quiet())
	_, b, r2 := fit(results)
	if b < 0.05 || b > 0.2 || r2 < 0.95 {
		t.Errorf("%.3f s for each doubling, r² %.3f", b, r2)
	}
	for _, r := range results {
		if r.missed > r.pieces/5 || len(r.all) != r.pieces-r.missed || r.half[0] <= 0 {
			t.Errorf("%d members: %d of %d pieces of news did not get to all", r.n, r.missed, r.pieces)
		}
	}
}

// TestLifeguard: slow members declare far fewer healthy ones dead with Lifeguard, and each of its parts helps.
func TestLifeguard(t *testing.T) {
	measures(t)
	results := ofQuick[lifeguard](t).measure(quiet())
	sums := make([]positives, len(variants))
	for v := range sums {
		sums[v] = total(results[v], func(_, _ int) bool { return true })
	}
	swim, probe, suspicion, all := sums[0], sums[1], sums[2], sums[4]
	if swim.all < 100 || all.all > swim.all/4 || probe.all > swim.all*3/4 || suspicion.all > swim.all*3/4 {
		t.Errorf("false positives %+v", sums)
	}
}

// TestHundred: in 100 members with LAN defaults all know of a crash little more than a suspicion timeout later, and
// joining members find each other.
func TestHundred(t *testing.T) {
	measures(t)
	for _, d := range ofQuick[crash](t).measure(quiet()) {
		if d.all < 8*time.Second || d.all > 20*time.Second || d.all-d.dead > 2*time.Second {
			t.Errorf("%+v", d)
		}
	}
	for _, c := range joinCases[:2] {
		for _, r := range ofQuick[join](t).measure(quiet(), c) {
			if r.all == 0 || r.all > joinLimit/2 || r.missing > 100*99/100 {
				t.Errorf("%v: %+v", &c, r)
			}
		}
	}
}

// TestZoned: with zones at most a fifth crosses, news and crashes are known nearly as soon, and the loss of relays delays news by seconds.
func TestZoned(t *testing.T) {
	measures(t)
	without, with := zoneUses[0], zoneUses[1]
	z, f := ofQuick[zoned](t), ofQuick[zoneBursts](t)
	for _, of := range z.layouts {
		if a, b := z.traffic(with, of, false).sum(), z.traffic(without, of, false).sum(); a > b/5 || a == 0 {
			t.Errorf("%v: %.0f of %.0f bytes a second cross", of, a, b)
		}
		if a, b := z.newsTimes(with, of), z.newsTimes(without, of); meanOf(a) > meanOf(b)*3/2 || a.quantile(0) == 0 {
			t.Errorf("%v: all know a change after %v, without zones %v", of, meanOf(a), meanOf(b))
		}
		for _, l := range losings {
			if a, b := meanOf(l.deathTimes(with, of, 0)), meanOf(l.deathTimes(without, of, 0)); a > b*3/2 {
				t.Errorf("%v: all know of %s after %v, without zones %v", of, l.name, a, b)
			}
		}
		if took := f.burst(with, of, 0, true); took > 5*time.Second {
			t.Errorf("%v: news crosses %v after its relays have ended", of, took)
		}
	}
	cut := ofQuick[zoneCut](t)
	if isolated, took := cut.heals(with); isolated != cut.of.members || took <= 0 || took > time.Minute {
		t.Errorf("%d members were isolated, and the views equal after %v", isolated, took)
	}
}

// TestRapid: members that crash at once are removed by all, once, and no others; members that receive nothing at
// times return; most members that lose their packets stay out.
func TestRapid(t *testing.T) {
	measures(t)
	r := ofQuick[rapid](t)
	crashed := rapidCases[0].fails(r.nodes, 1, papers())
	if pairs := r.nodes - 1; crashed.removed != pairs || crashed.returned != 0 || crashed.wrong != 0 || crashed.distinct != 1 {
		t.Errorf("crash: %+v", crashed)
	}
	if last := crashed.over[len(crashed.over)-1]; last.least != r.nodes-1 || last.most != r.nodes-1 {
		t.Errorf("crash: at the end members believe in %+v", last)
	}
	if flop := rapidCases[1].fails(r.nodes, 1, papers()); flop.removed == 0 || flop.returned == 0 || flop.returned > flop.removed {
		t.Errorf("flip-flop: %d removed, %d returned", flop.removed, flop.returned)
	}
}

// TestDetector: with extensions the end of a process is known sooner, also where half of the members are of the reference, and
// what ends by itself is a death only where a profile says so.
func TestDetector(t *testing.T) {
	measures(t)
	p50 := func(name string, cluster func(seed int) sim.Config) time.Duration {
		r := measureCrashes(quiet(), name, 8, 4, sim.Crash, time.Second, cluster)
		return sorted(r.times(func(d *detected) time.Duration { return d.all })).quantile(0.5)
	}
	of := func(p profile) time.Duration {
		return p50(p.name, func(seed int) sim.Config { return p.lossy(40, seed) })
	}
	mixed := p50("mixed", func(seed int) sim.Config { return fast.mixed(40, seed) })
	today, usual, fastest := of(without), of(standard), of(fast)
	t.Logf("known everywhere after %v without extensions, %v by default, %v with the fast profile, %v with it at half of the members", today, usual, fastest, mixed)
	if usual > today/2+time.Second || fastest > usual-time.Second || mixed > today*3/4 {
		t.Error("a crash is known too late")
	}

	for _, tt := range []struct {
		profile profile
		kind    sim.Kind
		length  time.Duration
		dead    int
	}{
		{standard, sim.Pause, 8 * time.Second, 0},
		{fast, sim.Pause, 8 * time.Second, 0},
		{standard, sim.HostPause, 8 * time.Second, 0},
		{fast, sim.HostPause, 8 * time.Second, 2},
		{standard, sim.Crash, time.Second, 0},
		{standard, sim.Crash, 6 * time.Second, 2},
	} {
		if got := tt.profile.ends(tt.kind, tt.length, 2, 1); got.dead != tt.dead || got.others != 0 {
			t.Errorf("%s, %v for %v: %+v, want %d dead", tt.profile.name, tt.kind, tt.length, got, tt.dead)
		}
	}

	for _, p := range profiles {
		brief, long := p.parts(cut{50, 3 * time.Second}, 1), p.parts(cut{50, 30 * time.Second}, 1)
		if brief.small+brief.large > 0 || brief.whole > time.Minute || long.small+long.large != 100 || long.whole == 0 || long.whole > 2*time.Minute {
			t.Errorf("%s: half cut off for 3 s: %+v, for 30 s: %+v", p.name, brief, long)
		}
	}
}

// TestSameBytes: the same experiment produces the same bytes with any number of goroutines.
func TestSameBytes(t *testing.T) {
	var first []byte
	for _, workers := range []int{1, 3} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "experiments"), 0o755); err != nil {
			t.Fatal(err)
		}
		page := "# Title\n\n<!-- begin hundred-crash -->\nold\n<!-- end hundred-crash -->\n\nThe end.\n"
		if err := os.WriteFile(filepath.Join(dir, "experiments.md"), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		r := crash{4}.run(&lab{workers, io.Discard})
		if err := r.write(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "experiments.md"))
		if err != nil {
			t.Fatal(err)
		}
		svg, err := os.ReadFile(filepath.Join(dir, "experiments", "hundred-crash.svg"))
		if err != nil {
			t.Fatal(err)
		}
		if s := string(text); !strings.Contains(s, "| dead everywhere |") || strings.Contains(s, "old") ||
			!strings.HasPrefix(s, "# Title\n\n<!--") || !strings.HasSuffix(s, "-->\n\nThe end.\n") {
			t.Errorf("the document is\n%s", s)
		}
		if both := append(text, svg...); first == nil {
			first = both
		} else if !bytes.Equal(both, first) {
			t.Error("two runs differ")
		}
	}
}

// TestBusy: members with little CPU time that join declare no failures. Without lateness they do, and do not settle.
func TestBusy(t *testing.T) {
	measures(t)
	const perCore = 8000
	with, without := (busy{nodes: 100}).measure(busyRun{perCore, true, false}), (busy{nodes: 100}).measure(busyRun{perCore, true, true})
	t.Logf("with lateness %+v, without %+v", with, without)
	if !with.settled || with.failures > 0 {
		t.Errorf("with lateness: %+v", with)
	}
	if without.settled || without.failures == 0 {
		t.Errorf("without: %+v", without)
	}
}

// TestDocument: the document has a place for every table and shows every chart.
func TestDocument(t *testing.T) {
	measures(t)
	text, err := os.ReadFile("../docs/experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	zones := []layout{{2, 6}}
	tiny := append([]experiment{detection{[]int{4, 8}, 2}, load{[]int{4}}, dissemination{[]int{4, 8}, 10},
		lifeguard{nodes: 8, slow: []int{1}, cycles: quickLifeguard.cycles, seeds: 1, length: time.Second}, crash{2}, join{1}, rapid{10}, busy{4, []int{500}},
		detectorCrash{processes, []sampling{{8, 1}, {100, 1}}}, detectorCrash{hosts, []sampling{{8, 1}, {100, 1}}}, detectorTen{1}, detectorMixed{1},
		detectorOutages{count: 1}, detectorCycles{lifeguard{nodes: 8, slow: []int{1}, cycles: fullCycles.cycles, seeds: 3, length: time.Second}},
		detectorPartitions{runs: 1}, detectorTraffic{runs: 1, length: time.Second},
		zoned{layouts: zones, divided: []int{2}, calm: time.Second, news: 1}, zoneCrashes{layouts: zones, runs: 1, wholes: 1},
		zoneLoss{layouts: zones, loss: time.Second}, zoneBursts{layouts: zones, runs: 1}, zoneCut{zones[0], time.Minute}}, detectorRapids(10)...)
	if len(tiny) != len(full()) {
		t.Fatalf("%d of %d experiments", len(tiny), len(full()))
	}
	for _, e := range tiny {
		r := e.run(quiet())
		for _, table := range r.tables {
			if _, err := insert(text, table.name, ""); err != nil {
				t.Error(err)
			}
			if head := strings.Join(table.head[1:], " | "); !bytes.Contains(text, []byte(head)) {
				t.Errorf("table %s has other columns than %q", table.name, head)
			}
		}
		for _, c := range r.charts {
			if _, err := c.plot.SVG(); err != nil {
				t.Errorf("chart %s: %v", c.name, err)
			}
			if !bytes.Contains(text, []byte("(experiments/"+c.name+".svg)")) {
				t.Errorf("chart %s is not shown", c.name)
			}
			if _, err := os.Stat("../docs/experiments/" + c.name + ".svg"); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestStatistics(t *testing.T) {
	d := sorted([]time.Duration{4, 1, 3, 2})
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {0.25, 1}, {0.26, 2}, {0.5, 2}, {0.99, 4}, {1, 4}} {
		if got := d.quantile(tt.q); got != tt.want {
			t.Errorf("quantile %v: %v, want %v", tt.q, got, tt.want)
		}
	}
	if durations(nil).quantile(0.5) != 0 || meanOf(nil) != 0 || meanOf(d) != 2 {
		t.Errorf("mean %v", meanOf(d))
	}
	if m, e := mean([]float64{1, 2, 3}); m != 2 || e < 0.577 || e > 0.578 {
		t.Errorf("mean %v ± %v", m, e)
	}
	if a, b, r2 := line([]plot.Point{{X: 1, Y: 5}, {X: 2, Y: 7}, {X: 4, Y: 11}}); a != 3 || b != 2 || math.Abs(r2-1) > 1e-9 {
		t.Errorf("%v + %v x, r² %v", a, b, r2)
	}
	if got := percent(1, 8); got != "12.5 %" || percent(1, 0) != "-" {
		t.Errorf("%q", got)
	}
}

func TestOnly(t *testing.T) {
	if err := run(quiet(), quick(), "nothing", nil); err == nil || !strings.Contains(err.Error(), "lifeguard, crash") {
		t.Errorf("%v", err)
	}
	if _, err := insert([]byte("<!-- begin a -->\n"), "a", "b"); err == nil {
		t.Error("a marker is missing and nobody cares")
	}
}
