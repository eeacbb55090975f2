package main

import (
	"context"
	"fmt"
	"time"
)

const (
	idleAgents = 5
	fastIdle   = 3 * time.Second
)

// idle measures the processor time and the context switches of agents that have nothing to do.
func idle(ctx context.Context, b bench) ([]figure, error) {
	c, err := newCluster(ctx, b, idleAgents)
	defer c.close()
	if err != nil {
		return nil, err
	}
	before, err := c.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	period := time.Duration(b.rounds) * time.Minute
	if b.fast {
		period = fastIdle
	}
	select {
	case <-time.After(period):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	after, err := c.usage()
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	perMinute := float64(time.Minute) / float64(took) / idleAgents
	return []figure{
		{"measured for", took.Round(time.Second).String()},
		{"processor time of an agent, a minute", milliseconds(time.Duration(float64(after.cpu-before.cpu) * perMinute))},
		{"voluntary context switches of an agent, a minute",
			fmt.Sprintf("%.0f", float64(after.switches-before.switches)*perMinute)},
	}, nil
}

// usage returns the sum of what the agents have used.
func (c *cluster) usage() (usage, error) {
	var sum usage
	for _, a := range c.agents {
		if a.ended() {
			return usage{}, a.failure(fmt.Errorf("%s does not run", a.name))
		}
		u, err := usageOf(a.cmd.Process.Pid)
		if err != nil {
			return usage{}, err
		}
		sum.cpu += u.cpu
		sum.switches += u.switches
	}
	return sum, nil
}
