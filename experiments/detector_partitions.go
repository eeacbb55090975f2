package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// detectorPartitions measures partitions that end, by the profiles: who is declared dead, and when all views are whole again.
type detectorPartitions struct{ runs int }

func (detectorPartitions) name() string { return "detector-partitions" }

// cut is a part of 100 members that is cut off for a time.
type cut struct {
	members int
	length  time.Duration
}

var cuts = []cut{{1, 3 * time.Second}, {1, 6 * time.Second}, {5, 6 * time.Second}, {10, 6 * time.Second}, {50, 3 * time.Second},
	{50, 6 * time.Second}, {50, 9 * time.Second}, {50, 12 * time.Second}, {50, 30 * time.Second}}

// parted is the result of one partition.
type parted struct {
	small, large int           // members of the part that is cut off, and of the others, that any other declared dead
	whole        time.Duration // from its end until every member knew every other as present
}

// wholeLimit is the maximum time until that.
const wholeLimit = 5 * time.Minute

// parts runs a cluster that is cut in two for a time.
func (p profile) parts(c cut, seed int) parted {
	cfg := p.lossy(100, seed)
	cfg.Faults = []sim.Fault{{Kind: sim.Partition, At: detectorFrom, For: c.length, Nodes: upTo(c.members)}}
	dead := map[int]bool{}
	missing, whole := 0, time.Duration(0) // entries of views, and the time since which there are none
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Events {
			ev := &out.Events[i]
			id := number(ev.Member.Name)
			if at < detectorFrom || id == node {
				continue
			}
			switch ev.Kind {
			case swim.EventLeave:
				dead[id] = true
				missing++
			case swim.EventJoin:
				missing--
			default:
				continue
			}
			if whole = 0; missing == 0 {
				whole = at
			}
		}
	})
	end := detectorFrom + c.length
	quiet := 20 * time.Second // in which those that were suspected may still be declared dead
	var last time.Duration
	simulate(cfg, end+wholeLimit, func() bool { last += time.Second; return last > end+quiet && missing == 0 })
	r := parted{whole: max(0, whole-end)}
	if missing > 0 {
		r.whole = wholeLimit
	}
	for id := range dead {
		if id < c.members {
			r.small++
		} else {
			r.large++
		}
	}
	return r
}

func (d detectorPartitions) run(l *lab) report {
	t := table{name: "detector-partitions", head: []string{fmt.Sprintf("100 members, %d runs each", d.runs)}}
	for _, p := range profiles {
		t.head = append(t.head, p.name, "whole again, longest")
	}
	c := plot.Plot{
		Title: "Half of 100 members are cut off for a time: members declared dead",
		X:     plot.Axis{Label: "seconds", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of all members", Include: []float64{0, 100}},
	}
	for _, p := range profiles {
		c.Series = append(c.Series, plot.Series{Name: p.name, Style: plot.LinePoints})
	}
	for _, cut := range cuts {
		row := []any{fmt.Sprintf("%d cut off for %v", cut.members, cut.length)}
		for i, p := range profiles {
			var small, large int
			var longest time.Duration
			for _, r := range each(l, fmt.Sprintf("%d cut off for %v, %s", cut.members, cut.length, p.name), d.runs, func(seed int) parted {
				return p.parts(cut, seed)
			}) {
				small, large, longest = small+r.small, large+r.large, max(longest, r.whole)
			}
			row = append(row, fmt.Sprintf("%d + %d", small, large), healed(small+large, longest))
			if cut.members == 50 {
				dead := 100 * float64(small+large) / float64(100*d.runs)
				c.Series[i].Points = append(c.Series[i].Points, plot.Point{X: cut.length.Seconds(), Y: dead})
			}
		}
		t.row(row...)
	}
	return report{[]table{t}, []chart{{t.name, c}}}
}

// healed formats the time after which views were whole again, if there were holes.
func healed(dead int, after time.Duration) string {
	switch {
	case dead == 0:
		return "-"
	case after == wholeLimit:
		return "never"
	default:
		return seconds(after)
	}
}
