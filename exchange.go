package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/metrics"
)

// exchange opens a stream and calls talk, which writes to and reads from it, all
// by the deadline and before ctx ends. If the stream cannot be opened, talk is
// not called.
func (m *Memberlist) exchange(ctx context.Context, c *session, to Address, deadline time.Time, talk func() error) error {
	if err := m.checkName(to); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	conn, err := m.dial(ctx, to, deadline)
	if err != nil {
		return m.endedOr(ctx, err)
	}
	if m.streams.Open(conn) != nil {
		return ErrShutdown
	}
	defer m.streams.Close(conn)
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
	}
	m.metrics.Add(metrics.TCPConnect, 1)
	if err := conn.SetDeadline(deadline); err != nil {
		return m.endedOr(ctx, err)
	}
	c.begin(conn)
	err = talk()
	if c.size == 0 && closedByPeer(err) {
		err = fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return m.endedOr(ctx, err)
}

// closedByPeer reports whether an error of reading or writing comes from the
// other side's closing the stream.
func closedByPeer(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &op) && !op.Timeout()
}

// dial opens a stream by the deadline, unless ctx ends before.
func (m *Memberlist) dial(ctx context.Context, to Address, deadline time.Time) (net.Conn, error) {
	if m.udp != nil {
		return m.udp.dial(ctx, to.Addr, deadline)
	}
	if ctx.Done() == nil {
		return m.transport.DialAddressTimeout(to, time.Until(deadline))
	}
	return m.dialAbandonably(ctx, to, deadline)
}

// dialAbandonably dials with a transport that cannot be told of a context, on a
// goroutine that ends by the deadline. When nobody waits any more, a stream that
// still comes is closed.
func (m *Memberlist) dialAbandonably(ctx context.Context, to Address, deadline time.Time) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialled)
	started := m.tasks.Go(func() {
		conn, err := m.transport.DialAddressTimeout(to, time.Until(deadline))
		select {
		case result <- dialled{conn, err}:
			return
		case <-ctx.Done():
		case <-m.tasks.Done():
		}
		if err == nil {
			conn.Close()
		}
	})
	if !started {
		return nil, ErrShutdown
	}
	select {
	case d := <-result:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, contextError(ctx)
	case <-m.tasks.Done():
		return nil, ErrShutdown
	}
}

// endedOr gives ErrShutdown for an error that comes from being stopped, and the
// context's for one that comes from its end.
func (m *Memberlist) endedOr(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-m.tasks.Done():
		return ErrShutdown
	case <-ctx.Done():
		return contextError(ctx)
	default:
		return err
	}
}
