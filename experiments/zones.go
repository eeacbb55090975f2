package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// zoned compares what is sent between zones, and how news spreads, with the same clusters whose members do not know of their zones.
type zoned struct {
	layouts []layout
	divided []int         // numbers of zones into which the members of the first layout are divided for a chart
	calm    time.Duration // in which traffic is measured
	news    int           // changes, one at a time
}

func (zoned) name() string { return "zones" }

func (z zoned) run(l *lab) report {
	news, spread := z.newsTable(l)
	return report{[]table{z.trafficTable(l), news}, []chart{z.trafficChart(l), spread}}
}

// layout is a number of zones with members in each.
type layout struct{ zones, members int }

func (l layout) String() string { return fmt.Sprintf("%d zones of %d", l.zones, l.members) }

func (l layout) n() int { return l.zones * l.members }

// nodes returns the nodes of a zone, counted from 0. Consecutive nodes are in different zones.
func (l layout) nodes(zone int) (nodes []int) {
	for i := zone; i < l.n(); i += l.zones {
		nodes = append(nodes, i)
	}
	return nodes
}

// relays returns the relays of a zone.
func (l layout) relays(zone int) (nodes []int) {
	var names []string
	for _, i := range l.nodes(zone) {
		names = append(names, fmt.Sprint("n", i))
	}
	for _, name := range swim.Relays(names, swim.DefaultZoneRelays) {
		nodes = append(nodes, number(name))
	}
	return nodes
}

// zoneUse is who knows of the zones.
type zoneUse struct {
	name   string
	unused bool // nobody
	half   bool // of the members of each zone are as those of the reference
}

var zoneUses = []zoneUse{{name: "without", unused: true}, {name: "with zones"},
	{name: "half as the reference, without", unused: true, half: true}, {name: "half as the reference, others with zones", half: true}}

// cluster returns a cluster: packets take 1 ms within a zone, 20 ms between two.
func (u zoneUse) cluster(l layout, seed int) sim.Config {
	cfg := sim.Config{N: l.n(), Seed: uint64(seed), Core: sim.LAN(), ZonesUnused: u.unused,
		Link:   sim.Link{Latency: sim.Latency{Kind: sim.Constant, Min: time.Millisecond}},
		Across: sim.Across{Latency: 19 * time.Millisecond}}
	for i := range cfg.N {
		cfg.Zones = append(cfg.Zones, 1+i%l.zones)
		if u.half && i/l.zones%2 == 1 {
			cfg.Plain = append(cfg.Plain, i)
		}
	}
	return cfg
}

// zonesFrom is the time of the first event: round trips have been measured by then.
const zonesFrom = 20 * time.Second

// crossing is the bytes between zones per second.
type crossing struct{ packets, streams float64 }

func (c crossing) sum() float64 { return c.packets + c.streams }

// traffic measures what crosses at rest and, if busy, with a change of metadata each second.
func (z zoned) traffic(u zoneUse, l layout, busy bool) crossing {
	cfg := u.cluster(l, 1)
	for i := range int(z.calm / time.Second) {
		if busy {
			cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Meta, At: zonesFrom + time.Duration(i)*time.Second, Nodes: []int{i * 7 % l.n()}})
		}
	}
	cfg.Unchecked = true
	s := sim.New(cfg)
	sent := func(until time.Duration) sim.NodeCounts {
		if err := s.RunUntil(until - time.Nanosecond); err != nil {
			panic(err)
		}
		return s.Result().Total()
	}
	before, after := sent(zonesFrom), sent(zonesFrom+z.calm)
	return crossing{float64(after.BytesAcross-before.BytesAcross) / z.calm.Seconds(),
		float64(after.StreamBytesAcross-before.StreamBytesAcross) / z.calm.Seconds()}
}

// trafficTable has what crosses.
func (z zoned) trafficTable(l *lab) table {
	t := table{name: "zones-traffic", head: []string{"bytes between zones, of all members, a second", "", "at rest", "of those without",
		"a change a second", "of those without"}}
	type row struct{ rest, busy crossing }
	rows := each(l, "traffic", len(z.layouts)*len(zoneUses), func(i int) row {
		u, of := zoneUses[i%len(zoneUses)], z.layouts[i/len(zoneUses)]
		return row{z.traffic(u, of, false), z.traffic(u, of, true)}
	})
	for i, r := range rows {
		without := rows[i-i%2]
		t.row(z.layouts[i/len(zoneUses)], zoneUses[i%len(zoneUses)].name, fmt.Sprintf("%.0f", r.rest.sum()), ratio(r.rest.sum(), without.rest.sum()),
			fmt.Sprintf("%.0f", r.busy.sum()), ratio(r.busy.sum(), without.busy.sum()))
	}
	return t
}

// ratio prints a as a part of b.
func ratio(a, b float64) string { return fmt.Sprintf("%.3f", a/b) }

// trafficChart draws what crosses by the number of zones.
func (z zoned) trafficChart(l *lab) chart {
	c := plot.Plot{
		Title: fmt.Sprintf("%d members: bytes between zones at rest", z.layouts[0].n()),
		X:     plot.Axis{Label: "zones", Include: []float64{0}},
		Y:     plot.Axis{Label: "bytes a second and member", Include: []float64{0}},
	}
	for _, u := range zoneUses[:2] {
		s := plot.Series{Name: u.name}
		for i, p := range each(l, "zones, "+u.name, len(z.divided), func(i int) crossing {
			return z.traffic(u, layout{z.divided[i], z.layouts[0].n() / z.divided[i]}, false)
		}) {
			s.Points = append(s.Points, plot.Point{X: float64(z.divided[i]), Y: p.sum() / float64(z.layouts[0].n())})
		}
		c.Series = append(c.Series, s)
	}
	return chart{"zones-traffic", c}
}

// newsTimes returns the times until all know a change, of changes that are made one at a time.
func (z zoned) newsTimes(u zoneUse, l layout) durations {
	const every = 5 * time.Second
	cfg := u.cluster(l, 2)
	known := make(map[int]int)
	times := make([]time.Duration, z.news)
	at := func(i int) time.Duration { return zonesFrom + time.Duration(i)*every }
	member := func(i int) int { return i * 7 % l.n() }
	changes := make(map[int]int)
	for i := range z.news {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Meta, At: at(i), Nodes: []int{member(i)}})
		changes[member(i)] = i
	}
	cfg.Observe = func(b sim.Belief) {
		i, changed := changes[b.Member]
		if changed && b.Meta > 0 && b.At >= at(i) {
			if known[i]++; known[i] == l.n() {
				times[i] = b.At - at(i)
			}
		}
	}
	simulate(cfg, at(z.news)+30*time.Second, nil)
	return sorted(times)
}

// newsTable measures how fast news spreads.
func (z zoned) newsTable(l *lab) (table, chart) {
	t := table{name: "zones-news", head: []string{fmt.Sprintf("until all know a change of metadata; %d changes", z.news), "", "mean", "of those without",
		"p50", "p99", "max"}}
	c := plot.Plot{
		Title: "A change of metadata is known to all",
		X:     plot.Axis{Label: "seconds after the change", Include: []float64{0}},
		Y:     plot.Axis{Label: "% of the changes", Include: []float64{0, 100}},
	}
	rows := each(l, "news", len(z.layouts)*len(zoneUses), func(i int) durations {
		return z.newsTimes(zoneUses[i%len(zoneUses)], z.layouts[i/len(zoneUses)])
	})
	for i, d := range rows {
		of, u, without := z.layouts[i/len(zoneUses)], zoneUses[i%len(zoneUses)], rows[i-i%2]
		t.row(of, u.name, seconds(meanOf(d)), ratio(meanOf(d).Seconds(), meanOf(without).Seconds()), seconds(d.quantile(0.5)), seconds(d.quantile(0.99)),
			seconds(d.quantile(1)))
		if !u.half {
			c.Series = append(c.Series, cumulative(fmt.Sprintf("%v, %s", of, u.name), d))
		}
	}
	return t, chart{"zones-news", c}
}
