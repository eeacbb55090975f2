package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// newsTime is the time between the change of metadata and the crashes.
const newsTime = 10 * time.Second

// trial is the result of one seed.
type trial struct {
	crashes []crash
	update  time.Duration // until all members knew a change of metadata
	start   time.Duration // until all members that started at once knew each other

	load        load
	falseDeaths uint64 // of healthy members
	slowDeaths  uint64 // of slow ones
}

// crash has the times after a crash at which the other members declared the member dead, sorted.
type crash struct{ known []time.Duration }

// load is the traffic that members send, per second.
type load struct{ packets, bytes, streamBytes, bytesAcross, streamBytesAcross traffic }

// traffic is some part of a load.
type traffic struct{ mean, busiest float64 } // of all members, and of the one with the most

// runTrial runs one seed. The error is that of the context, or a violated invariant of the protocol.
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

// runSettled is the first run: the members know each other.
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
		kind := sim.Crash
		if s.hosts {
			kind = sim.HostCrash
		}
		cfg.Faults = append(cfg.Faults, sim.Fault{Kind: kind, At: crashAt, Nodes: crashing})
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

// runStart is the second run: all members start at once.
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

// simulation returns the common setup of both runs. Each slow member is slow at times of its own, up to upTo.
func (s *settings) simulation(seed uint64, slow []int, r *rand.Rand, upTo time.Duration) sim.Config {
	cfg := sim.Config{Seed: seed, N: s.members, Core: s.core(), Link: s.link(), Room: s.config.UDPBufferSize - wire.CompoundHeaderSize, StreamTimeout: s.config.TCPTimeout}
	if s.zones > 0 {
		for i := range s.members {
			cfg.Zones = append(cfg.Zones, 1+i%s.zones)
		}
		cfg.Across, cfg.ZonesUnused = sim.Across{Latency: s.apart, Loss: s.zoneLoss / 100}, s.zoneless
	}
	for _, node := range slow {
		for at := time.Duration(r.Int64N(int64(s.slowEvery))); at < upTo; at += s.slowEvery {
			cfg.Faults = append(cfg.Faults, sim.Fault{Kind: sim.Block, At: at, For: s.slowFor, Nodes: []int{node}})
		}
	}
	return cfg
}

// measure records the difference between two results.
func (t *trial) measure(before, after *sim.Result) {
	seconds := (after.Virtual - before.Virtual).Seconds()
	each := 1 / float64(len(after.Nodes))
	for i, n := range after.Nodes {
		b := before.Nodes[i]
		rate := func(after, before uint64) traffic {
			perSecond := float64(after-before) / seconds
			return traffic{perSecond, perSecond}
		}
		t.load.add(&load{
			packets:           rate(n.PacketsOut, b.PacketsOut),
			bytes:             rate(n.BytesOut, b.BytesOut),
			streamBytes:       rate(n.StreamBytesOut, b.StreamBytesOut),
			bytesAcross:       rate(n.BytesAcross, b.BytesAcross),
			streamBytesAcross: rate(n.StreamBytesAcross, b.StreamBytesAcross),
		}, each)
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

// until runs up to a time, or until done, if not nil, returns true.
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
