package memberlist

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// newNoticeLocked makes a channel that is closed when a broadcast is finished.
func (m *Memberlist) newNoticeLocked() (uint64, <-chan struct{}) {
	m.mu.lastNotice++
	done := make(chan struct{})
	if m.mu.notices == nil {
		m.mu.notices = make(map[uint64]chan struct{})
	}
	m.mu.notices[m.mu.lastNotice] = done
	return m.mu.lastNotice, done
}

func (m *Memberlist) dropNotice(notice uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.notices, notice)
}

// await waits for a notice, until the context ends, or for Shutdown.
func (m *Memberlist) await(ctx context.Context, notice uint64, sent <-chan struct{}, late error) error {
	defer m.dropNotice(notice)
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", late, contextError(ctx))
	case <-m.tasks.Done():
		return ErrShutdown
	}
}

// within is a context that ends after a timeout (0: never).
func within(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), timeout)
}

// contextError is why a context ended: the error of its kind, and the cause if
// it was given another.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
