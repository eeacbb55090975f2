package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
)

// detectorCycles counts the false positives of Lifeguard's slow members by the profiles, with LAN defaults.
type detectorCycles struct{ lifeguard }

// fullCycles are those of fullLifeguard, with fewer numbers of slow members and more runs.
var fullCycles = lifeguard{
	nodes:  128,
	slow:   []int{4, 16, 32},
	cycles: fullLifeguard.cycles,
	cost:   200 * time.Microsecond,
	seeds:  3,
	length: 2 * time.Minute,
}

func (detectorCycles) name() string { return "detector-cycles" }

// measure returns the false positives of a profile by number of slow members and cycle: sums over the seeds.
func (d detectorCycles) measure(l *lab, p profile) [][]positives {
	results := make([][]positives, len(d.slow))
	for s := range results {
		results[s] = make([]positives, len(d.cycles))
	}
	v := variant{name: p.name, buddy: true}
	for run, count := range each(l, "Lifeguard's cycles, "+p.name, len(d.slow)*len(d.cycles)*d.seeds, func(run int) positives {
		_, s, c := d.index(run)
		return d.count(v, p.core(), d.slow[s], d.cycles[c], uint64(run%d.seeds))
	}) {
		_, s, c := d.index(run)
		results[s][c].add(count)
	}
	return results
}

func (d detectorCycles) run(l *lab) report {
	t := table{name: d.name(), head: []string{fmt.Sprintf("%d members, %v of them slow, %d runs", d.nodes, d.slow, d.seeds)}}
	drawn := plot.Plot{
		Title: fmt.Sprintf("False positives in %d members, by the cycles of slow ones", d.nodes),
		X:     plot.Axis{Label: "blocked, then open"},
		Y:     plot.Axis{Label: fmt.Sprintf("false positives in %d runs", d.seeds*len(d.slow)), Include: []float64{0}},
	}
	for _, c := range d.cycles {
		name := fmt.Sprintf("%v, %v", c.blocked, c.open)
		t.head, drawn.X.Names = append(t.head, name), append(drawn.X.Names, name)
	}
	t.head = append(t.head, "sum")
	for _, p := range profiles {
		results := d.measure(l, p)
		row, bars := []any{p.name}, plot.Series{Name: p.name, Style: plot.Bars}
		for c := range d.cycles {
			sum := total(results, func(_, other int) bool { return other == c })
			row = append(row, sum.String())
			bars.Points = append(bars.Points, plot.Point{X: float64(c), Y: float64(sum.all)})
		}
		t.row(append(row, total(results, func(_, _ int) bool { return true }).String())...)
		drawn.Series = append(drawn.Series, bars)
	}
	return report{[]table{t}, []chart{{t.name, drawn}}}
}
