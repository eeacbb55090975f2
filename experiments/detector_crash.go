package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
)

// sampling is a size of clusters and the number of crashes measured.
type sampling struct{ n, crashes int }

// crashSizes are the clusters in which crashes are measured.
var crashSizes = []sampling{{10, 100}, {90, 102}, {100, 200}, {1000, 20}}

// crashKind is what crashes.
type crashKind struct {
	what     string
	kind     sim.Kind
	profiles []profile
}

var (
	processes = crashKind{"process", sim.Crash, profilesOfProcess}
	hosts     = crashKind{"host", sim.HostCrash, profiles}
)

// crashLimit is the maximum duration of a run.
const crashLimit = 150 * time.Second

// measureCrashes returns the times of some crashes in runs with a number of victims each, of which one crashes each interval.
func measureCrashes(l *lab, what string, crashes, victims int, kind sim.Kind, every time.Duration, cluster func(seed int) sim.Config) sized {
	var r sized
	for _, run := range each(l, fmt.Sprintf("%v, %s", kind, what), (crashes+victims-1)/victims, func(seed int) []detected {
		return crashesOf(cluster(seed), plan{kind: kind, first: detectorFrom, every: every, victims: victims, until: crashLimit})
	}) {
		r.samples = append(r.samples, run...)
	}
	return r
}

// crashHead are the columns of detected times.
var crashHead = []string{"crashes", "suspected p50", "p99", "dead everywhere p50", "p90", "p99", "max"}

// crashRow adds a row of detected times, and returns those at which all knew.
func crashRow(t *table, r sized, first ...any) durations {
	suspect := sorted(r.times(func(d *detected) time.Duration { return d.suspect }))
	all := sorted(r.times(func(d *detected) time.Duration { return d.all }))
	t.row(append(first, len(r.samples), seconds(suspect.quantile(0.5)), seconds(suspect.quantile(0.99)), seconds(all.quantile(0.5)),
		seconds(all.quantile(0.9)), seconds(all.quantile(0.99)), seconds(all.quantile(1)))...)
	return all
}

// crashPlot returns an empty chart of the times at which all know of a crash.
func crashPlot(title string) plot.Plot {
	return plot.Plot{
		Title: title,
		X:     plot.Axis{Label: "seconds after the crash", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of the crashes", Include: []float64{0, 100}},
	}
}

// detectorCrash measures crashes of processes or of hosts by the profiles, in clusters of several sizes.
type detectorCrash struct {
	crashKind
	sizes []sampling
}

func (d detectorCrash) name() string { return "detector-" + d.what }

func (d detectorCrash) run(l *lab) report {
	t := table{name: d.name(), head: append([]string{d.what + " crashes", "members"}, crashHead...)}
	c := crashPlot("100 members, 1 % loss: the crash of a " + d.what + " is known everywhere")
	for _, s := range d.sizes {
		victims := min(max(1, s.n/25), 20)
		for _, p := range d.profiles {
			r := measureCrashes(l, fmt.Sprintf("%d members, %s", s.n, p.name), s.crashes, victims, d.kind, time.Second, func(seed int) sim.Config {
				return p.lossy(s.n, seed)
			})
			if all := crashRow(&t, r, p.name, s.n); s.n == 100 {
				c.Series = append(c.Series, cumulative(p.name, all))
			}
		}
	}
	return report{[]table{t}, []chart{{t.name, c}}}
}

// detectorTen measures ten processes that crash at the same time, by the profiles.
type detectorTen struct{ runs int }

func (detectorTen) name() string { return "detector-ten" }

func (d detectorTen) run(l *lab) report {
	const victims = 10
	t := table{name: d.name(), head: append([]string{"ten processes of 100 at once"}, crashHead...)}
	for _, p := range profilesOfProcess {
		r := measureCrashes(l, "ten at once, "+p.name, victims*d.runs, victims, sim.Crash, 0, func(seed int) sim.Config { return p.lossy(100, seed) })
		crashRow(&t, r, p.name)
	}
	return report{tables: []table{t}}
}

// detectorMixed measures crashes where every other member is of the reference, by the profiles of the others.
type detectorMixed struct{ crashes int }

func (detectorMixed) name() string { return "detector-mixed" }

func (d detectorMixed) run(l *lab) report {
	t := table{name: d.name(), head: append([]string{"100 members, half of the reference", "crash of a"}, crashHead...)}
	c := crashPlot("100 members, half of the reference: the crash of a process is known everywhere")
	for _, k := range []crashKind{processes, hosts} {
		for _, p := range k.profiles {
			r := measureCrashes(l, "half of the reference, "+p.name, d.crashes, 4, k.kind, time.Second, func(seed int) sim.Config { return p.mixed(100, seed) })
			name := strings.Replace(p.name, without.name, "all as the reference", 1)
			if all := crashRow(&t, r, name, k.what); k.kind == sim.Crash {
				c.Series = append(c.Series, cumulative(name, all))
			}
		}
	}
	return report{[]table{t}, []chart{{t.name, c}}}
}
