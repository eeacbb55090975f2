package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

const leaveAgents = 9

// leaves are the results of the experiment leave. An observation is of one leave by one of the other agents.
type leaves struct {
	rounds       int
	observations int
	failedFirst  int             // observations that began with a failure
	unheard      int             // observations without a leave
	unfinished   int             // leaves that Serf gave up after its three seconds
	known        []time.Duration // of each leave, until the last observer knew
}

// leave lets one agent after the other leave and rejoin.
func leave(ctx context.Context, b bench) ([]figure, error) {
	var l leaves
	c, err := newCluster(ctx, b, leaveAgents)
	defer c.close()
	for round := 0; err == nil && round < b.rounds; round++ {
		err = l.round(ctx, c, round%leaveAgents)
	}
	return l.figures(), err
}

// round lets an agent leave, waits until the others know, and starts it again, to rejoin by its snapshot.
func (l *leaves) round(ctx context.Context, c *cluster, i int) error {
	leaving := c.agents[i]
	others := c.others(leaving)
	began := time.Now()
	if err := leaving.interrupt(); err != nil {
		return leaving.failure(err)
	}
	// An observer that has not heard in time is counted below.
	_ = poll(ctx, patience, func() error {
		for _, other := range others {
			if !knowsLeave(other.log.since(leaving.name, began)) {
				return fmt.Errorf("%s has not heard that %s left", other.name, leaving.name)
			}
		}
		return nil
	})
	err := leaving.wait(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		l.unfinished++
	} else if err != nil {
		return leaving.failure(err)
	}

	reports := make([][]event, 0, len(others))
	for _, other := range others {
		reports = append(reports, other.log.since(leaving.name, began))
	}
	l.add(began, reports)
	if err := c.replace(ctx, i, leaving.ports); err != nil {
		return err
	}
	return c.agree(ctx)
}

func knowsLeave(report []event) bool {
	_, ok := firstOf(report, left)
	return ok
}

// firstOf returns the first event of a kind.
func firstOf(report []event, k kind) (event, bool) {
	for _, e := range report {
		if e.kind == k {
			return e, true
		}
	}
	return event{}, false
}

// add adds a leave: what each observer reported of it.
func (l *leaves) add(began time.Time, reports [][]event) {
	l.rounds++
	var last time.Time
	unheard := 0
	for _, report := range reports {
		l.observations++
		if len(report) > 0 && report[0].kind == failed {
			l.failedFirst++
		}
		e, ok := firstOf(report, left)
		if !ok {
			unheard++
		} else if e.at.After(last) {
			last = e.at
		}
	}
	l.unheard += unheard
	if unheard == 0 {
		l.known = append(l.known, last.Sub(began))
	}
}

func (l *leaves) figures() []figure {
	return []figure{
		{"leaves", fmt.Sprint(l.rounds)},
		{"observations", fmt.Sprint(l.observations)},
		{"first reported as failed", share(l.failedFirst, l.observations)},
		{"never reported as left", share(l.unheard, l.observations)},
		{"given up by the leaving agent", share(l.unfinished, l.rounds)},
		{"known to all, p50", milliseconds(percentile(l.known, 50))},
		{"known to all, p99", milliseconds(percentile(l.known, 99))},
	}
}
