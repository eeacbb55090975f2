//go:build unix

package crowds

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd is the members of one process, and what happens to them.
type crowd struct {
	library                     Library
	size, joiners               int
	within, rest, stop, quarter time.Duration

	out      io.Writer
	cpu      func() time.Duration // the CPU time that the process has used
	began    time.Time
	members  []Member
	failures atomic.Int64 // declared by members; none is true
	worst    int          // suspicions in one report
}

const (
	// seeds is the number of members through which the others join.
	seeds = 5

	// cores is the number of cores whose time the process may use.
	cores = 2

	// poll and reportEvery are how often the crowd is looked at, and how often a line is printed, while something is awaited.
	poll        = 500 * time.Millisecond
	reportEvery = time.Second
)

// run makes the members join, then get a quarter of the time, then stop, as configured. It wraps errExceeded for each bound that is
// exceeded.
func (c *crowd) run() error {
	fmt.Fprintf(c.out, "%s: %d members\n", c.library.Name(), c.size)
	c.began = time.Now()
	defer c.shutdown()
	start := c.cpu()
	if err := c.join(); err != nil {
		return err
	}
	exceeded := []error{c.settle("joined", c.began, start)}
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
		exceeded = append(exceeded, c.settle("stopped", time.Now(), c.cpu()))
	}
	fmt.Fprintf(c.out, "%d failures, at most %d suspicions at a time, %.1f s of CPU time\n", c.failures.Load(), c.worst, c.cpu().Seconds())
	return errors.Join(exceeded...)
}

// join creates all members, and joins each to a seed.
func (c *crowd) join() error {
	c.members = make([]Member, c.size)
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
	name := fmt.Sprintf("member-%d", i)
	m, err := c.library.Create(name, func() { c.failures.Add(1) })
	if err != nil {
		return err
	}
	c.members[i] = m
	if i == 0 {
		return nil
	}
	const attempts = 20
	seed := c.members[i%min(i, seeds)].Addr()
	for range attempts {
		if err = m.Join(seed); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s cannot join: %w", name, err)
}

// shutdown ends the members.
func (c *crowd) shutdown() {
	var group sync.WaitGroup
	for _, m := range c.members {
		if m != nil {
			group.Go(func() { m.Shutdown() })
		}
	}
	group.Wait()
}

// settle waits until all members know all and suspect none, then for the rest. It began at since, with the process's CPU time then.
func (c *crowd) settle(what string, since time.Time, cpu time.Duration) error {
	before := c.failures.Load()
	var exceeded error
	for reported := since; ; time.Sleep(poll) {
		settled := c.look().settled
		took, used := time.Since(since).Seconds(), (c.cpu() - cpu).Seconds()
		if settled {
			fmt.Fprintf(c.out, "%s: all know all after %.1f s and %.1f s of CPU time\n", what, took, used)
			break
		}
		if most := cores * c.within.Seconds(); used >= most {
			exceeded = fmt.Errorf("%s: not all know all after %.1f s and %.1f s of CPU time: %w: %g s of CPU time", what, took, used, errExceeded, most)
			break
		}
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			c.report(what)
		}
	}
	for end := time.Now().Add(c.rest); time.Now().Before(end); {
		time.Sleep(min(10*time.Second, time.Until(end)))
		c.report("rest")
	}
	return errors.Join(exceeded, c.judge(what, before))
}

// judge returns an error if members have failed in the views of others since there were so many failures before.
func (c *crowd) judge(what string, before int64) error {
	if n := c.failures.Load() - before; n > 0 {
		return fmt.Errorf("%s: %d members failed in the view of another: %w: 0", what, n, errExceeded)
	}
	return nil
}

// view is what all members know and have to do, in all.
type view struct {
	Status
	late    int
	settled bool // all know all, and suspect none
}

// look returns the present view.
func (c *crowd) look() view {
	var v view
	for _, m := range c.members {
		s := m.Status()
		v.Known += s.Known
		v.Suspect += s.Suspect
		v.Queued += s.Queued
		if s.Late {
			v.late++
		}
	}
	v.settled = v.Known == c.size*c.size && v.Suspect == 0
	c.worst = max(c.worst, v.Suspect)
	return v
}

// report prints a line.
func (c *crowd) report(what string) {
	v := c.look()
	fmt.Fprintf(c.out, "%6.1f s  %-9s  %8.4f %% known  %7d suspect  %7d failed  %7d queued  %4d late  %6.1f s of CPU time\n",
		time.Since(c.began).Seconds(), what, 100*float64(v.Known)/float64(c.size*c.size), v.Suspect, c.failures.Load(), v.Queued, v.late,
		c.cpu().Seconds())
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
