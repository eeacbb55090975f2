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
	start    time.Duration // cpu then
	members  []Member
	joins    sync.WaitGroup
	ended    chan struct{} // is closed when the joins are to end
	failures atomic.Int64  // declared by members; none is true
	worst    int           // suspicions in one report
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
	c.began, c.worst = time.Now(), 0
	c.failures.Store(0)
	c.ended = make(chan struct{})
	defer c.shutdown()
	c.start = c.cpu()
	if err := c.create(); err != nil {
		return err
	}
	c.join()
	exceeded := []error{c.settle("joined", c.began, c.start)}
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
	used := c.cpu() - c.start
	fmt.Fprintf(c.out, "%d failures, at most %d suspicions at a time, %.1f s of CPU time: %.2f of a core\n", c.failures.Load(), c.worst,
		used.Seconds(), used.Seconds()/time.Since(c.began).Seconds())
	return errors.Join(exceeded...)
}

// create creates all members.
func (c *crowd) create() error {
	c.members = make([]Member, 0, c.size)
	for i := range c.size {
		m, err := c.library.Create(fmt.Sprintf("member-%d", i), func() { c.failures.Add(1) })
		if err != nil {
			return err
		}
		c.members = append(c.members, m)
	}
	return nil
}

// join begins to join each member to a seed, as often as that takes. It ends with shutdown.
func (c *crowd) join() {
	var next atomic.Int64
	for range max(c.joiners, 1) {
		c.joins.Go(func() {
			for i := int(next.Add(1)); i < c.size; i = int(next.Add(1)) {
				seed := c.members[i%min(i, seeds)].Addr()
				for c.members[i].Join(seed) != nil {
					select {
					case <-c.ended:
						return
					case <-time.After(poll):
					}
				}
			}
		})
	}
}

// shutdown ends the members.
func (c *crowd) shutdown() {
	close(c.ended)
	var group sync.WaitGroup
	for _, m := range c.members {
		group.Go(func() { m.Shutdown() })
	}
	group.Wait()
	c.joins.Wait()
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
		(c.cpu() - c.start).Seconds())
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
