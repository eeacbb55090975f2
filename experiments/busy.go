package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// busy measures clusters whose members have less and less of a CPU: all in one process, say. All join at once, or all are stopped at
// once. Nothing fails.
type busy struct {
	nodes  int
	shares []float64 // parts of a core for each member
}

func (busy) name() string { return "busy" }

// costs are those of a whole core, as measured on two cores of an AMD EPYC with members that join (internal/crowd).
var costs = sim.CPU{Packet: 15 * time.Microsecond, Message: 1500 * time.Nanosecond, State: 500 * time.Nanosecond}

const (
	busyLimit = 5 * time.Minute  // for all to know all
	stopAt    = 10 * time.Second // of all members at once
	stopFor   = 5 * time.Second
)

// busyRun is what one run is about.
type busyRun struct {
	share   float64
	joining bool // or else stopped
	blind   bool // to lateness, as it was before
}

// strained is the result of one run.
type strained struct {
	settled time.Duration // when all knew all for good; 0: not within busyLimit
	suspect int           // suspicions
	dead    int           // failures declared
	refused uint64        // messages for which a queue had no room
}

func (b busy) measure(r busyRun) strained {
	cfg := sim.Config{N: b.nodes, Seed: 1, CPU: costs.Times(1 / r.share)}
	cfg.Core = sim.LAN()
	if r.blind {
		cfg.Core.LateAfter = 0
	}
	begin := time.Duration(0)
	want, known := b.nodes*(b.nodes-1), 0
	if r.joining {
		cfg.Start, cfg.JoinEvery = sim.Joining, time.Millisecond
	} else {
		begin, known = stopAt+stopFor, want
		cfg.Faults = []sim.Fault{{Kind: sim.Pause, At: stopAt, For: stopFor}}
	}
	var s strained
	var agreed time.Duration
	watch(&cfg, func(node int, at time.Duration, out *swim.Output) {
		for i := range out.Events {
			e := &out.Events[i]
			if number(e.Member.Name) == node || !r.joining && at == 0 {
				continue
			}
			switch e.Kind {
			case swim.EventJoin:
				known++
				agreed = at
			case swim.EventLeave:
				known--
				s.dead++
			case swim.EventSuspect:
				s.suspect++
			}
		}
	})
	result := simulate(cfg, begin+busyLimit, nil)
	if known == want {
		s.settled = max(agreed-begin, time.Millisecond)
	}
	s.refused = result.Refused
	return s
}

func (b busy) run(l *lab) report {
	var runs []busyRun
	for _, joining := range []bool{true, false} {
		for _, share := range b.shares {
			runs = append(runs, busyRun{share, joining, true}, busyRun{share, joining, false})
		}
	}
	results := each(l, "busy members", len(runs), func(i int) strained { return b.measure(runs[i]) })
	join := table{name: "busy-join", head: []string{"members to a core", "without", "suspicions", "failures", "with", "suspicions", "failures"}}
	stop := table{name: "busy-stop", head: join.head}
	for i := 0; i < len(runs); i += 2 {
		cells := []any{fmt.Sprint(int(1/runs[i].share + 0.5))}
		for _, s := range results[i : i+2] {
			settled := "not in 5 min"
			if s.settled > 0 {
				settled = seconds(s.settled)
			}
			cells = append(cells, settled, fmt.Sprint(s.suspect), fmt.Sprint(s.dead), fmt.Sprint(s.refused))
		}
		if runs[i].joining {
			join.row(cells...)
		} else {
			stop.row(cells...)
		}
	}
	return report{[]table{join, stop}, nil}
}
