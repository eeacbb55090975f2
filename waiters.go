package memberlist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// waiters are the calls that wait until a broadcast has been sent, by the ticket that the core returns when it has. They are guarded by
// Memberlist.mu.
type waiters struct {
	last uint64 // ticket
	sent map[uint64]chan struct{}
}

// add returns a ticket, and a channel that is closed when the broadcast has been sent.
func (w *waiters) add() (ticket uint64, sent <-chan struct{}) {
	if w.sent == nil {
		w.sent = make(map[uint64]chan struct{})
	}
	w.last++
	done := make(chan struct{})
	w.sent[w.last] = done
	return w.last, done
}

func (w *waiters) remove(ticket uint64) { delete(w.sent, ticket) }

// finish is called with the tickets of broadcasts that have been sent.
func (w *waiters) finish(tickets []uint64) {
	for _, ticket := range tickets {
		if sent := w.sent[ticket]; sent != nil {
			delete(w.sent, ticket)
			close(sent)
		}
	}
}

// pingWaiters are the calls that wait for the result of a ping, by its sequence number. Each channel has room for the result. They are
// guarded by Memberlist.mu.
type pingWaiters map[uint32]chan swim.PingResult

func (w pingWaiters) finish(results []swim.PingResult) {
	for _, r := range results {
		if result := w[r.Seq]; result != nil {
			delete(w, r.Seq)
			result <- r
		}
	}
}

// await waits until a broadcast has been sent. It returns an error that wraps late and the context's if that ends first, or
// ErrShutdown.
func (m *Memberlist) await(ctx context.Context, ticket uint64, sent <-chan struct{}, late error) error {
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		m.mu.Lock()
		m.mu.waiters.remove(ticket)
		m.mu.Unlock()
		return fmt.Errorf("%w: %w", late, contextError(ctx))
	case <-m.tasks.Done():
		return ErrShutdown
	}
}

// within returns a context that ends after a timeout (0: never).
func within(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), timeout)
}

// contextError returns the reason why a context ended: its error, and the cause if there is another.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
