package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// detector compares what the extensions add to the failure detection, by the profiles.
type detector struct {
	sizes    []sampling
	pauses   int // of each length
	restarts int // of each length
	loss     time.Duration
	rapid    int // members, of which 1 % lose most of their packets
}

// sampling is a size of clusters and the number of crashes measured.
type sampling struct{ n, crashes int }

func (detector) name() string { return "detector" }

// profile is a configuration of the failure detection.
type profile struct {
	name   string
	change func(c *swim.Config)
}

var profiles = []profile{
	{"without extensions", func(c *swim.Config) { *c = papers() }},
	{"default", func(*swim.Config) {}},
	{"default, RefusalGrace none", func(c *swim.Config) { c.Detector.RefusalGrace = 0 }},
	{"DefaultFastLANConfig", func(c *swim.Config) { c.Detector.RefusalGrace, c.Detector.SilenceTimeout = 0, 4*time.Second }},
}

// lossy returns a cluster with LAN defaults, 1 % loss and a latency of 2 ms ± 1 ms, with a profile.
func (p profile) lossy(n, seed int) sim.Config {
	cfg := hundred(seed)
	cfg.N, cfg.Core = n, sim.LAN()
	p.change(&cfg.Core)
	return cfg
}

// detectorFrom is the time of the first fault: round trips have been measured by then.
const detectorFrom = 15 * time.Second

// crashTimes returns the times of some crashes in clusters of a size.
func (p profile) crashTimes(l *lab, kind sim.Kind, s sampling) sized {
	victims := min(max(1, s.n/25), 40)
	r := sized{n: s.n}
	runs := each(l, fmt.Sprintf("%v of %d, %s", kind, s.n, p.name), (s.crashes+victims-1)/victims, func(seed int) []detected {
		return crashesOf(p.lossy(s.n, seed), kind, detectorFrom, victims, 150*time.Second)
	})
	for _, run := range runs {
		r.samples = append(r.samples, run...)
	}
	return r
}

// crashTable measures crashes of processes or of hosts.
func (d detector) crashTable(l *lab, name string, kind sim.Kind) (table, chart) {
	t := table{name: "detector-" + name, head: []string{name + " crashes", "members", "crashes", "suspected p50", "p99",
		"dead everywhere p50", "p90", "p99", "max"}}
	c := plot.Plot{
		Title: "100 members, 1 % loss: the crash of a " + name + " is known everywhere",
		X:     plot.Axis{Label: "seconds after the crash", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of the crashes", Include: []float64{0, 100}},
	}
	for _, p := range profiles {
		for _, s := range d.sizes {
			r := p.crashTimes(l, kind, s)
			suspect := sorted(r.times(func(d *detected) time.Duration { return d.suspect }))
			all := sorted(r.times(func(d *detected) time.Duration { return d.all }))
			t.row(p.name, s.n, len(r.samples), seconds(suspect.quantile(0.5)), seconds(suspect.quantile(0.99)),
				seconds(all.quantile(0.5)), seconds(all.quantile(0.9)), seconds(all.quantile(0.99)), seconds(all.quantile(1)))
			if s.n == 100 {
				c.Series = append(c.Series, cumulative(p.name, all))
			}
		}
	}
	return t, chart{"detector-" + name, c}
}

// outages are the faults that end by themselves.
var outages = []struct {
	name    string
	kind    sim.Kind
	lengths []time.Duration
}{
	{"pause of a process", sim.Pause, []time.Duration{3 * time.Second, 8 * time.Second, 10 * time.Second}},
	{"pause of a host", sim.HostPause, []time.Duration{3 * time.Second, 5 * time.Second, 8 * time.Second, 10 * time.Second}},
	{"restart of a process", sim.Crash, []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}},
}

// outcome is the number of outages after which the member was suspected, or declared dead, by any other, and the number of other
// members that were declared dead.
type outcome struct{ suspected, dead, others int }

// ends runs a cluster in which members fail for a time, one after the other.
func (p profile) ends(kind sim.Kind, length time.Duration, count, seed int) outcome {
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
	return outcome{len(suspected), len(dead), len(others)}
}

// outageTable measures faults that end by themselves.
func (d detector) outageTable(l *lab) table {
	t := table{name: "detector-outages", head: []string{"100 members, 1 % loss", "outages", "profile", "suspected", "declared dead",
		"others declared dead"}}
	for _, o := range outages {
		count := d.pauses
		if o.kind == sim.Crash {
			count = d.restarts
		}
		for _, length := range o.lengths {
			for _, p := range profiles {
				const atOnce = 10 // in one run
				sum := outcome{}
				for _, r := range each(l, fmt.Sprintf("%s, %v, %s", o.name, length, p.name), max(1, count/atOnce), func(seed int) outcome {
					return p.ends(o.kind, length, min(count, atOnce), seed)
				}) {
					sum.suspected, sum.dead, sum.others = sum.suspected+r.suspected, sum.dead+r.dead, sum.others+r.others
				}
				t.row(fmt.Sprintf("%s for %v", o.name, length), count, p.name, sum.suspected, sum.dead, sum.others)
			}
		}
	}
	return t
}

// lossTable measures false suspicions and traffic by loss.
func (d detector) lossTable(l *lab) table {
	t := table{name: "detector-loss", head: []string{fmt.Sprintf("100 members, %v", d.loss), "profile", "suspicions (views)", "refutations",
		"declared dead (views)", "packets a member and second", "bytes", "streams of pings"}}
	for _, rate := range []float64{0, 0.01, 0.05, 0.1, 0.2} {
		results := each(l, fmt.Sprintf("loss of %v", rate), len(profiles), func(i int) *sim.Result {
			cfg := profiles[i].lossy(100, 1)
			cfg.Link.Loss = rate
			s := sim.New(cfg)
			if err := s.RunUntil(d.loss); err != nil {
				panic(err)
			}
			return s.Result()
		})
		for i, r := range results {
			sum := r.Total()
			each := 100 * d.loss.Seconds()
			t.row(fmt.Sprintf("%.0f %% loss", 100*rate), profiles[i].name, r.Suspicions, r.Refutations, r.FalsePositives,
				fmt.Sprintf("%.2f", float64(sum.PacketsOut)/each), fmt.Sprintf("%.0f", float64(sum.BytesOut)/each),
				fmt.Sprintf("%.3f", float64(r.StreamPings)/each))
		}
	}
	return t
}

// rapidTable measures the deaths of healthy members while 1 % lose 80 % of their packets.
func (d detector) rapidTable(l *lab) table {
	t := table{name: "detector-rapid", head: []string{fmt.Sprintf("%d members, 80 %% loss at 1 %%", d.rapid), "removals of faulty members",
		"healthy members removed, at healthy ones", "at faulty ones"}}
	compared := profiles[:2]
	for i, f := range each(l, "80 % loss", len(compared), func(i int) failing {
		core := sim.LAN()
		compared[i].change(&core)
		return rapidCases[2].fails(d.rapid, 1, core)
	}) {
		t.row(compared[i].name, f.removed, f.wrong, f.wrongFaulty)
	}
	return t
}

func (d detector) run(l *lab) report {
	process, processes := d.crashTable(l, "process", sim.Crash)
	host, hosts := d.crashTable(l, "host", sim.HostCrash)
	return report{[]table{process, host, d.outageTable(l), d.lossTable(l), d.rapidTable(l)}, []chart{processes, hosts}}
}
