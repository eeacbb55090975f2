package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	restartAgents = 5

	// resolution is how long an agent must keep running: once it knows of a conflict, Serf lets the others vote for
	// 3.2 s, and quits if it lost.
	resolution     = 10 * time.Second
	fastResolution = 5 * time.Second
)

// restarts are the results of the experiment restart.
type restarts struct {
	rounds   int
	stayed   int
	outvoted int             // quit because the others voted for the old address
	seen     []time.Duration // of each restart that all others saw, until the last saw it
}

// restart kills agents and starts them at another port, each in a cluster of its own, so that one restart does not
// affect the next.
func restart(ctx context.Context, b bench) ([]figure, error) {
	var r restarts
	for round := range b.rounds {
		if err := r.round(ctx, b, 1+round%(restartAgents-1)); err != nil {
			return r.figures(), err
		}
	}
	return r.figures(), nil
}

// round kills one agent and starts it again, so that it joins the first one.
func (r *restarts) round(ctx context.Context, b bench, i int) error {
	c, err := newCluster(ctx, b, restartAgents)
	defer c.close()
	if err != nil {
		return err
	}
	at, err := freePorts()
	if err != nil {
		return err
	}
	c.agents[i].kill()
	began := time.Now()
	if err := c.restart(ctx, i, at, c.joinFirst()); err != nil {
		return err
	}

	again := c.agents[i]
	if awaitSeen(ctx, again, c.others(again)) == nil && !again.ended() {
		r.seen = append(r.seen, time.Since(began))
	}
	watch := resolution
	if b.fast {
		watch = fastResolution
	}
	select {
	case <-again.done:
	case <-time.After(time.Until(began.Add(watch))):
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.rounds++
	if !again.ended() {
		r.stayed++
	} else if strings.Contains(again.log.last(), "minority in name conflict resolution") {
		r.outvoted++
	}
	return nil
}

// awaitSeen waits until the others list an agent as alive at its address, or its process has ended.
func awaitSeen(ctx context.Context, a *agent, others []*agent) error {
	return poll(ctx, patience, func() error {
		if a.ended() {
			return nil
		}
		for _, other := range others {
			if err := other.sees(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *restarts) figures() []figure {
	return []figure{
		{"restarts", fmt.Sprint(r.rounds)},
		{"stayed up", share(r.stayed, r.rounds)},
		{"quit by the vote on its name", share(r.outvoted, r.rounds)},
		{"seen by all at the new address", share(len(r.seen), r.rounds)},
		{"seen by all, p50", milliseconds(percentile(r.seen, 50))},
		{"seen by all, max", milliseconds(percentile(r.seen, 100))},
	}
}
