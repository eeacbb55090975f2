package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// lifeguard counts false positives while some members are slow: each blocks for some time, repeatedly (Lifeguard
// section V).
type lifeguard struct {
	nodes  int
	slow   []int         // numbers of slow members
	cycles []cycle       // their cycles
	cost   time.Duration // time that a slow member takes for each packet
	seeds  int           // for each combination
	length time.Duration
}

// cycle is the alternation of a slow member.
type cycle struct{ blocked, open time.Duration }

// fullLifeguard is the paper's experiment with some of its cycles: those of a coarser grid that produce any false
// positives.
var fullLifeguard = lifeguard{
	nodes: 128,
	slow:  []int{1, 4, 8, 12, 16, 20, 24, 28, 32},
	cycles: []cycle{
		{512 * time.Millisecond, time.Millisecond},
		{2048 * time.Millisecond, time.Millisecond},
		{8192 * time.Millisecond, time.Millisecond},
		{8192 * time.Millisecond, 16 * time.Millisecond},
		{16384 * time.Millisecond, time.Millisecond},
		{16384 * time.Millisecond, 16 * time.Millisecond},
		{16384 * time.Millisecond, 256 * time.Millisecond},
		{32768 * time.Millisecond, time.Millisecond},
		{32768 * time.Millisecond, 16 * time.Millisecond},
		{32768 * time.Millisecond, 256 * time.Millisecond},
	},
	cost:   200 * time.Microsecond,
	seeds:  1,
	length: 2 * time.Minute,
}

// quickLifeguard is a small version.
var quickLifeguard = lifeguard{
	nodes:  40,
	slow:   []int{8},
	cycles: []cycle{{2048 * time.Millisecond, time.Millisecond}, {16384 * time.Millisecond, 16 * time.Millisecond}},
	cost:   200 * time.Microsecond,
	seeds:  1,
	length: 2 * time.Minute,
}

// variant is SWIM with some of the parts of Lifeguard.
type variant struct {
	name                    string
	probe, suspicion, buddy bool
}

var variants = []variant{
	{"SWIM", false, false, false},
	{"LHA-Probe", true, false, false},
	{"LHA-Suspicion", false, true, false},
	{"Buddy System", false, false, true},
	{"Lifeguard", true, true, true},
}

// core returns the variant's configuration, as in the paper: alpha 5 and beta 6, without reconnects and lateness.
func (v variant) core() swim.Config {
	core := papers()
	core.SuspicionMult, core.SuspicionMaxTimeoutMult, core.ReconnectInterval = 5, 6, 0
	core.LateAfter = 0
	if !v.probe {
		core.AwarenessMaxMultiplier = 1
	}
	if !v.suspicion {
		core.SuspicionMaxTimeoutMult = 1
	}
	return core
}

// withoutBuddy removes the suspect messages from pings to suspect members.
func withoutBuddy(out *swim.Output) {
	for i := range out.Packets {
		if p := &out.Packets[i]; p.Ping != 0 && len(p.Messages) == 2 && wire.Type(p.Messages[1][0]) == wire.TypeSuspect {
			p.Messages = p.Messages[:1]
		}
	}
}

// positives are false positives, that is members declared dead that were never slow: at all members, and at those
// never slow.
type positives struct{ all, healthy int }

// count runs one cluster in which the first members are slow.
func (l lifeguard) count(v variant, core swim.Config, slow int, c cycle, seed uint64) positives {
	const quiet = 10 * time.Second
	cfg := sim.Config{Seed: seed, N: l.nodes, Core: core,
		Faults: []sim.Fault{{Kind: sim.Slow, Nodes: upTo(slow), Delay: l.cost}}}
	for at := quiet; at < quiet+l.length; at += c.blocked + c.open {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Block, At: at, For: c.blocked, Nodes: upTo(slow)})
	}
	var p positives
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		if !v.buddy {
			withoutBuddy(out)
		}
		for i := range out.Events {
			ev := &out.Events[i]
			if ev.Kind == swim.EventLeave && number(ev.Member.Name) >= slow {
				p.all++
				if node >= slow {
					p.healthy++
				}
			}
		}
	})
	simulate(cfg, quiet+l.length, nil)
	return p
}

func (lifeguard) name() string { return "lifeguard" }

// measure returns false positives by variant, number of slow members and cycle.
func (l lifeguard) measure(lab *lab) [][][]positives {
	runs := len(variants) * len(l.slow) * len(l.cycles) * l.seeds
	counts := each(lab, "lifeguard", runs, func(i int) positives {
		v, s, c := l.index(i)
		return l.count(variants[v], variants[v].core(), l.slow[s], l.cycles[c], uint64(i%l.seeds))
	})
	results := make([][][]positives, len(variants))
	for v := range results {
		results[v] = make([][]positives, len(l.slow))
		for s := range results[v] {
			results[v][s] = make([]positives, len(l.cycles))
		}
	}
	for i, p := range counts {
		v, s, c := l.index(i)
		results[v][s][c].add(p)
	}
	return results
}

// index returns the variant, number of slow members and cycle of a run.
func (l lifeguard) index(run int) (v, s, c int) {
	run /= l.seeds
	c, run = run%len(l.cycles), run/len(l.cycles)
	return run / len(l.slow), run % len(l.slow), c
}

// String returns the number at all members, and in brackets that at healthy ones.
func (p positives) String() string { return fmt.Sprintf("%d (%d)", p.all, p.healthy) }

func (p *positives) add(o positives) {
	p.all += o.all
	p.healthy += o.healthy
}

// total sums the counts whose indexes of slow members and cycle are wanted.
func total(of [][]positives, wanted func(s, c int) bool) positives {
	var sum positives
	for s := range of {
		for c := range of[s] {
			if wanted(s, c) {
				sum.add(of[s][c])
			}
		}
	}
	return sum
}

// published are the paper's results, in percent of SWIM (Lifeguard section V).
var published = []struct{ all, healthy string }{{"100", "100"}, {"67.7 %", "32.9 %"}, {"3.0 %", "6.7 %"}, {"94.1 %", "44.6 %"}, {"1.5 %", "1.9 %"}}

func (l lifeguard) run(lab *lab) report { return l.report(l.measure(lab)) }

func (l lifeguard) report(results [][][]positives) report {
	sums := table{name: "lifeguard", head: []string{"", "false positives", "of SWIM's", "paper", "at healthy members", "of SWIM's", "paper"}}
	bySlow := table{name: "lifeguard-slow", head: []string{"slow members"}}
	byCycle := table{name: "lifeguard-cycles", head: []string{"blocked, then open"}}
	for _, t := range []*table{&bySlow, &byCycle} {
		for _, v := range variants {
			t.head = append(t.head, v.name)
		}
	}
	swim := total(results[0], func(_, _ int) bool { return true })
	for v := range variants {
		p := total(results[v], func(_, _ int) bool { return true })
		sums.row(variants[v].name, p.all, percent(p.all, swim.all), published[v].all,
			p.healthy, percent(p.healthy, swim.healthy), published[v].healthy)
	}
	// cells returns the counts of each variant, and in brackets those at healthy members.
	cells := func(first any, wanted func(s, c int) bool) []any {
		row := []any{first}
		for v := range variants {
			p := total(results[v], wanted)
			row = append(row, p.String())
		}
		return row
	}
	series := make([]plot.Series, len(variants))
	for s, slow := range l.slow {
		one := func(other, _ int) bool { return other == s }
		bySlow.row(cells(slow, one)...)
		for v := range series {
			series[v].Name, series[v].Style = variants[v].name, plot.LinePoints
			if p := total(results[v], one); p.all > 0 {
				series[v].Points = append(series[v].Points, plot.Point{X: float64(slow), Y: float64(p.all)})
			}
		}
	}
	for c, cycle := range l.cycles {
		byCycle.row(cells(fmt.Sprintf("%v, %v", cycle.blocked, cycle.open), func(_, other int) bool { return other == c })...)
	}
	return report{[]table{sums, bySlow, byCycle}, []chart{{"lifeguard", plot.Plot{
		Title:  fmt.Sprintf("False positives in %d members, by how many are slow", l.nodes),
		Note:   "where there are none, no point is drawn",
		X:      plot.Axis{Label: "slow members", Include: []float64{0}},
		Y:      plot.Axis{Label: "false positives", Scale: plot.Log},
		Series: series,
	}}}}
}
