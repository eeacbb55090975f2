package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// zoneCrashes compares crashes in clusters in zones.
type zoneCrashes struct {
	layouts []layout
	runs    int // for each row
	wholes  int // for each row about all members of a zone
}

func (zoneCrashes) name() string { return "zone-crashes" }

func (z zoneCrashes) run(l *lab) report {
	crashes, deaths := z.crashTable(l)
	return report{[]table{crashes}, []chart{deaths}}
}

// losing is members that fail at once, and how.
type losing struct {
	name  string
	kind  sim.Kind
	whole bool // a zone
}

var losings = []losing{
	{"a process", sim.Crash, false}, {"a host", sim.HostCrash, false},
	{"all processes of a zone", sim.Crash, true}, {"all hosts of a zone", sim.HostCrash, true},
}

// zoneVictims is the number of members that fail in a run, one a second.
const zoneVictims = 8

// deathTimes returns the times until all others know of each of the members that fail: some, one a second, or a zone at once.
func (f losing) deathTimes(u zoneUse, l layout, seed int) (times []time.Duration) {
	cfg := u.cluster(l, seed)
	from, left := make(map[int]time.Duration), 0
	fail := func(at time.Duration, nodes ...int) {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: f.kind, At: at, Nodes: nodes})
		for _, i := range nodes {
			from[i] = at
			left++
		}
	}
	if f.whole {
		fail(zonesFrom+time.Duration(seed*370)*time.Millisecond, l.nodes(seed%l.zones)...)
	} else {
		for i := range zoneVictims {
			fail(zonesFrom+time.Duration(i)*1010*time.Millisecond, (seed*31+i*7)%l.n())
		}
	}
	const limit = 3 * time.Minute
	known, survivors := make(map[int]int), l.n()-len(from)
	cfg.Observe = func(b sim.Belief) {
		at, failed := from[b.Member]
		if _, alsoFailed := from[b.Node]; !failed || alsoFailed || !b.State.IsDown() || b.At < at {
			return
		}
		if known[b.Member]++; known[b.Member] == survivors {
			times = append(times, b.At-at)
			left--
		}
	}
	simulate(cfg, zonesFrom+limit, func() bool { return left == 0 })
	for range left {
		times = append(times, limit)
	}
	return times
}

// crashTable measures how soon failures are known.
func (z zoneCrashes) crashTable(l *lab) (table, chart) {
	t := table{name: "zones-crash", head: []string{"until all others know of", "in", "", "mean", "of those without", "p50", "p99", "max"}}
	c := plot.Plot{
		Title: z.layouts[0].String() + ": a crash is known to all others",
		X:     plot.Axis{Label: "seconds after the crash", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of the crashes", Include: []float64{0, 100}},
	}
	for _, f := range losings {
		for _, of := range z.layouts {
			runs, uses := z.runs, zoneUses
			if f.whole {
				runs, uses = z.wholes, zoneUses[:2]
			}
			var without time.Duration
			for _, u := range uses {
				var all []time.Duration
				for _, times := range each(l, fmt.Sprintf("%s, %v, %s", f.name, of, u.name), runs, func(seed int) []time.Duration {
					return f.deathTimes(u, of, seed)
				}) {
					all = append(all, times...)
				}
				d := sorted(all)
				if u.unused {
					without = meanOf(d)
				}
				t.row(f.name, of, u.name, seconds(meanOf(d)), ratio(meanOf(d).Seconds(), without.Seconds()), seconds(d.quantile(0.5)), seconds(d.quantile(0.99)),
					seconds(d.quantile(1)))
				if of == z.layouts[0] && f.kind == sim.Crash && !u.half {
					c.Series = append(c.Series, cumulative(f.name+", "+u.name, d))
				}
			}
		}
	}
	return t, chart{"zones-crash", c}
}

// zoneLoss compares what loss between zones does.
type zoneLoss struct {
	layouts []layout
	loss    time.Duration
}

func (zoneLoss) name() string { return "zone-loss" }

func (z zoneLoss) run(l *lab) report { return report{tables: []table{z.lossTable(l)}} }

// lossTable measures what loss between zones does to healthy members.
func (z zoneLoss) lossTable(l *lab) table {
	t := table{name: "zones-loss", head: []string{fmt.Sprintf("%v with loss between zones", z.loss), "", "", "suspicions (views)", "declared dead (views)",
		"members declared dead"}}
	rates := []float64{0.05, 0.1, 0.2, 0.3}
	for _, of := range z.layouts {
		results := each(l, fmt.Sprintf("loss, %v", of), len(rates)*2, func(i int) *sim.Result {
			cfg := zoneUses[i%2].cluster(of, 3)
			cfg.Across.Loss = rates[i/2]
			s := sim.New(cfg)
			if err := s.RunUntil(z.loss); err != nil {
				panic(err)
			}
			return s.Result()
		})
		for i, r := range results {
			t.row(fmt.Sprintf("%.0f %% loss", 100*rates[i/2]), of, zoneUses[i%2].name, r.Suspicions, r.FalsePositives, r.FalseDeaths)
		}
	}
	return t
}

// zoneBursts compares bursts of news.
type zoneBursts struct {
	layouts []layout
	runs    int // for each row
}

func (zoneBursts) name() string { return "zone-bursts" }

func (z zoneBursts) run(l *lab) report { return report{tables: []table{z.burstTable(l)}} }

// burst returns the time until all know of changes that a third of a zone's members make at once. With crash its relays end 0.3 s later.
func (z zoneBursts) burst(u zoneUse, l layout, seed int, crash bool) time.Duration {
	cfg := u.cluster(l, seed)
	zone := seed % l.zones
	relays := l.relays(zone)
	isRelay := map[int]bool{relays[0]: true, relays[1]: true}
	changed := make(map[int]int)
	var makers []int
	for _, i := range l.nodes(zone) {
		if len(makers) < l.members/3 && !isRelay[i] {
			makers = append(makers, i)
			changed[i] = 0
		}
	}
	cfg.Faults = []sim.Fault{{Kind: sim.Meta, At: zonesFrom, Nodes: makers}}
	others := l.n()
	if crash {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.HostCrash, At: zonesFrom + 300*time.Millisecond, Nodes: relays})
		others -= len(relays)
	}
	left, last := len(makers), time.Duration(0)
	cfg.Observe = func(b sim.Belief) {
		if _, is := changed[b.Member]; !is || b.Meta == 0 || b.At < zonesFrom || isRelay[b.Node] && crash {
			return
		}
		if changed[b.Member]++; changed[b.Member] == others {
			left--
			last = b.At - zonesFrom
		}
	}
	simulate(cfg, zonesFrom+2*time.Minute, func() bool { return left == 0 })
	if left > 0 {
		return 2 * time.Minute
	}
	return last
}

// burstTable measures bursts of news, without and with the end of the relays that spread them.
func (z zoneBursts) burstTable(l *lab) table {
	t := table{name: "zones-burst", head: []string{"a third of a zone changes its metadata at once", "", "", "all know all, mean", "p50", "max"}}
	for _, of := range z.layouts {
		for _, crash := range []bool{false, true} {
			what := "no failure"
			if crash {
				what = "both relays of the zone end after 0.3 s"
			}
			for _, u := range zoneUses[:2] {
				d := sorted(each(l, fmt.Sprintf("burst, %v, %s", of, what), z.runs, func(seed int) time.Duration { return z.burst(u, of, seed, crash) }))
				t.row(what, of, u.name, seconds(meanOf(d)), seconds(d.quantile(0.5)), seconds(d.quantile(1)))
			}
		}
	}
	return t
}

// zoneCut is a zone that is cut off from the others for a long time.
type zoneCut struct {
	of  layout
	cut time.Duration
}

func (zoneCut) name() string { return "zone-cut" }

// heals returns the number of members that counted as isolated, and the time from the end of the partition until nobody took another for
// dead.
func (z zoneCut) heals(u zoneUse) (isolated int, took time.Duration) {
	cfg := u.cluster(z.of, 4)
	end := zonesFrom + z.cut
	cfg.Faults = []sim.Fault{{Kind: sim.Partition, At: zonesFrom, For: z.cut, Nodes: z.of.nodes(0)}}
	unseen := make(map[[2]int]bool)
	cfg.Observe = func(b sim.Belief) {
		if pair := [2]int{b.Node, b.Member}; b.State.IsDown() {
			unseen[pair] = true
		} else if unseen[pair] {
			if delete(unseen, pair); len(unseen) == 0 {
				took = b.At - end
			}
		}
	}
	watch(&cfg, func(_ int, _ time.Duration, out *swim.Output) {
		for i := range out.Events {
			if out.Events[i].Kind == swim.EventIsolated {
				isolated++
			}
		}
	})
	cfg.Unchecked = true
	s := sim.New(cfg)
	for s.Now() < end || len(unseen) > 0 && s.Now() < end+time.Hour {
		if err := s.RunUntil(s.Now() + time.Second); err != nil {
			panic(err)
		}
	}
	return isolated, took
}

func (z zoneCut) run(l *lab) report {
	t := table{name: "zones-cut", head: []string{fmt.Sprintf("one of %v is cut off for %v", z.of, z.cut), "members that count as isolated", "until all see all again"}}
	type outcome struct {
		isolated int
		took     time.Duration
	}
	for i, r := range each(l, "zone cut off", 2, func(i int) outcome {
		isolated, took := z.heals(zoneUses[i])
		return outcome{isolated, took}
	}) {
		t.row(zoneUses[i].name, r.isolated, seconds(r.took))
	}
	return report{tables: []table{t}}
}
