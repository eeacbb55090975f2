package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/e3431adc/memberlist/experiments/plot"
)

// writeChart draws the share of members that know of an event over time.
func (r *report) writeChart(f *os.File) error {
	s := r.settings
	p := plot.Plot{
		Title: fmt.Sprintf("%d members, %s configuration: time until members know", s.members, s.preset),
		Note:  strings.Join(append([]string{"go run ./simulate"}, s.args...), " "),
		X:     plot.Axis{Label: "time since a crash, a change or the start of all (s)", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of all", Include: []float64{0, 100}},
	}
	if s.crash > 0 {
		p.Series = []plot.Series{
			{Name: "crashes that the first member knows", Style: plot.Steps, Points: r.first.distribution()},
			{Name: "members that know of a crash", Style: plot.Steps, Points: r.each.distribution()},
			{Name: "crashes that all members know", Style: plot.Steps, Points: r.last.distribution()},
		}
	}
	p.Series = append(p.Series,
		plot.Series{Name: "changes that all members know", Style: plot.Steps, Points: r.update.distribution()},
		plot.Series{Name: "starts after which all know all", Style: plot.Steps, Points: r.start.distribution()})
	svg, err := p.SVG()
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(svg)
	return err
}

// most is the maximum number of points drawn for a distribution.
const most = 500

// distribution returns the cumulative percentage over time, without the events that happened before.
func (d spread) distribution() []plot.Point {
	points := []plot.Point{{}}
	d = d[d.early():]
	n := d.happened()
	every := max(1, n/most)
	for i := 0; i < n; i++ {
		if i%every == 0 || i == n-1 {
			points = append(points, plot.Point{X: d[i].Seconds(), Y: 100 * float64(i+1) / float64(len(d))})
		}
	}
	return points
}
