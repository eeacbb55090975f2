// Package lifecycle is how a component with goroutines starts and ends: a Group of goroutines, which Close ends and Wait waits for;
// a Mutex that can be waited for with a context; and a Timer that is set again and again.
package lifecycle

import (
	"context"
	"sync"
	"sync/atomic"
)

// Group is the goroutines inside a component: those it started, and those of its callers. Close ends them, Wait waits for them.
//
// Wait does not wait for a goroutine while that is in a callback, which is user code: the callback may itself call what closes the
// group, or wait for a lock that the caller of Wait holds. After Close no callback begins.
type Group struct {
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   <-chan struct{} // of ctx

	state    atomic.Uint64
	idle     sync.WaitGroup // one, until the group is closed and all goroutines inside are in callbacks
	idleOnce sync.Once
}

// Group.state has the number of goroutines inside, the number of those that are in callbacks, and whether the group is closed.
const (
	oneInside   = 1
	oneCallback = 1 << 31
	closed      = 1 << 62
	countMask   = oneCallback - 1
)

// Init makes the group ready for use.
func (g *Group) Init() {
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.done = g.ctx.Done()
	g.idle.Add(1)
}

// Acquire lets the calling goroutine in, and reports false if the group is closed. If it returned true, Release must follow.
func (g *Group) Acquire() bool { return g.addIfOpen(oneInside) }

// Release lets the calling goroutine out.
func (g *Group) Release() { g.checkIdle(g.state.Add(^uint64(oneInside - 1))) }

// BeginCallback is called, inside, before user code. If it reports false the group is closed, and the code must not be called.
func (g *Group) BeginCallback() bool { return g.addIfOpen(oneCallback) }

// EndCallback is called after user code.
func (g *Group) EndCallback() { g.checkIdle(g.state.Add(^uint64(oneCallback - 1))) }

func (g *Group) addIfOpen(one uint64) bool {
	for {
		state := g.state.Load()
		if state&closed != 0 {
			return false
		}
		if g.state.CompareAndSwap(state, state+one) {
			return true
		}
	}
}

// Go calls f on a new goroutine inside the group. It reports false, and does nothing, if the group is closed.
func (g *Group) Go(f func()) bool {
	if !g.Acquire() {
		return false
	}
	go func() {
		defer g.Release()
		f()
	}()
	return true
}

// Context returns a context that ends with Close.
func (g *Group) Context() context.Context { return g.ctx }

// Done returns a channel that Close closes.
func (g *Group) Done() <-chan struct{} { return g.done }

// Close lets no goroutine in any more, and ends Context and Done. It reports whether it was the first call.
func (g *Group) Close() bool {
	if g.state.Or(closed)&closed != 0 {
		return false
	}
	g.cancel()
	g.checkIdle(g.state.Load())
	return true
}

// Closed reports whether Close was called.
func (g *Group) Closed() bool { return g.state.Load()&closed != 0 }

// Wait returns when the group is closed and no goroutine is inside, but those in callbacks.
func (g *Group) Wait() { g.idle.Wait() }

// checkIdle is called with the state after each change that may have made the group idle.
func (g *Group) checkIdle(state uint64) {
	if state&closed != 0 && state&countMask <= state/oneCallback&countMask {
		g.idleOnce.Do(g.idle.Done)
	}
}
