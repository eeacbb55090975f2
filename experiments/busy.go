package main

import (
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// busy measures clusters of members that share cores with more and more others, as in one process. All join at once, or all are stopped
// for a while. No member fails.
type busy struct {
	nodes   int
	perCore []int // members that share a core
}

func (busy) name() string { return "busy" }

// costs are about those of a whole core: two cores of an AMD EPYC spend as much on members that join.
var costs = sim.CPU{Packet: 15 * time.Microsecond, Message: 1500 * time.Nanosecond, State: 500 * time.Nanosecond}

const (
	busyLimit = 5 * time.Minute // for all to know all
	stopAt    = 10 * time.Second
	stopFor   = 5 * time.Second
)

// busyRun is one run.
type busyRun struct {
	perCore int
	joins   bool // or else all are stopped
	blind   bool // to lateness
}

// strained is the result of one run.
type strained struct {
	settled  bool          // all knew all at the end
	took     time.Duration // until then, since the first join or the end of the stop
	suspect  int           // suspicions
	failures int           // that members declared
}

func (b busy) measure(r busyRun) strained {
	cfg := sim.Config{N: b.nodes, Seed: 1, Core: sim.LAN(), CPU: costs.Times(float64(r.perCore))}
	if r.blind {
		cfg.Core.LateAfter = 0
	}
	since, want, known := time.Duration(0), b.nodes*(b.nodes-1), 0
	if r.joins {
		cfg.Start, cfg.JoinEvery = sim.Joining, time.Millisecond
	} else {
		since = stopAt + stopFor
		cfg.Faults = []sim.Fault{{Kind: sim.Pause, At: stopAt, For: stopFor}}
	}
	var s strained
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Events {
			e := &out.Events[i]
			if number(e.Member.Name) == node {
				continue
			}
			switch e.Kind {
			case swim.EventJoin:
				known++
				s.took = max(at-since, 0)
			case swim.EventLeave:
				known--
				s.failures++
			case swim.EventSuspect:
				s.suspect++
			}
		}
	})
	simulate(cfg, since+busyLimit, nil)
	s.settled = known == want
	return s
}

func (b busy) run(l *lab) report {
	var runs []busyRun
	for _, joins := range []bool{true, false} {
		for _, n := range b.perCore {
			runs = append(runs, busyRun{n, joins, true}, busyRun{n, joins, false})
		}
	}
	results := each(l, "busy members", len(runs), func(i int) strained { return b.measure(runs[i]) })
	head := []string{"members to a core", "all know all after", "suspicions", "failures", "with lateness", "suspicions", "failures"}
	join, stop := table{name: "busy-join", head: head}, table{name: "busy-stop", head: head}
	for i := 0; i < len(runs); i += 2 {
		row := []any{runs[i].perCore}
		for _, s := range results[i : i+2] {
			took := "not in 5 min"
			if s.settled {
				took = seconds(s.took)
			}
			row = append(row, took, s.suspect, s.failures)
		}
		if runs[i].joins {
			join.row(row...)
		} else {
			stop.row(row...)
		}
	}
	return report{[]table{join, stop}, nil}
}
