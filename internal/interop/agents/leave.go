package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

const leaveAgents = 9

// leaves are the results of the experiment leave. In an observation, one of the other agents observes one leave.
type leaves struct {
	rounds       int
	observations int
	failedFirst  int             // observations that began with a failure
	failedLast   int             // observations without a leave when the process had ended
	unseen       int             // observations without any report
	unfinished   int             // leaves that Serf abandoned after its three seconds
	gone         []time.Duration // of each leave, until all agents had reported the leaving one as left or failed
}

// leave makes one agent after the other leave and rejoin.
func leave(ctx context.Context, b bench) ([]figure, error) {
	var l leaves
	c, err := newCluster(ctx, b, leaveAgents, "-rejoin", "-snapshot=snapshot")
	defer c.close()
	for round := 0; err == nil && round < b.rounds; round++ {
		err = l.round(ctx, c, round%leaveAgents)
	}
	return l.figures(), err
}

// round makes an agent leave, waits until the others have reported it and its process has ended, and starts it again,
// so that it rejoins by its snapshot.
func (l *leaves) round(ctx context.Context, c *cluster, i int) error {
	leaving := c.agents[i]
	others := c.others(leaving)
	began := time.Now()
	if err := leaving.interrupt(); err != nil {
		return leaving.failure(err)
	}
	// Observers that have reported nothing in time are counted below.
	_ = poll(ctx, patience, func() error {
		for _, other := range others {
			if len(other.log.since(leaving.name, began)) == 0 {
				return fmt.Errorf("%s has not reported %s", other.name, leaving.name)
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
	if err := c.restart(ctx, i, leaving.ports); err != nil {
		return err
	}
	return c.agree(ctx)
}

// add adds a leave: the reports of each observer.
func (l *leaves) add(began time.Time, reports [][]event) {
	l.rounds++
	l.observations += len(reports)
	var last time.Time
	unseen := 0
	for _, report := range reports {
		if len(report) == 0 {
			unseen++
			continue
		}
		if report[0].at.After(last) {
			last = report[0].at
		}
		if report[0].kind == failed {
			l.failedFirst++
		}
		if report[len(report)-1].kind == failed {
			l.failedLast++
		}
	}
	l.unseen += unseen
	if unseen == 0 {
		l.gone = append(l.gone, last.Sub(began))
	}
}

func (l *leaves) figures() []figure {
	return []figure{
		{"leaves", fmt.Sprint(l.rounds)},
		{"reported as failed at first", share(l.failedFirst, l.observations)},
		{"still so when the agent has ended", share(l.failedLast, l.observations)},
		{"not reported", share(l.unseen, l.observations)},
		{"given up by the leaving agent", share(l.unfinished, l.rounds)},
		{"reported by all, p50", milliseconds(percentile(l.gone, 50))},
		{"reported by all, p99", milliseconds(percentile(l.gone, 99))},
	}
}
