package main

import (
	"fmt"
	"math"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// expectedPeriods is the average number of protocol periods until a failed member is first pinged (SWIM section 3.1).
const expectedPeriods = math.E / (math.E - 1)

// detection measures the times until a crashed member is first pinged, suspected and declared dead.
type detection struct {
	sizes   []int
	samples int // crashes at each size, about
}

func (detection) name() string { return "detection" }

// detected are durations since a crash.
type detected struct {
	ping, suspect, dead, all time.Duration
	told                     int // survivors that know
}

// plan says when members crash.
type plan struct {
	kind    sim.Kind      // sim.Crash of processes, or sim.HostCrash
	first   time.Duration // time of the first crash
	every   time.Duration // from one to the next
	victims int
	until   time.Duration // end of the run, unless all is known before
}

// crashAt returns the time at which victim i crashes.
func (p plan) crashAt(i int) time.Duration { return p.first + time.Duration(i)*p.every }

// crashes runs a converged cluster in which processes crash, one a second, and returns the detection times.
func crashes(cfg sim.Config, victims int, until time.Duration) []detected {
	return crashesOf(cfg, plan{sim.Crash, 5 * time.Second, time.Second, victims, until})
}

// crashesOf runs a converged cluster in which members crash, and returns the detection times.
func crashesOf(cfg sim.Config, p plan) []detected {
	victims := p.victims
	found, left := make([]detected, victims), victims
	for i := range found {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: p.kind, At: p.crashAt(i), Nodes: []int{i}})
	}
	// victim returns the record of a member that has crashed.
	victim := func(name string, at time.Duration) (*detected, time.Duration) {
		i := number(name)
		if i >= victims || at < p.crashAt(i) {
			return nil, 0
		}
		return &found[i], at - p.crashAt(i)
	}
	note := func(at *time.Duration, since time.Duration) {
		if *at == 0 {
			*at = since
		}
	}
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Packets {
			if sent := &out.Packets[i]; sent.Ping != 0 {
				if v, since := victim(sent.To.Name, at); v != nil {
					note(&v.ping, since)
				}
			}
		}
		for i := range out.Events {
			ev := &out.Events[i]
			if node < victims || ev.Kind != swim.EventSuspect && ev.Kind != swim.EventLeave {
				continue
			}
			v, since := victim(ev.Member.Name, at)
			switch {
			case v == nil:
			case ev.Kind == swim.EventSuspect:
				note(&v.suspect, since)
			default:
				note(&v.dead, since)
				if v.told++; v.told == cfg.N-victims {
					v.all = since
					left--
				}
			}
		}
	})
	simulate(cfg, p.until, func() bool { return left == 0 })
	for i := range found { // not found out in time, nor before
		note(&found[i].all, p.until)
	}
	return found
}

// sized is the result for one size of the cluster.
type sized struct {
	n       int
	samples []detected
}

func (d detection) measure(l *lab) []sized {
	var results []sized
	for _, n := range d.sizes {
		victims := max(1, n/64)
		runs := each(l, fmt.Sprintf("detection, %d members", n), (d.samples+victims-1)/victims, func(seed int) []detected {
			return crashes(sim.Config{N: n, Seed: uint64(seed), Core: papers()}, victims, 60*time.Second)
		})
		r := sized{n: n}
		for _, run := range runs {
			r.samples = append(r.samples, run...)
		}
		results = append(results, r)
	}
	return results
}

// times returns one of the times of all samples.
func (r *sized) times(of func(*detected) time.Duration) []time.Duration {
	var all []time.Duration
	for i := range r.samples {
		all = append(all, of(&r.samples[i]))
	}
	return all
}

// periods returns the mean number of protocol periods that have begun when a crashed member is first pinged.
func (r *sized) periods() (m, e float64) {
	var all []float64
	for _, at := range r.times(func(d *detected) time.Duration { return d.ping }) {
		all = append(all, math.Ceil(at.Seconds()/sim.LAN().ProbeInterval.Seconds()))
	}
	return mean(all)
}

func (d detection) run(l *lab) report {
	t := table{name: "swim-detection", head: []string{"members", "crashes", "first ping, periods", "first suspicion, mean", "p99",
		"first declared dead, mean", "p99", "dead everywhere, mean", "p99"}}
	first := plot.Series{Name: "first ping (whole periods)", Style: plot.LinePoints}
	suspect := plot.Series{Name: "first suspicion (seconds)", Style: plot.LinePoints}
	paper := plot.Series{Name: "SWIM's expectation, e/(e-1) = 1.58", Style: plot.Dashed}
	for _, r := range d.measure(l) {
		m, e := r.periods()
		row := []any{r.n, len(r.samples), fmt.Sprintf("%.2f ± %.2f", m, e)}
		for i, of := range []func(*detected) time.Duration{
			func(d *detected) time.Duration { return d.suspect },
			func(d *detected) time.Duration { return d.dead },
			func(d *detected) time.Duration { return d.all },
		} {
			times := r.times(of)
			average := meanOf(times)
			row = append(row, seconds(average), seconds(sorted(times).quantile(0.99)))
			if i == 0 {
				suspect.Points = append(suspect.Points, plot.Point{X: float64(r.n), Y: average.Seconds()})
			}
		}
		t.row(row...)
		first.Points = append(first.Points, plot.Point{X: float64(r.n), Y: m})
		paper.Points = append(paper.Points, plot.Point{X: float64(r.n), Y: expectedPeriods})
	}
	return report{[]table{t}, []chart{{"swim-detection", plot.Plot{
		Title:  "Time until a crash is noticed, by cluster size",
		X:      plot.Axis{Label: "members", Scale: plot.Log},
		Y:      plot.Axis{Label: "protocol periods, of 1 s", Include: []float64{0}},
		Series: []plot.Series{first, suspect, paper},
	}}}}
}

// load measures the traffic of each member in a cluster without failures.
type load struct{ sizes []int }

func (load) name() string { return "load" }

// loaded are rates a member and second.
type loaded struct {
	n                       int
	packets, bytes, streams float64
	most                    float64 // packets of the busiest member
}

func (d load) measure(l *lab, loss float64) []loaded {
	// At every size this time has a few push/pull intervals, or at least one.
	const from, until = 60 * time.Second, 240 * time.Second
	return each(l, fmt.Sprintf("load, %.0f %% loss", 100*loss), len(d.sizes), func(i int) loaded {
		n := d.sizes[i]
		s := sim.New(sim.Config{N: n, Seed: 1, Core: papers(), Unchecked: true, Link: sim.Link{Loss: loss}})
		run := func(t time.Duration) []sim.NodeCounts {
			if err := s.RunUntil(t); err != nil {
				panic(err)
			}
			return append([]sim.NodeCounts(nil), s.Result().Nodes...)
		}
		before, after := run(from), run(until)
		r := loaded{n: n}
		seconds := (until - from).Seconds()
		for j := range after {
			packets := float64(after[j].PacketsOut-before[j].PacketsOut) / seconds
			r.most = max(r.most, packets)
			r.packets += packets / float64(n)
			r.bytes += float64(after[j].BytesOut-before[j].BytesOut) / seconds / float64(n)
			r.streams += float64(after[j].StreamBytesOut-before[j].StreamBytesOut) / seconds / float64(n)
		}
		return r
	})
}

func (d load) run(l *lab) report {
	t := table{name: "swim-load", head: []string{"members", "packets/s", "of the busiest", "bytes/s in packets",
		"bytes/s of push/pull", "packets/s, 5 % loss", "bytes/s in packets, 5 % loss"}}
	packets := plot.Series{Name: "packets/s", Style: plot.LinePoints}
	lossy := plot.Series{Name: "packets/s at 5 % loss", Style: plot.LinePoints}
	calm, loss := d.measure(l, 0), d.measure(l, 0.05)
	for i, r := range calm {
		t.row(r.n, fmt.Sprintf("%.2f", r.packets), fmt.Sprintf("%.2f", r.most), fmt.Sprintf("%.0f", r.bytes),
			fmt.Sprintf("%.0f", r.streams), fmt.Sprintf("%.2f", loss[i].packets), fmt.Sprintf("%.0f", loss[i].bytes))
		packets.Points = append(packets.Points, plot.Point{X: float64(r.n), Y: r.packets})
		lossy.Points = append(lossy.Points, plot.Point{X: float64(r.n), Y: loss[i].packets})
	}
	return report{[]table{t}, []chart{{"swim-load", plot.Plot{
		Title:  "What each member sends, by cluster size",
		X:      plot.Axis{Label: "members", Scale: plot.Log},
		Y:      plot.Axis{Label: "packets per member and second", Include: []float64{0}},
		Series: []plot.Series{packets, lossy},
	}}}}
}

// dissemination measures the time until all members have a piece of news by gossip alone.
type dissemination struct {
	sizes   []int
	samples int // pieces of news at each size, about
}

func (dissemination) name() string { return "dissemination" }

// told is the result for one piece of news.
type told struct {
	half, most, all time.Duration // to half of the members, to 99 %, to all; 0: not reached
}

// news makes members announce new metadata, one after the other, and returns the times until the others know it.
func news(cfg sim.Config, pieces int) []told {
	const first, every = 2 * time.Second, 3 * time.Second
	cfg.Core = papers()
	cfg.Core.PushPullInterval = 0
	for i := range pieces {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Meta, At: first + time.Duration(i)*every, Nodes: []int{i % cfg.N}})
	}
	times := make([][]time.Duration, pieces)
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Changed {
			m := &out.Changed[i]
			id := number(m.Name)
			// The kth change of a member has incarnation k + 1; incarnation 1 is its start.
			if j := id + (int(m.Incarnation)-2)*cfg.N; m.Incarnation > 1 && id != node && j < pieces {
				times[j] = append(times[j], at-first-time.Duration(j)*every)
			}
		}
	})
	simulate(cfg, first+time.Duration(pieces)*every, nil)
	var all []told
	for _, t := range times {
		d := sorted(t)
		reached := func(share float64) time.Duration {
			if k := int(math.Ceil(share * float64(cfg.N-1))); k <= len(d) {
				return d[k-1]
			}
			return 0
		}
		all = append(all, told{reached(0.5), reached(0.99), reached(1)})
	}
	return all
}

// spread is the result for one size.
type spread struct {
	n              int
	half, all      durations
	pieces, missed int // that did not reach all
}

func (d dissemination) measure(l *lab) []spread {
	const pieces = 10
	var results []spread
	for _, n := range d.sizes {
		runs := each(l, fmt.Sprintf("dissemination, %d members", n), (d.samples+pieces-1)/pieces, func(seed int) []told {
			return news(sim.Config{N: n, Seed: uint64(seed)}, pieces)
		})
		r := spread{n: n}
		for _, run := range runs {
			for _, t := range run {
				r.pieces++
				r.half = append(r.half, t.half)
				if t.all == 0 {
					r.missed++
				} else {
					r.all = append(r.all, t.all)
				}
			}
		}
		r.half, r.all = sorted(r.half), sorted(r.all)
		results = append(results, r)
	}
	return results
}

// fit fits the median times to all with the logarithm of the size.
func fit(results []spread) (a, b, r2 float64) {
	var points []plot.Point
	for _, r := range results {
		points = append(points, plot.Point{X: math.Log2(float64(r.n)), Y: r.all.quantile(0.5).Seconds()})
	}
	return line(points)
}

func (d dissemination) run(l *lab) report {
	results := d.measure(l)
	a, b, r2 := fit(results)
	t := table{name: "swim-dissemination", head: []string{"members", "pieces of news", "known to half, p50", "to all, p50", "p99",
		"fit", "did not get to all"}}
	half := plot.Series{Name: "known to half of the members", Style: plot.LinePoints}
	all := plot.Series{Name: "known to all, median", Style: plot.LinePoints}
	tail := plot.Series{Name: "known to all, p99", Style: plot.LinePoints}
	fitted := plot.Series{Name: fmt.Sprintf("%.2f s + %.3f s · log2 n (r² = %.3f)", a, b, r2), Style: plot.Dashed}
	for _, r := range results {
		x := float64(r.n)
		model := a + b*math.Log2(x)
		t.row(r.n, r.pieces, seconds(r.half.quantile(0.5)), seconds(r.all.quantile(0.5)), seconds(r.all.quantile(0.99)),
			fmt.Sprintf("%.2f s", model), percent(r.missed, r.pieces))
		half.Points = append(half.Points, plot.Point{X: x, Y: r.half.quantile(0.5).Seconds()})
		all.Points = append(all.Points, plot.Point{X: x, Y: r.all.quantile(0.5).Seconds()})
		tail.Points = append(tail.Points, plot.Point{X: x, Y: r.all.quantile(0.99).Seconds()})
		fitted.Points = append(fitted.Points, plot.Point{X: x, Y: model})
	}
	return report{[]table{t}, []chart{{"swim-dissemination", plot.Plot{
		Title:  "How long news takes by gossip, by cluster size",
		X:      plot.Axis{Label: "members", Scale: plot.Log},
		Y:      plot.Axis{Label: "seconds", Include: []float64{0}},
		Series: []plot.Series{half, all, tail, fitted},
	}}}}
}
