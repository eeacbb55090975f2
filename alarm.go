package memberlist

import (
	"sync"
	"sync/atomic"
	"time"
)

// alarm is the one timer of a Memberlist. Each time it goes off, what is due runs
// on a goroutine of its own, so that a run that takes long holds up no other. Each
// run is one of the tasks, from when the timer is set.
type alarm struct {
	tasks *tasks
	run   func()
	began time.Time
	at    atomic.Int64 // nanoseconds after began

	mu struct {
		sync.Mutex
		ended bool
		timer *time.Timer // nil: never set
	}
}

// init makes the alarm ready to be set.
func (a *alarm) init(tasks *tasks, run func()) { a.tasks, a.run, a.began = tasks, run, time.Now() }

// note notes when the alarm is to go off. The caller holds Memberlist.mu, so that
// the last one is right, and calls set without it.
func (a *alarm) note(at time.Time) { a.at.Store(int64(at.Sub(a.began))) }

// set sets the alarm to what was noted last, in place of what it was set to.
func (a *alarm) set() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.ended || !a.tasks.enter() {
		return
	}
	left := time.Duration(a.at.Load()) - time.Since(a.began)
	if a.mu.timer == nil {
		a.mu.timer = time.AfterFunc(left, a.goOff)
	} else if a.mu.timer.Reset(left) {
		a.tasks.leave() // it was set, and the run that it was set for is a task already
	}
}

func (a *alarm) goOff() {
	defer a.tasks.leave()
	if !a.tasks.closed() {
		a.run()
	}
}

// end stops the alarm for good.
func (a *alarm) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.ended = true
	if a.mu.timer != nil && a.mu.timer.Stop() {
		a.tasks.leave()
	}
}
