package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// newsTime is how long after the change of metadata members crash.
const newsTime = 10 * time.Second

// trial is what one seed gave.
type trial struct {
	crashes []crash
	update  time.Duration // until all members knew a change of metadata
	start   time.Duration // until all members that started at once knew each other

	load        load
	falseDeaths uint64 // of healthy members
	slowDeaths  uint64 // of slow ones
}

// crash is how long after a crash each other member took who crashed for dead, in order.
type crash struct{ known []time.Duration }

// load is what members send, per second.
type load struct {
	packets, bytes, streamBytes             float64 // on average
	mostPackets, mostBytes, mostStreamBytes float64 // the busiest member
}

// runTrial runs one seed. The error says that the context is done, or that a rule of the protocol was broken.
func runTrial(ctx context.Context, s *settings, seed uint64, tick func()) (*trial, error) {
	t := &trial{}
	if err := t.runSettled(ctx, s, seed, tick); err != nil {
		return nil, err
	}
	if err := t.runStart(ctx, s, seed, tick); err != nil {
		return nil, err
	}
	return t, nil
}

// runSettled is the first run: members that have known each other for long.
func (t *trial) runSettled(ctx context.Context, s *settings, seed uint64, tick func()) error {
	r := rand.New(rand.NewPCG(seed, 1))
	order := r.Perm(s.members)
	slow, crashing, updater := order[:s.slow], order[s.slow:s.slow+s.crash], order[len(order)-1]
	// Members begin their first push/pull within two intervals.
	countAt := min(2*s.config.PushPullInterval, longest)
	updateAt := countAt + s.calm
	crashAt := updateAt + newsTime
	atMost := crashAt + sim.Bound(s.core(), s.members)

	cfg := s.simulation(seed, slow, r, atMost)
	cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Meta, At: updateAt, Nodes: []int{updater}})
	if s.crash > 0 {
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Crash, At: crashAt, Nodes: crashing})
	}
	w := newWatch(s.members, crashing, updater)
	cfg.Observe = w.observe
	c := &clock{Sim: sim.New(cfg), ctx: ctx, tick: tick}
	if err := c.until(countAt, nil); err != nil {
		return err
	}
	before := c.Result()
	if err := c.until(updateAt, nil); err != nil {
		return err
	}
	t.measure(before, c.Result())
	if err := c.until(crashAt, nil); err != nil {
		return err
	}
	w.crashed(crashing)
	if err := c.until(atMost, w.complete); err != nil {
		return err
	}
	t.update = w.news.allSince(updateAt)
	for _, node := range crashing {
		t.crashes = append(t.crashes, crash{w.deaths[node].eachSince(crashAt)})
	}
	return nil
}

// runStart is the second run: members that all start at once.
func (t *trial) runStart(ctx context.Context, s *settings, seed uint64, tick func()) error {
	r := rand.New(rand.NewPCG(seed, 2))
	atMost := sim.Bound(s.core(), s.members)
	cfg := s.simulation(seed, r.Perm(s.members)[:s.slow], r, atMost)
	cfg.Start = sim.Joining
	a := newArrivals(s.members)
	cfg.Observe = a.observe
	c := &clock{Sim: sim.New(cfg), ctx: ctx, tick: tick}
	if err := c.until(atMost, a.complete); err != nil {
		return err
	}
	t.start = a.done.allSince(0)
	return nil
}

// simulation is what both runs have in common. Each slow member is slow at times of its own, up to a time.
func (s *settings) simulation(seed uint64, slow []int, r *rand.Rand, upTo time.Duration) sim.Config {
	cfg := sim.Config{Seed: seed, N: s.members, Core: s.core(), Link: s.link(), Room: s.config.UDPBufferSize - wire.CompoundHeaderSize, StreamTimeout: s.config.TCPTimeout}
	for _, node := range slow {
		for at := time.Duration(r.Int64N(int64(s.slowEvery))); at < upTo; at += s.slowEvery {
			cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Block, At: at, For: s.slowFor, Nodes: []int{node}})
		}
	}
	return cfg
}

// measure takes what was counted between two results.
func (t *trial) measure(before, after *sim.Result) {
	seconds := (after.Virtual - before.Virtual).Seconds()
	each := 1 / float64(len(after.Nodes))
	for i, n := range after.Nodes {
		b := before.Nodes[i]
		packets := float64(n.PacketsOut-b.PacketsOut) / seconds
		bytes := float64(n.BytesOut-b.BytesOut) / seconds
		streamBytes := float64(n.StreamBytesOut-b.StreamBytesOut) / seconds
		t.load.add(&load{packets, bytes, streamBytes, packets, bytes, streamBytes}, each)
	}
	t.falseDeaths = after.FalseDeaths - before.FalseDeaths
	t.slowDeaths = after.FalseDeathsImpaired - before.FalseDeathsImpaired
}

// clock runs a simulation step by step.
type clock struct {
	*sim.Sim
	ctx  context.Context
	tick func() // a virtual second has passed
}

// until goes on up to a time, or until done, if it is not nil, says so.
func (c *clock) until(t time.Duration, done func() bool) error {
	for c.Now() < t && (done == nil || !done()) {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.RunUntil(min(c.Now()+time.Second, t)); err != nil {
			return fmt.Errorf("the protocol broke a rule of its own, please report it with your flags: %w", err)
		}
		c.tick()
	}
	return nil
}
