package memberlist

import (
	"sync"
	"sync/atomic"
	"time"
)

// alarm is the one timer of a Memberlist. When it goes off, what is due runs as one
// of the tasks. A run that takes long holds up no other.
type alarm struct {
	tasks *tasks
	run   func()
	began time.Time
	at    atomic.Int64 // nanoseconds after began

	mu struct {
		sync.Mutex
		ended bool

		// kernel says that a timer of the kernel is to be tried: the member has
		// sockets, and so is in no synctest bubble.
		kernel bool
		timer  alarmTimer // nil: never set
	}
}

// alarmTimer is a goTimer, or does the same.
type alarmTimer interface {
	Reset(time.Duration) bool
	Stop() bool

	// A run that calls user code calls beginUserCode before and endUserCode after
	// that. One run at a time does.
	beginUserCode()
	endUserCode()
}

// goTimer is a timer of time.AfterFunc: each run has a goroutine of its own.
type goTimer struct{ *time.Timer }

func (goTimer) beginUserCode() {}
func (goTimer) endUserCode()   {}

// kernelTimerBelow is for what times a timer of the kernel is used: a member that is
// alone wakes up more seldom, and needs none.
const kernelTimerBelow = 10 * time.Second

// init makes the alarm ready to be set.
func (a *alarm) init(tasks *tasks, run func()) { a.tasks, a.run, a.began = tasks, run, time.Now() }

// haveSockets tells that the member has sockets, before the alarm is set.
func (a *alarm) haveSockets() { a.mu.kernel = true }

// note notes when the alarm is to go off. The caller holds Memberlist.mu, so that
// the last one is right, and calls set without it.
func (a *alarm) note(at time.Time) { a.at.Store(int64(at.Sub(a.began))) }

// set sets the alarm to what was noted last, in place of what it was set to.
func (a *alarm) set() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.ended || !a.tasks.enter() { // for the run
		return
	}
	left := time.Duration(a.at.Load()) - time.Since(a.began)
	if left < kernelTimerBelow {
		a.useKernelTimerLocked()
	}
	if a.mu.timer == nil {
		a.mu.timer = goTimer{time.AfterFunc(left, a.goOff)}
	} else if a.mu.timer.Reset(left) {
		a.tasks.leave() // it was set, and its run has entered
	}
}

// useKernelTimerLocked has a timer of the kernel in place of the other, if that is
// to be had.
func (a *alarm) useKernelTimerLocked() {
	if !a.mu.kernel {
		return
	}
	a.mu.kernel = false // it is tried once
	if timer := newAlarmTimer(a.goOff); timer != nil {
		if a.mu.timer != nil && a.mu.timer.Stop() {
			a.tasks.leave()
		}
		a.mu.timer = timer
	}
}

func (a *alarm) goOff() {
	defer a.tasks.leave()
	if !a.tasks.closed() {
		a.run()
	}
}

// userCode makes a call of user code, which may take long, in a run. One run at a
// time does.
func (a *alarm) userCode(call func()) {
	a.mu.Lock()
	timer := a.mu.timer
	a.mu.Unlock()
	timer.beginUserCode()
	defer timer.endUserCode()
	call()
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
