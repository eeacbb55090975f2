package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// papers returns the LAN defaults without extensions: the protocol of the papers.
func papers() swim.Config {
	c := sim.LAN()
	c.Extensions, c.Detector = false, swim.Detector{}
	return c
}

// hundred returns a cluster of 100 nodes without extensions, with 1 % loss and a latency of 2 ms ± 1 ms.
func hundred(seed int) sim.Config {
	return sim.Config{N: 100, Seed: uint64(seed), Core: papers(), Link: sim.Link{Loss: 0.01,
		Latency: sim.Latency{Kind: sim.Uniform, Min: time.Millisecond, Spread: 2 * time.Millisecond}}}
}

// crash measures the time until all members know of a crash.
type crash struct{ runs int }

func (crash) name() string { return "crash" }

func (c crash) measure(l *lab) []detected {
	return each(l, "crash of one of 100", c.runs, func(seed int) detected {
		return crashes(hundred(seed), 1, 90*time.Second)[0]
	})
}

func (c crash) run(l *lab) report {
	r := sized{n: 100, samples: c.measure(l)}
	t := table{name: "hundred-crash", head: []string{fmt.Sprintf("%d crashes", c.runs), "p50", "p99", "max"}}
	add := func(what string, d durations) {
		t.row(what, seconds(d.quantile(0.5)), seconds(d.quantile(0.99)), seconds(d.quantile(1)))
	}
	all := sorted(r.times(func(d *detected) time.Duration { return d.all }))
	suspect := sorted(r.times(func(d *detected) time.Duration { return d.suspect }))
	dead := sorted(r.times(func(d *detected) time.Duration { return d.dead }))
	add("first suspected", suspect)
	add("first declared dead", dead)
	add("dead everywhere", all)
	const group = 10
	var largest durations
	for g := range slices.Chunk(r.times(func(d *detected) time.Duration { return d.all }), group) {
		largest = append(largest, sorted(g).quantile(1))
	}
	t.row(fmt.Sprintf("dead everywhere, the largest of %d on average", group), "", "", seconds(meanOf(largest)))
	t.row("dead everywhere, the reference as published", "9.86 s", "11.98 s", "12.11 s")
	return report{[]table{t}, []chart{{"hundred-crash", plot.Plot{
		Title:  "100 members, 1 % loss: a crash is ...",
		X:      plot.Axis{Label: "seconds after the crash", Include: []float64{0}},
		Y:      plot.Axis{Label: "% of the crashes", Include: []float64{0, 100}},
		Series: []plot.Series{cumulative("first suspected", suspect), cumulative("first declared dead", dead), cumulative("dead everywhere", all)},
	}}}}
}

// cumulative returns the cumulative distribution of durations, in percent.
func cumulative(name string, d durations) plot.Series {
	s := plot.Series{Name: name, Style: plot.Steps}
	for i, at := range d {
		s.Points = append(s.Points, plot.Point{X: at.Seconds(), Y: 100 * float64(i+1) / float64(len(d))})
	}
	return s
}

// join measures the time until members that join through one seed know each other.
type join struct{ runs int }

func (join) name() string { return "join" }

// joined is the result of one run.
type joined struct {
	all     time.Duration // until all knew all; 0: not in time
	missing int           // pairs of members that did not know of each other 3 s after the last join
}

// joinLimit is the maximum duration of a run.
const joinLimit = 10 * time.Minute

// joins runs a cluster whose members join through the first one at an interval.
func joins(cfg sim.Config, every time.Duration) joined {
	cfg.Start, cfg.JoinEvery = sim.Joining, every
	last := time.Duration(cfg.N-1) * every
	want, known := cfg.N*(cfg.N-1), 0
	var r joined
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Events {
			if number(out.Events[i].Member.Name) == node {
				continue
			}
			switch out.Events[i].Kind {
			case swim.EventJoin:
				known++
			case swim.EventLeave:
				known--
			default:
				continue
			}
			if r.all = 0; known == want {
				r.all = at - last
			}
		}
		if at < last+3*time.Second {
			r.missing = want - known
		}
	})
	simulate(cfg, joinLimit, func() bool { return r.all > 0 })
	return r
}

// joinCase is one configuration and interval.
type joinCase struct {
	name    string
	every   time.Duration
	profile profile
	change  func(*sim.Config) // nil: nothing
	drawn   bool              // in the chart
}

func (c *joinCase) String() string { return c.name + ", " + c.profile.name }

var joinCases = []joinCase{
	{"all at once", 0, standard, nil, true},
	{"all at once", 0, without, nil, false},
	{"one every 20 ms", 20 * ms, standard, nil, true},
	{"one every 20 ms", 20 * ms, without, nil, true},
	{"one every 200 ms", 200 * ms, standard, nil, true},
	{"one every 200 ms", 200 * ms, fast, nil, false},
	{"one every 200 ms", 200 * ms, without, nil, true},
	{"one every 200 ms, half of the reference", 200 * ms, standard, func(c *sim.Config) { c.Plain = everyOther(c.N) }, false},
	{"one every 200 ms, no loss", 200 * ms, standard, func(c *sim.Config) { c.Link.Loss = 0 }, false},
	{"one every 200 ms, PushPullInterval 5 s", 200 * ms, without, func(c *sim.Config) { c.Core.PushPullInterval = 5 * time.Second }, false},
	{"one every 200 ms, RetransmitMult 6", 200 * ms, without, func(c *sim.Config) { c.Core.RetransmitMult = 6 }, true},
}

func (j join) measure(l *lab, c joinCase) []joined {
	return each(l, "join, "+c.String(), j.runs, func(seed int) joined {
		cfg := c.profile.lossy(100, seed)
		if c.change != nil {
			c.change(&cfg)
		}
		return joins(cfg, c.every)
	})
}

func (j join) run(l *lab) report {
	t := table{name: "hundred-join", head: []string{fmt.Sprintf("99 members join through one; %d runs each", j.runs),
		"profile", "within 2 s", "p50", "p90", "p99", "max", "pairs unknown after 3 s, worst"}}
	cdf := plot.Plot{
		Title: "100 members joining through one: all know all",
		X:     plot.Axis{Label: "seconds after the last join", Scale: plot.Log},
		Y:     plot.Axis{Label: "% of the runs", Include: []float64{0, 100}},
	}
	for _, c := range joinCases {
		var times []time.Duration
		soon, missing := 0, 0
		for _, r := range j.measure(l, c) {
			if r.all == 0 {
				r.all = joinLimit
			}
			if r.all < 2*time.Second {
				soon++
			}
			missing = max(missing, r.missing)
			times = append(times, r.all)
		}
		d := sorted(times)
		t.row(c.name, c.profile.name, percent(soon, j.runs), seconds(d.quantile(0.5)), seconds(d.quantile(0.9)), seconds(d.quantile(0.99)),
			seconds(d.quantile(1)), missing)
		if c.drawn {
			cdf.Series = append(cdf.Series, cumulative(c.String(), d))
		}
	}
	t.row("the reference as published, 30 runs", "", "93.3 %", "", "", "", "101 s", "")
	return report{[]table{t}, []chart{{"hundred-join", cdf}}}
}
