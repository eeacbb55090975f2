package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
	"github.com/e3431adc/memberlist/internal/sim"
)

// detectorTraffic measures traffic by the profiles: with lost packets, at rest, and while members crash.
type detectorTraffic struct {
	runs   int
	length time.Duration // of each run with loss
}

func (detectorTraffic) name() string { return "detector-traffic" }

// lost is the result of one run with loss.
type lost struct {
	suspicions, refutations, dead   uint64
	packets, bytes, streams, differ float64 // a member and second
}

func (d detectorTraffic) withLoss(p profile, rate float64, seed int) lost {
	cfg := p.lossy(100, seed)
	cfg.Link.Loss = rate
	s := sim.New(cfg)
	if err := s.RunUntil(d.length); err != nil {
		panic(err)
	}
	r := s.Result()
	sum, each := r.Total(), float64(cfg.N)*d.length.Seconds()
	return lost{r.Suspicions, r.Refutations, r.FalsePositives, float64(sum.PacketsOut) / each, float64(sum.BytesOut) / each,
		float64(r.StreamPings) / each, float64(r.Differences)}
}

// lossTable measures false suspicions and traffic by loss.
func (d detectorTraffic) lossTable(l *lab) (table, chart) {
	t := table{name: "detector-loss", head: []string{fmt.Sprintf("100 members, %d runs of %v", d.runs, d.length), "profile", "suspicions (views)",
		"refutations", "declared dead (views)", "packets a member and second", "bytes", "streams of pings"}}
	c := plot.Plot{
		Title: "100 members with loss: what each of them sends",
		X:     plot.Axis{Label: "% of the packets that are lost"},
		Y:     plot.Axis{Label: "packets a second", Include: []float64{0}},
	}
	for _, p := range profiles {
		c.Series = append(c.Series, plot.Series{Name: p.name, Style: plot.LinePoints})
	}
	for _, rate := range []float64{0, 0.01, 0.05, 0.1, 0.2} {
		for i, p := range profiles {
			var sum lost
			for _, r := range each(l, fmt.Sprintf("loss of %v, %s", rate, p.name), d.runs, func(seed int) lost { return d.withLoss(p, rate, seed) }) {
				sum.suspicions, sum.refutations, sum.dead = sum.suspicions+r.suspicions, sum.refutations+r.refutations, sum.dead+r.dead
				sum.packets, sum.bytes, sum.streams = sum.packets+r.packets, sum.bytes+r.bytes, sum.streams+r.streams
			}
			runs := float64(d.runs)
			t.row(fmt.Sprintf("%.0f %% loss", 100*rate), p.name, sum.suspicions, sum.refutations, sum.dead, fmt.Sprintf("%.2f", sum.packets/runs),
				fmt.Sprintf("%.0f", sum.bytes/runs), fmt.Sprintf("%.3f", sum.streams/runs))
			c.Series[i].Points = append(c.Series[i].Points, plot.Point{X: 100 * rate, Y: sum.packets / runs})
		}
	}
	return t, chart{t.name, c}
}

// crashTraffic are the faults after which traffic is measured.
var crashTraffic = []struct {
	name   string
	kind   sim.Kind
	number int
}{{"at rest", 0, 0}, {"a process crashes", sim.Crash, 1}, {"a host crashes", sim.HostCrash, 1}, {"ten processes crash", sim.Crash, 10}}

// sent are packets, bytes in them, bytes of push/pulls, and streams of pings, all a member and second.
type sent struct{ packets, bytes, states, streams float64 }

// inCrash returns what a cluster sends in the time after members crash.
func (p profile) inCrash(kind sim.Kind, victims, seed int) sent {
	const from, length = 60 * time.Second, 16 * time.Second // even: every second probe of a member that has extensions is another one
	cfg := p.lossy(100, seed)
	cfg.Link.Loss = 0
	if victims > 0 {
		cfg.Faults = []sim.Fault{{Kind: kind, At: from, Nodes: upTo(victims)}}
	}
	cfg.Unchecked = true
	s := sim.New(cfg)
	run := func(t time.Duration) *sim.Result {
		if err := s.RunUntil(t); err != nil {
			panic(err)
		}
		return s.Result()
	}
	r0, r1 := run(from), run(from+length)
	before, after := r0.Total(), r1.Total()
	each := float64(cfg.N-victims) * length.Seconds()
	return sent{float64(after.PacketsOut-before.PacketsOut) / each, float64(after.BytesOut-before.BytesOut) / each,
		float64(after.StreamBytesOut-before.StreamBytesOut) / each, float64(r1.StreamPings-r0.StreamPings) / each}
}

func (d detectorTraffic) crashTable(l *lab) table {
	t := table{name: "detector-traffic", head: []string{fmt.Sprintf("100 members, 16 s, %d runs", d.runs), "profile", "packets a member and second", "bytes in packets",
		"bytes of push/pulls", "streams of pings"}}
	for _, c := range crashTraffic {
		for _, p := range profiles {
			var sum sent
			for _, r := range each(l, c.name+", "+p.name, d.runs, func(seed int) sent { return p.inCrash(c.kind, c.number, seed) }) {
				sum.packets, sum.bytes, sum.states, sum.streams = sum.packets+r.packets, sum.bytes+r.bytes, sum.states+r.states, sum.streams+r.streams
			}
			n := float64(d.runs)
			t.row(c.name, p.name, fmt.Sprintf("%.2f", sum.packets/n), fmt.Sprintf("%.0f", sum.bytes/n), fmt.Sprintf("%.0f", sum.states/n),
				fmt.Sprintf("%.3f", sum.streams/n))
		}
	}
	return t
}

func (d detectorTraffic) run(l *lab) report {
	loss, c := d.lossTable(l)
	return report{[]table{loss, d.crashTable(l)}, []chart{c}}
}
