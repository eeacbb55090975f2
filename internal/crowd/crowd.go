//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/e3431adc/memberlist"
)

// crowd is the members of one process, and what is asked of them.
type crowd struct {
	size                        int
	within, rest, stop, quarter time.Duration
	profile                     string

	began   time.Time
	members []*memberlist.Memberlist
	false   atomic.Int64 // failures that members declared
}

// seeds is the number of members through which the others join.
const seeds = 5

// joiners is the number of members that are created and join at the same time.
var joiners = 8

func (c *crowd) run() error {
	if c.profile != "" {
		f, err := os.Create(c.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	c.began = time.Now()
	ended := make(chan struct{})
	defer close(ended)
	var failed []error
	if err := c.join(); err != nil {
		return err
	}
	failed = append(failed, c.settle("joined"))
	if c.quarter > 0 {
		before := c.false.Load()
		if err := (pace{75 * time.Millisecond, 25 * time.Millisecond, c.quarter}).impose(); err != nil {
			return err
		}
		failed = append(failed, c.judge("at a quarter", before))
	}
	if c.stop > 0 {
		if err := (pace{c.stop, time.Millisecond, time.Millisecond}).impose(); err != nil {
			return err
		}
		failed = append(failed, c.settle("continued"))
	}
	return errors.Join(failed...)
}

// join creates all members, and joins each to a seed.
func (c *crowd) join() error {
	c.members = make([]*memberlist.Memberlist, c.size)
	for i := range seeds {
		if err := c.start(i); err != nil {
			return err
		}
	}
	var next atomic.Int64
	next.Store(seeds)
	var group sync.WaitGroup
	failed := make([]error, joiners)
	for j := range joiners { // each ends when all members have been started, or one failed
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < c.size && failed[j] == nil; i = int(next.Add(1)) - 1 {
				failed[j] = c.start(i)
			}
		})
	}
	group.Wait()
	c.report("started")
	return errors.Join(failed...)
}

// start starts a member and joins it.
func (c *crowd) start(i int) error {
	conf := memberlist.DefaultLANConfig()
	conf.Name = fmt.Sprintf("member-%d", i)
	conf.BindAddr, conf.BindPort, conf.AdvertisePort = "127.0.0.1", 0, 0
	conf.LogOutput = io.Discard
	conf.Events = events{&c.false}
	m, err := memberlist.Create(conf)
	if err != nil {
		return err
	}
	c.members[i] = m
	if i == 0 {
		return nil
	}
	seed := c.members[i%min(i, seeds)].LocalNode().Address()
	for range 20 {
		if _, err = m.Join([]string{seed}); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s cannot join: %w", conf.Name, err)
}

// events counts failures.
type events struct{ failures *atomic.Int64 }

func (events) NotifyJoin(*memberlist.Node)    {}
func (e events) NotifyLeave(*memberlist.Node) { e.failures.Add(1) }
func (events) NotifyUpdate(*memberlist.Node)  {}

// settle waits until all members know all, and then for the rest.
func (c *crowd) settle(what string) error {
	before, since := c.false.Load(), time.Now()
	for {
		time.Sleep(time.Second)
		known := c.report(what)
		if known == 1 {
			break
		}
		if time.Since(since) > c.within {
			return fmt.Errorf("%s: members know %.2f %% after %v, with %d false failures", what, 100*known, c.within, c.false.Load()-before)
		}
	}
	fmt.Printf("%s: all know all after %v\n", what, time.Since(since).Round(100*time.Millisecond))
	before = c.false.Load()
	for end := time.Now().Add(c.rest); time.Now().Before(end); time.Sleep(5 * time.Second) {
		c.report("rest")
	}
	return c.judge(what, before)
}

func (c *crowd) judge(what string, before int64) error {
	c.report(what)
	if n := c.false.Load() - before; n > 0 {
		return fmt.Errorf("%s: %d false failures", what, n)
	}
	return nil
}

// report prints one line, and returns which part of what there is to know members know.
func (c *crowd) report(what string) float64 {
	known, suspect, queued, refused := 0, 0, 0, uint64(0)
	for _, m := range c.members {
		s := m.Stats()
		known += s.Members.Alive + s.Members.Suspect
		suspect += s.Members.Suspect
		queued += s.Broadcasts
		refused += s.Dropped.QueueFull
	}
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	part := float64(known) / float64(c.size*c.size)
	fmt.Printf("%6.1f s %-12s known %7.3f %%  suspected %7d  false failures %7d  queued %8d  refused %8d  CPU %6.1f s  %4d MB\n",
		time.Since(c.began).Seconds(), what, 100*part, suspect, c.false.Load(), queued, refused, cpu.Seconds(), u.Maxrss>>10)
	return part
}
