package memberlist

import (
	"context"
	"sync"
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

	mu struct {
		sync.Mutex
		closed bool
		inside int           // goroutines that entered and did not leave
		away   int           // those of them that are in user code
		idle   chan struct{} // closed once closed is set and all who are inside are away
	}
}

func newTasks() *tasks {
	t := new(tasks)
	t.ctx, t.end = context.WithCancel(context.Background())
	t.stopping = t.ctx.Done()
	t.mu.idle = make(chan struct{})
	return t
}

// enter lets the calling goroutine in, unless the group is closed. Who got in
// must leave.
func (t *tasks) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.inside++
	return true
}

// leave lets the calling goroutine out.
func (t *tasks) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.inside--
	t.checkIdleLocked()
}

// goAway is called before user code. It reports false if there must be no
// call, because the group is closed.
func (t *tasks) goAway() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.away++
	return true
}

// comeBack is called after user code.
func (t *tasks) comeBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.away--
	t.checkIdleLocked()
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
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.closed = true
	t.end()
	t.checkIdleLocked()
	return true
}

// wait returns when the group is closed and nobody is inside but those away.
func (t *tasks) wait() { <-t.mu.idle }

func (t *tasks) checkIdleLocked() {
	if !t.mu.closed || t.mu.inside > t.mu.away {
		return
	}
	select {
	case <-t.mu.idle:
	default:
		close(t.mu.idle)
	}
}
