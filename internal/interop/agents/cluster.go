package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// cluster is agents that have joined each other.
type cluster struct {
	binary string
	dir    string
	args   []string // of every agent
	agents []*agent
}

// newCluster starts a cluster and waits until all its agents list each other. The caller closes it, also after an
// error.
func newCluster(ctx context.Context, b bench, size int, args ...string) (*cluster, error) {
	dir, err := os.MkdirTemp(b.dir, "cluster-")
	if err != nil {
		return nil, err
	}
	c := &cluster{binary: b.binary, dir: dir, args: args}
	for i := range size {
		at, err := freePorts()
		if err != nil {
			return c, err
		}
		var join []string
		if i > 0 {
			join = []string{c.joinFirst()}
		}
		a, err := c.start(ctx, fmt.Sprintf("agent-%d", i), at, join...)
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

// start starts an agent, in the directory of the earlier agent of that name, if there was one.
func (c *cluster) start(ctx context.Context, name string, at ports, args ...string) (*agent, error) {
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return startAgent(ctx, c.binary, dir, name, at, slices.Concat(c.args, args)...)
}

// joinFirst returns the argument by which an agent joins the first.
func (c *cluster) joinFirst() string { return "-join=" + c.agents[0].ports.gossipAddr() }

// close kills the agents that still run.
func (c *cluster) close() {
	if c == nil {
		return
	}
	for _, a := range c.agents {
		a.kill()
	}
	os.RemoveAll(c.dir)
}

// restart starts an agent again, after its process has ended.
func (c *cluster) restart(ctx context.Context, i int, at ports, args ...string) error {
	a, err := c.start(ctx, c.agents[i].name, at, args...)
	if err == nil {
		c.agents[i].list.close()
		c.agents[i] = a
	}
	return err
}

// others returns all agents but one.
func (c *cluster) others(but *agent) []*agent {
	var others []*agent
	for _, a := range c.agents {
		if a != but {
			others = append(others, a)
		}
	}
	return others
}

// agree waits until all agents list each other.
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

// sees returns nil if the agent lists the given ones as members, at their addresses.
func (a *agent) sees(ctx context.Context, agents ...*agent) error {
	list, err := a.list.members(ctx)
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

// find returns nil if the member is alive at the port. Serf keeps listing a member as leaving if it returns before
// the last agent heard of its leave.
func find(list []member, name string, port uint16) error {
	for _, m := range list {
		if m.Name != name {
			continue
		}
		if m.Status != "alive" && m.Status != "leaving" || m.Port != port {
			return fmt.Errorf("%s is %s at port %d, want it alive at %d", name, m.Status, m.Port, port)
		}
		return nil
	}
	return fmt.Errorf("no %s", name)
}
