package memberlist

import (
	"context"
	"sync"
	"sync/atomic"
)

// tasks are the goroutines inside a Memberlist: those it started, and those of
// its callers. Shutdown closes the group and waits for them.
//
// A goroutine that calls user code (a delegate) is away for the time of the
// call, and Shutdown does not wait for those who are away: a delegate may call
// Shutdown itself, or wait for a lock that the caller of Shutdown holds. Once
// the group is closed nobody goes away any more, so no delegate is called; who
// was away comes back only to end.
type tasks struct {
	ctx      context.Context // ended by close
	end      context.CancelFunc
	stopping <-chan struct{} // ctx.Done()

	state    atomic.Uint64
	idle     chan struct{} // closed once the group is and all who are inside are away
	idleOnce sync.Once
}

// The state of tasks: who is inside (entered and did not leave), those of them that are away (in user code), and
// whether the group is closed.
const (
	oneInside   = 1
	oneAway     = 1 << 31
	tasksClosed = 1 << 62
	tasksMany   = oneAway - 1 // a field's
)

func newTasks() *tasks {
	t := &tasks{idle: make(chan struct{})}
	t.ctx, t.end = context.WithCancel(context.Background())
	t.stopping = t.ctx.Done()
	return t
}

// enter lets the calling goroutine in, unless the group is closed. Who got in
// must leave.
func (t *tasks) enter() bool { return t.addIfOpen(oneInside) }

// leave lets the calling goroutine out.
func (t *tasks) leave() { t.checkIdle(t.state.Add(^uint64(oneInside - 1))) }

// goAway is called before user code. It reports false if there must be no
// call, because the group is closed.
func (t *tasks) goAway() bool { return t.addIfOpen(oneAway) }

// comeBack is called after user code.
func (t *tasks) comeBack() { t.checkIdle(t.state.Add(^uint64(oneAway - 1))) }

func (t *tasks) addIfOpen(one uint64) bool {
	for {
		state := t.state.Load()
		if state&tasksClosed != 0 {
			return false
		}
		if t.state.CompareAndSwap(state, state+one) {
			return true
		}
	}
}

// start runs f on a goroutine of the group, and reports false if it is closed.
func (t *tasks) start(f func()) bool {
	if !t.enter() {
		return false
	}
	go func() {
		defer t.leave()
		f()
	}()
	return true
}

// close lets nobody in any more and tells all who are inside to end. It
// reports whether it was the first to do so.
func (t *tasks) close() bool {
	if t.state.Or(tasksClosed)&tasksClosed != 0 {
		return false
	}
	t.end()
	t.checkIdle(t.state.Load())
	return true
}

// wait returns when the group is closed and nobody is inside but those away.
func (t *tasks) wait() { <-t.idle }

// checkIdle is called with the state after each change that may have made the group idle.
func (t *tasks) checkIdle(state uint64) {
	if state&tasksClosed != 0 && state&tasksMany <= state/oneAway&tasksMany {
		t.idleOnce.Do(func() { close(t.idle) })
	}
}
