package lifecycle

import (
	"sync"
	"sync/atomic"
	"time"
)

// Timer runs one function at the times that it is set to, each run as a goroutine of a Group. A run that is in a callback does not
// delay the next one.
type Timer struct {
	group *Group
	run   func()
	base  time.Time
	timer timer
	at    atomic.Int64 // nanoseconds after base

	mu struct {
		sync.Mutex
		stopped bool
	}
}

// timer is a goTimer or a kernelTimer.
type timer interface {
	// Reset sets the timer, and reports whether it was set.
	Reset(time.Duration) bool

	// Stop ends the timer, and reports whether it was set.
	Stop() bool

	// A run calls beginCallback before it calls user code, and endCallback after. One run at a time does.
	beginCallback()
	endCallback()
}

// goTimer is a timer of time.AfterFunc: each run has a goroutine of its own.
type goTimer struct{ *time.Timer }

func newGoTimer(run func()) timer {
	t := time.AfterFunc(time.Hour, run)
	t.Stop()
	return goTimer{t}
}

func (goTimer) beginCallback() {}
func (goTimer) endCallback()   {}

// Init makes a timer that is not set. If inKernel is set it is one of the kernel, where there are such: it takes less CPU time of an
// otherwise idle process, and does not know the time of a testing/synctest bubble.
func (t *Timer) Init(group *Group, run func(), inKernel bool) {
	t.group, t.run, t.base = group, run, time.Now()
	if inKernel {
		t.timer = newKernelTimer(t.fire)
	}
	if t.timer == nil {
		t.timer = newGoTimer(t.fire)
	}
}

// Note notes the time for Set. The caller calls it with the lock that guards what the time is computed from, and Set without.
func (t *Timer) Note(at time.Time) { t.at.Store(int64(at.Sub(t.base))) }

// Set sets the timer to the time that was noted last, in place of an earlier one.
func (t *Timer) Set() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.stopped || !t.group.Acquire() { // for the run
		return
	}
	if t.timer.Reset(time.Duration(t.at.Load()) - time.Since(t.base)) {
		t.group.Release() // it was set: the run has been acquired for
	}
}

func (t *Timer) fire() {
	defer t.group.Release()
	if !t.group.Closed() {
		t.run()
	}
}

// Callback calls user code, which may take long, in a run. One run at a time may call it.
func (t *Timer) Callback(call func()) {
	t.timer.beginCallback()
	defer t.timer.endCallback()
	call()
}

// Stop ends the timer.
func (t *Timer) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.stopped = true
	if t.timer.Stop() {
		t.group.Release()
	}
}
