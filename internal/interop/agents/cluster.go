package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// cluster is agents that know each other.
type cluster struct {
	binary string
	dir    string
	agents []*agent
}

// newCluster starts a cluster and waits until all its agents list all. It is to be closed, with an error too.
func newCluster(ctx context.Context, b bench, size int) (*cluster, error) {
	dir, err := os.MkdirTemp(b.dir, "cluster-")
	if err != nil {
		return nil, err
	}
	c := &cluster{binary: b.binary, dir: dir}
	for i := range size {
		at, err := freePorts()
		if err != nil {
			return c, err
		}
		var args []string
		if i > 0 {
			args = append(args, "-join="+c.agents[0].ports.gossipAddr())
		}
		a, err := startAgent(ctx, c.binary, c.dir, fmt.Sprintf("agent-%d", i), at, args...)
		if err != nil {
			return c, err
		}
		c.agents = append(c.agents, a)
		if i == 0 { // for the others to join
			if err := c.agree(ctx); err != nil {
				return c, err
			}
		}
	}
	return c, c.agree(ctx)
}

// close kills all that still runs.
func (c *cluster) close() {
	if c == nil {
		return
	}
	for _, a := range c.agents {
		a.kill()
	}
	os.RemoveAll(c.dir)
}

// replace starts an agent again, after its process has ended.
func (c *cluster) replace(ctx context.Context, i int, at ports, args ...string) error {
	a, err := startAgent(ctx, c.binary, c.dir, c.agents[i].name, at, args...)
	if err != nil {
		return err
	}
	c.agents[i] = a
	return nil
}

// others are all agents but one.
func (c *cluster) others(but *agent) []*agent {
	var others []*agent
	for _, a := range c.agents {
		if a != but {
			others = append(others, a)
		}
	}
	return others
}

// agree waits until all agents list all as alive.
func (c *cluster) agree(ctx context.Context) error {
	var culprit *agent
	err := poll(ctx, patience, func() error {
		for _, culprit = range c.agents {
			if err := culprit.sees(ctx, c.agents...); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return culprit.failure(err)
}

// sees returns nil if the agent lists the given ones as alive where they are.
func (a *agent) sees(ctx context.Context, agents ...*agent) error {
	list, err := members(ctx, a.ports.rpcAddr())
	if err != nil {
		return fmt.Errorf("members of %s: %w", a.name, err)
	}
	for _, other := range agents {
		if err := find(list, other.name, other.ports.gossip); err != nil {
			return fmt.Errorf("members of %s: %w", a.name, err)
		}
	}
	return nil
}

// find returns nil if the member is alive at the port.
func find(list []member, name string, port uint16) error {
	for _, m := range list {
		if m.Name != name {
			continue
		}
		if m.Status != "alive" || m.Port != port {
			return fmt.Errorf("%s is %s at port %d, want alive at %d", name, m.Status, m.Port, port)
		}
		return nil
	}
	return fmt.Errorf("no %s", name)
}
