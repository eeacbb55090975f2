package memberlist

import (
	"sync"
	"sync/atomic"
	"time"
)

// alarm is the one timer of a Memberlist, and the goroutine that does what is
// due when it goes off. That goroutine begins when it goes off first, and counts
// as one of the tasks from when it is set first: a member that is started and
// stopped at once has none.
type alarm struct {
	tasks *tasks
	run   func()
	began time.Time
	at    atomic.Int64 // nanoseconds after began

	mu struct {
		sync.Mutex
		ended bool
		first *time.Timer // starts the goroutine; nil: never set
		timer *time.Timer // wakes the goroutine; nil: it did not begin
	}
}

// init makes the alarm ready to be set.
func (a *alarm) init(tasks *tasks, run func()) { a.tasks, a.run, a.began = tasks, run, time.Now() }

// note notes when the alarm is to go off. Who does holds Memberlist.mu, so that
// the last one is right, and calls set without it.
func (a *alarm) note(at time.Time) { a.at.Store(int64(at.Sub(a.began))) }

// set sets the alarm to what was noted last, in place of what it was set to. It
// wakes nobody before that time.
func (a *alarm) set() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.ended {
		return
	}
	left := time.Duration(a.at.Load()) - time.Since(a.began)
	switch {
	case a.mu.timer != nil:
		a.mu.timer.Reset(left)
	case a.mu.first == nil:
		if a.tasks.enter() {
			a.mu.first = time.AfterFunc(left, a.loop)
		}
	case a.mu.first.Stop():
		a.mu.first.Reset(left)
	default: // the goroutine is about to begin
	}
}

// loop runs what is due each time the alarm goes off. It ends with end.
func (a *alarm) loop() {
	defer a.tasks.leave()
	timer := a.begin()
	if timer == nil {
		return
	}
	for range timer.C {
		if a.tasks.closed() {
			return
		}
		a.run()
	}
}

// begin gives the timer, which goes off at once, or nil after end.
func (a *alarm) begin() *time.Timer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.ended {
		return nil
	}
	a.mu.timer = time.NewTimer(0)
	return a.mu.timer
}

// end has the goroutine end, or not begin, once the tasks are closed.
func (a *alarm) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.ended = true
	switch {
	case a.mu.timer != nil:
		a.mu.timer.Reset(0)
	case a.mu.first != nil && a.mu.first.Stop():
		a.tasks.leave()
	}
}
