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
	stopping chan struct{} // closed by close

	state    atomic.Uint64
	idle     sync.WaitGroup // one, until the group is closed and all who are inside are away
	idleOnce sync.Once

	mu struct {
		sync.Mutex
		ctx context.Context // ended by close; nil: nobody asked for it
		end context.CancelFunc
	}
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
	t := new(tasks)
	t.open()
	return t
}

// open makes the group ready for use.
func (t *tasks) open() {
	t.stopping = make(chan struct{})
	t.idle.Add(1)
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

// context gives one that ends when the group is closed.
func (t *tasks) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.ctx == nil {
		t.mu.ctx, t.mu.end = context.WithCancel(context.Background())
		if t.closed() {
			t.mu.end()
		}
	}
	return t.mu.ctx
}

// endContext ends the context, if there is one.
func (t *tasks) endContext() {
	t.mu.Lock()
	end := t.mu.end
	t.mu.Unlock()
	if end != nil {
		end()
	}
}

// close lets nobody in any more and tells all who are inside to end. It
// reports whether it was the first to do so.
func (t *tasks) close() bool {
	if t.state.Or(tasksClosed)&tasksClosed != 0 {
		return false
	}
	close(t.stopping)
	t.endContext()
	t.checkIdle(t.state.Load())
	return true
}

// closed reports whether close was called.
func (t *tasks) closed() bool { return t.state.Load()&tasksClosed != 0 }

// wait returns when the group is closed and nobody is inside but those away.
func (t *tasks) wait() { t.idle.Wait() }

// checkIdle is called with the state after each change that may have made the group idle.
func (t *tasks) checkIdle(state uint64) {
	if state&tasksClosed != 0 && state&tasksMany <= state/oneAway&tasksMany {
		t.idleOnce.Do(t.idle.Done)
	}
}

// baton is held by one goroutine at a time, which has put something into its
// slot. The zero value is free.
type baton struct {
	once sync.Once
	one  chan struct{} // made when it is first asked for: most are never needed
}

func (b *baton) slot() chan struct{} {
	b.once.Do(func() { b.one = make(chan struct{}, 1) })
	return b.one
}
