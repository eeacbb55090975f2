package main

import (
	"context"
	"fmt"
	"time"
)

const (
	restartAgents = 5

	// resolution is how long an agent must stay up: once it knows of a conflict, Serf lets the others vote for 3.2 s, and
	// quits if it lost.
	resolution     = 10 * time.Second
	fastResolution = 5 * time.Second
)

// restarts are the results of the experiment restart.
type restarts struct {
	rounds int
	stayed int
	seen   []time.Duration // of each restart that all others saw, until the last did
}

// restart kills agents and starts them at another port, each in a cluster of its own, so that one restart does not
// bear on the next.
func restart(ctx context.Context, b bench) ([]figure, error) {
	var r restarts
	for round := range b.rounds {
		if err := r.round(ctx, b, 1+round%(restartAgents-1)); err != nil {
			return r.figures(), err
		}
	}
	return r.figures(), nil
}

// round kills one agent and starts it again, to join the first, which is another one.
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
	if err := c.replace(ctx, i, at, "-join="+c.agents[0].ports.gossipAddr()); err != nil {
		return err
	}

	again := c.agents[i]
	others := c.others(again)
	seen := poll(ctx, patience, func() error {
		if again.ended() {
			return nil
		}
		for _, other := range others {
			if err := other.sees(ctx, again); err != nil {
				return err
			}
		}
		return nil
	})
	took := time.Since(began)
	if seen == nil && !again.ended() {
		r.seen = append(r.seen, took)
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
	}
	return nil
}

func (r *restarts) figures() []figure {
	return []figure{
		{"restarts", fmt.Sprint(r.rounds)},
		{"stayed up", share(r.stayed, r.rounds)},
		{"seen by all at the new address", share(len(r.seen), r.rounds)},
		{"seen by all, p50", milliseconds(percentile(r.seen, 50))},
		{"seen by all, max", milliseconds(percentile(r.seen, 100))},
	}
}
