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

// crowd is the members of one process, and what happens to them.
type crowd struct {
	size, joiners               int
	within, rest, stop, quarter time.Duration
	profile                     string

	began    time.Time
	members  []*memberlist.Memberlist
	failures atomic.Int64 // declared by members; none is true
	worst    int          // suspicions in one report
}

// seeds is the number of members through which the others join.
const seeds = 5

// run makes the members join, then get a quarter of the time, then stop, as configured. Its errors are the bounds that were exceeded.
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
	if err := c.join(); err != nil {
		return err
	}
	exceeded := []error{c.settle("joined", c.began)}
	if c.quarter > 0 {
		before := c.failures.Load()
		if err := (pace{75 * time.Millisecond, 25 * time.Millisecond, c.quarter}).impose(); err != nil {
			return err
		}
		c.report("a quarter")
		exceeded = append(exceeded, c.judge("a quarter", before))
	}
	if c.stop > 0 {
		if err := (pace{stop: c.stop, all: time.Millisecond}).impose(); err != nil {
			return err
		}
		exceeded = append(exceeded, c.settle("stopped", time.Now()))
	}
	fmt.Printf("%d failures, at most %d suspicions at a time, %.1f s of CPU time\n", c.failures.Load(), c.worst, cpuTime().Seconds())
	return errors.Join(exceeded...)
}

// join creates all members, and joins each to a seed.
func (c *crowd) join() error {
	c.members = make([]*memberlist.Memberlist, c.size)
	for i := range min(seeds, c.size) {
		if err := c.start(i); err != nil {
			return err
		}
	}
	var next atomic.Int64
	next.Store(seeds)
	var group sync.WaitGroup
	failed := make([]error, max(c.joiners, 1))
	for j := range failed { // each ends when all members have been started, or one cannot be
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < c.size && failed[j] == nil; i = int(next.Add(1)) - 1 {
				failed[j] = c.start(i)
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// start starts a member and joins it.
func (c *crowd) start(i int) error {
	conf := memberlist.DefaultLANConfig()
	conf.Name = fmt.Sprintf("member-%d", i)
	conf.BindAddr, conf.BindPort, conf.AdvertisePort = "127.0.0.1", 0, 0
	conf.LogOutput = io.Discard
	conf.Events = events{&c.failures}
	m, err := memberlist.Create(conf)
	if err != nil {
		return err
	}
	c.members[i] = m
	if i == 0 {
		return nil
	}
	const attempts = 20
	seed := c.members[i%min(i, seeds)].LocalNode().Address()
	for range attempts {
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

// settle waits until all members know all, then for the rest.
func (c *crowd) settle(what string, since time.Time) error {
	before := c.failures.Load()
	var exceeded error
	for c.report(what) < 1 {
		if took := time.Since(since); took > c.within {
			exceeded = fmt.Errorf("%s: not all know all after %v", what, took.Round(time.Second))
			break
		}
		time.Sleep(time.Second)
	}
	if exceeded == nil {
		fmt.Printf("%s: all know all after %v\n", what, time.Since(since).Round(100*time.Millisecond))
	}
	for end := time.Now().Add(c.rest); time.Now().Before(end); {
		time.Sleep(min(10*time.Second, c.rest))
		c.report("rest")
	}
	return errors.Join(exceeded, c.judge(what, before))
}

func (c *crowd) judge(what string, before int64) error {
	if n := c.failures.Load() - before; n > 0 {
		return fmt.Errorf("%s: %d members failed in the view of another", what, n)
	}
	return nil
}

// report prints a line, and returns how much members know of what there is to know.
func (c *crowd) report(what string) float64 {
	known, suspect, queued, late := 0, 0, 0, 0
	for _, m := range c.members {
		s := m.Stats()
		known += s.Members.Alive + s.Members.Suspect
		suspect += s.Members.Suspect
		queued += s.Broadcasts
		if s.Lateness > 0 {
			late++
		}
	}
	c.worst = max(c.worst, suspect)
	part := float64(known) / float64(c.size*c.size)
	fmt.Printf("%6.1f s  %-9s  %8.4f %% known  %7d suspect  %7d failed  %7d queued  %4d late  %6.1f s of CPU time\n",
		time.Since(c.began).Seconds(), what, 100*part, suspect, c.failures.Load(), queued, late, cpuTime().Seconds())
	return part
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
