package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// detectorOutages measures faults of one member that end by themselves: pauses of processes and hosts, and restarts.
type detectorOutages struct {
	count int // of each length
}

func (detectorOutages) name() string { return "detector-outages" }

// outages are the faults that end by themselves.
type outages struct {
	name, text string
	kind       sim.Kind
	lengths    []time.Duration
	profiles   []profile
}

const ms = time.Millisecond

var pauseLengths = []time.Duration{300 * ms, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second,
	8 * time.Second, 9 * time.Second, 10 * time.Second, 11 * time.Second}

var allOutages = []outages{
	{"pause-process", "a process is paused", sim.Pause, pauseLengths, profiles},
	{"pause-host", "a host is paused", sim.HostPause, pauseLengths, profiles},
	{"restart", "a process restarts", sim.Crash, []time.Duration{300 * ms, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second,
		10 * time.Second}, profilesOfProcess},
}

// outage is the number of outages after which the member was suspected, or declared dead, by any other, and the number of other
// members that were declared dead.
type outage struct{ suspected, dead, others int }

// ends runs a cluster in which members fail for a time, one after the other.
func (p profile) ends(kind sim.Kind, length time.Duration, count, seed int) outage {
	cfg := p.lossy(100, seed)
	const every = 15 * time.Second
	suspected, dead, others := map[int]bool{}, map[int]bool{}, map[int]bool{}
	for i := range count {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: kind, At: detectorFrom + time.Duration(i)*every, For: length, Nodes: []int{i}})
	}
	watch(&cfg, func(node int, _ time.Duration, out *swim.Output) {
		for i := range out.Events {
			ev := &out.Events[i]
			id := number(ev.Member.Name)
			switch {
			case ev.Kind == swim.EventSuspect && id < count && id != node:
				suspected[id] = true
			case ev.Kind != swim.EventLeave || id == node:
			case id < count && node >= count:
				dead[id] = true
			case id >= count && node >= count:
				others[id] = true
			}
		}
	})
	simulate(cfg, detectorFrom+time.Duration(count)*every+20*time.Second, nil)
	return outage{len(suspected), len(dead), len(others)}
}

// measure returns the sums of count outages.
func (o outages) measure(l *lab, p profile, length time.Duration, count int) outage {
	const atOnce = 10 // in one run
	sum := outage{}
	for _, r := range each(l, fmt.Sprintf("%s, %v, %s", o.text, length, p.name), max(1, count/atOnce), func(seed int) outage {
		return p.ends(o.kind, length, min(count, atOnce), seed)
	}) {
		sum.suspected, sum.dead, sum.others = sum.suspected+r.suspected, sum.dead+r.dead, sum.others+r.others
	}
	return sum
}

// report returns a table with a column for each length: outages with a suspicion, and with a death.
func (o outages) report(l *lab, count int) (table, chart) {
	t := table{name: "detector-" + o.name, head: []string{fmt.Sprintf("%s, %d times for", o.text, count)}}
	for _, length := range o.lengths {
		t.head = append(t.head, fmt.Sprint(length))
	}
	t.head = append(t.head, "others declared dead")
	c := plot.Plot{
		Title: "100 members, 1 % loss: " + o.text + ", and is declared dead",
		X:     plot.Axis{Label: "seconds", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of the times", Include: []float64{0, 100}},
	}
	for _, p := range o.profiles {
		row, others := []any{p.name}, 0
		dead := plot.Series{Name: p.name, Style: plot.LinePoints}
		for _, length := range o.lengths {
			r := o.measure(l, p, length, count)
			others += r.others
			row = append(row, fmt.Sprintf("%d, %d", r.suspected, r.dead))
			dead.Points = append(dead.Points, plot.Point{X: length.Seconds(), Y: 100 * float64(r.dead) / float64(count)})
		}
		t.row(append(row, others)...)
		c.Series = append(c.Series, dead)
	}
	return t, chart{t.name, c}
}

func (d detectorOutages) run(l *lab) report {
	var r report
	for _, o := range allOutages {
		t, c := o.report(l, d.count)
		r.tables, r.charts = append(r.tables, t), append(r.charts, c)
	}
	return r
}
