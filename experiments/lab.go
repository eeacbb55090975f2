package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// lab runs several simulations at once, each in a goroutine of its own.
type lab struct {
	workers  int
	progress io.Writer
}

// each returns the results of f for 0 to n-1, in this order.
func each[T any](l *lab, what string, n int, f func(i int) T) []T {
	results := make([]T, n)
	var mu sync.Mutex
	var done sync.WaitGroup
	next, ended := 0, 0
	for range min(l.workers, n) { // each ends when there is no more work
		done.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				results[i] = f(i)
				mu.Lock()
				ended++
				if 20*ended/n > 20*(ended-1)/n {
					fmt.Fprintf(l.progress, "\r%s: %d of %d ", what, ended, n)
				}
				mu.Unlock()
			}
		})
	}
	done.Wait()
	fmt.Fprintln(l.progress)
	return results
}

// watch calls f with the output of each turn of a node, and the time since the start.
func watch(cfg *sim.Config, f func(node int, at time.Duration, out *swim.Output)) {
	var begin time.Time // of the simulation: the first turn is at 0
	cfg.Tamper.Out = func(node int, _ *swim.Core, now time.Time, out *swim.Output) {
		if begin.IsZero() {
			begin = now
		}
		f(node, now.Sub(begin), out)
	}
}

// simulate runs a simulation up to a time, or until done, if not nil, returns true; it is called every second.
// Invariants are not checked: the sweeps of internal/sim do that.
func simulate(cfg sim.Config, until time.Duration, done func() bool) *sim.Result {
	cfg.Unchecked = true
	s := sim.New(cfg)
	for s.Now() < until && (done == nil || !done()) {
		if err := s.RunUntil(min(s.Now()+time.Second, until)); err != nil {
			panic(err)
		}
	}
	return s.Result()
}

// number returns the number of the node with a name.
func number(name string) int {
	n, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(err)
	}
	return n
}

// upTo returns the numbers below n.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
