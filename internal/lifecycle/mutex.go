package lifecycle

import (
	"context"
	"errors"
)

// ErrClosed is returned by Mutex.Lock when the group is closed.
var ErrClosed = errors.New("closed")

// Mutex excludes goroutines of a Group from each other. Unlike a sync.Mutex it may be held for long, as during a callback: waiting
// for it ends with a context, or with the group.
type Mutex struct {
	slot chan struct{} // full while the mutex is held
	done <-chan struct{}
}

// NewMutex returns a mutex that is not held.
func (g *Group) NewMutex() Mutex { return Mutex{slot: make(chan struct{}, 1), done: g.done} }

// Lock waits until the mutex is not held, and holds it. If the context or the group ends first it returns the context's error or
// ErrClosed.
func (m *Mutex) Lock(ctx context.Context) error {
	select {
	case m.slot <- struct{}{}:
		return nil
	case <-m.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryLock holds the mutex and reports true, unless it is held.
func (m *Mutex) TryLock() bool {
	select {
	case m.slot <- struct{}{}:
		return true
	default:
		return false
	}
}

// Unlock releases the mutex, which the caller holds.
func (m *Mutex) Unlock() { <-m.slot }
