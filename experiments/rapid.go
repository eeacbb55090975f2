package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// rapid is a large cluster in which 1 % fails in the ways of Rapid's paper.
type rapid struct{ nodes int }

func (rapid) name() string { return "rapid" }

// rapidCase is a kind of failure.
type rapidCase struct {
	name, chart string
	until       time.Duration
	faults      func(faulty []int) []sim.Fault
}

// rapidFrom is the start of the failure.
const rapidFrom = 10 * time.Second

var rapidCases = []rapidCase{
	{"concurrent crashes", "rapid-crash", 60 * time.Second, func(faulty []int) []sim.Fault {
		return []sim.Fault{{Kind: sim.Crash, At: rapidFrom, Nodes: faulty}}
	}},
	{"one-way flip-flop", "rapid-flipflop", 250 * time.Second, func(faulty []int) []sim.Fault {
		const cut = 20 * time.Second
		var faults []sim.Fault
		for at := rapidFrom; at < 210*time.Second; at += 2 * cut {
			faults = append(faults, sim.Fault{Kind: sim.Cut, At: at, For: cut, To: faulty})
		}
		return faults
	}},
	{"80 % loss", "rapid-loss", 250 * time.Second, func(faulty []int) []sim.Fault {
		return []sim.Fault{{Kind: sim.Loss, At: rapidFrom, For: 200 * time.Second, Nodes: faulty, Rate: 0.8}}
	}},
}

// plot returns the empty chart of the sizes of views.
func (c rapidCase) plot(nodes int) plot.Plot {
	faulty := max(1, nodes/100)
	return plot.Plot{
		Title: fmt.Sprintf("%d members, %d of them faulty: %s", nodes, faulty, c.name),
		X:     plot.Axis{Label: "seconds since it began"},
		Y:     plot.Axis{Label: "members that a healthy member believes in", Include: []float64{float64(nodes - faulty), float64(nodes)}},
	}
}

// sizes are the sizes of the healthy members' views at one time.
type sizes struct {
	at                  time.Duration
	least, most, median int
}

// failing is the result of one case.
type failing struct {
	over              []sizes
	distinct          int           // different sizes of views of healthy members
	first, last       time.Duration // time since the start at which a healthy member declared a faulty one dead
	removed, returned int           // of faulty members, summed over healthy ones
	wrong             int           // healthy members declared dead, summed over healthy ones
	wrongFaulty       int           // and over faulty ones
}

// fails runs one of the cases.
func (c rapidCase) fails(n int, seed uint64, core swim.Config) failing {
	faulty := upTo(max(1, n/100))
	cfg := sim.Config{N: n, Seed: seed, Core: core, Faults: c.faults(faulty)}
	believed := make([]int, n)
	for i := range believed {
		believed[i] = n
	}
	var f failing
	seen := make(map[int]bool)
	next := time.Duration(0)
	sample := func() {
		healthy := slices.Sorted(slices.Values(believed[len(faulty):]))
		f.over = append(f.over, sizes{next, healthy[0], healthy[len(healthy)-1], healthy[len(healthy)/2]})
		next += time.Second
	}
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for ; next < at; sample() { // until now
		}
		for i := range out.Events {
			ev := &out.Events[i]
			id := number(ev.Member.Name)
			if at == 0 || id == node || ev.Kind != swim.EventJoin && ev.Kind != swim.EventLeave {
				continue
			}
			healthy, about := node >= len(faulty), id < len(faulty)
			switch {
			case ev.Kind == swim.EventJoin:
				believed[node]++
				if healthy && about {
					f.returned++
				}
			default:
				believed[node]--
				switch {
				case healthy && about:
					f.removed++
					if f.first == 0 {
						f.first = at - rapidFrom
					}
					f.last = at - rapidFrom
				case healthy:
					f.wrong++
				case !about:
					f.wrongFaulty++
				}
			}
			if healthy {
				seen[believed[node]] = true
			}
		}
	})
	simulate(cfg, c.until, nil)
	sample()
	f.distinct = len(seen)
	return f
}

func (r rapid) measure(l *lab) []failing {
	return each(l, fmt.Sprintf("1 %% of %d failing", r.nodes), len(rapidCases), func(i int) failing {
		return rapidCases[i].fails(r.nodes, 1, papers())
	})
}

// pairs returns the number of pairs of a faulty member and a healthy one.
func (r rapid) pairs() int {
	faulty := max(1, r.nodes/100)
	return faulty * (r.nodes - faulty)
}

// rapidHead are the columns of a result.
var rapidHead = []string{"first removal", "last removal", "removals of faulty members", "returns of them",
	"healthy members removed, at healthy ones", "at faulty ones", "distinct sizes seen"}

// cells returns the columns of a result.
func (f *failing) cells(pairs int) []any {
	aPair := func(n int) string { return fmt.Sprintf("%.2f a pair", float64(n)/float64(pairs)) }
	return []any{when(f.first), when(f.last), aPair(f.removed), aPair(f.returned), f.wrong, f.wrongFaulty, f.distinct}
}

// series returns one of the sizes over time.
func (f *failing) series(name string, of func(sizes) int) plot.Series {
	s := plot.Series{Name: name, Style: plot.Steps}
	for _, at := range f.over {
		s.Points = append(s.Points, plot.Point{X: (at.at - rapidFrom).Seconds(), Y: float64(of(at))})
	}
	return s
}

func (r rapid) run(l *lab) report {
	t := table{name: "rapid", head: append([]string{fmt.Sprintf("%d members, %d faulty", r.nodes, max(1, r.nodes/100))}, rapidHead...)}
	var rep report
	for i, f := range r.measure(l) {
		c := rapidCases[i]
		t.row(append([]any{c.name}, f.cells(r.pairs())...)...)
		p := c.plot(r.nodes)
		p.Series = []plot.Series{f.series("least", func(s sizes) int { return s.least }), f.series("median", func(s sizes) int { return s.median }),
			f.series("most", func(s sizes) int { return s.most })}
		rep.charts = append(rep.charts, chart{c.chart, p})
	}
	rep.tables = []table{t}
	return rep
}

// when formats a time in seconds, if there is one.
func when(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return seconds(d)
}
