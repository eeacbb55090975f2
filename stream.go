package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// streamLoop serves streams that peers open. It ends with the Memberlist, or
// when the transport closes its channel.
func (m *Memberlist) streamLoop() {
	for {
		select {
		case conn, ok := <-m.transport.StreamCh():
			if !ok {
				return
			}
			m.acceptStream(conn)
		case <-m.tasks.Done():
			return
		}
	}
}

// acceptStream serves a stream on a goroutine of its own, which ends by
// Config.TCPTimeout unless a delegate takes longer.
func (m *Memberlist) acceptStream(conn net.Conn) {
	m.metrics.Add(metrics.TCPAccept, 1)
	source := senderOf(conn.RemoteAddr()).AddrPort.Addr()
	if !m.senderAllowed(source) {
		m.drop(metrics.DroppedCIDR, "stream cidr", "closing stream from outside of the allowed networks", conn.RemoteAddr(), nil)
		conn.Close()
		return
	}
	in, evicted, err := m.streams.Accept(conn, source, time.Now())
	if evicted != nil {
		m.drop(metrics.DroppedOverload, "stream slow", "closing slow stream, too many are open", evicted.RemoteAddr(), nil)
	}
	if err != nil {
		if errors.Is(err, streamset.ErrFull) {
			m.drop(metrics.DroppedOverload, "stream count", "closing stream, too many are open", conn.RemoteAddr(), nil)
		}
		return
	}
	serve := func() {
		defer in.Close()
		err := m.serveStream(conn)
		if m.tasks.Closed() {
			return // which closed the stream
		}
		if err != nil && !errors.Is(err, io.EOF) {
			key := keyOfStreamError(err)
			m.drop(key, "stream "+key.String(), "stream failed", conn.RemoteAddr(), err) // a line for each kind
		}
	}
	if !m.tasks.Go(serve) {
		in.Close()
	}
}

// keyOfStreamError is the metric for a stream that could not be served.
func keyOfStreamError(err error) metrics.Counter {
	switch {
	case envelope.IsLabelError(err):
		return metrics.DroppedLabel
	case errors.Is(err, ErrDecrypt), errors.Is(err, ErrNotEncrypted), errors.Is(err, ErrEncrypted):
		return metrics.DroppedDecrypt
	case errors.Is(err, ErrMessageTooLarge):
		return metrics.DroppedOversize
	default:
		return metrics.DroppedDecode
	}
}

// serveStream reads one request and answers it.
func (m *Memberlist) serveStream(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(m.config.TCPTimeout)); err != nil {
		return err
	}
	c := m.newSession()
	defer m.endSession(c)
	c.begin(conn)
	kind, err := c.readRequest()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			m.refuse(c, err)
		}
		return err
	}
	switch kind {
	case wire.TypeUser:
		return m.serveUserMessage(c)
	case wire.TypePushPull:
		return m.servePushPull(c)
	case wire.TypePing:
		return m.serveStreamPing(c)
	default:
		return fmt.Errorf("%w: %v on a stream", wire.ErrUnknownType, kind)
	}
}

// What is read and dropped of a request that was refused unread, so that the
// peer, which is still writing it, gets to read the refusal: a stream that is
// closed with bytes unread is reset.
const (
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// refuse answers a request that was not read to its end.
func (m *Memberlist) refuse(c *session, err error) {
	if c.writeError(err) != nil {
		return
	}
	c.reader = wire.StreamReader{}
	c.release()
	if c.conn.SetDeadline(time.Now().Add(min(lingerTime, m.config.TCPTimeout))) == nil {
		_, _ = io.CopyN(io.Discard, c.conn, lingerBytes)
	}
}

// startStream begins what the core asks for, on a goroutine that ends by the
// stream's deadline.
func (m *Memberlist) startStream(s swim.Stream) {
	m.tasks.Go(func() {
		switch s.Kind {
		case swim.StreamPing:
			m.probeOnStream(s)
		case swim.StreamPushPull:
			m.pushPullWith(s.To)
		case swim.StreamFarewell:
			m.syncWith(s.To)
		case swim.StreamReconnect:
			m.reconnect(s.To)
		case swim.StreamSeeds:
			m.trySeeds()
		}
	})
}

// serveUserMessage reads a user message and hands it to the delegate.
func (m *Memberlist) serveUserMessage(c *session) error {
	var header wire.UserHeader
	if err := c.reader.ReadMessage(&header); err != nil {
		return err
	}
	if err := header.Validate(); err != nil {
		return err
	}
	message, err := c.reader.ReadN(header.UserMsgLen, wire.MaxUserMessage)
	if err != nil {
		return fmt.Errorf("read user message of %d bytes: %w", header.UserMsgLen, err)
	}
	m.userMessages.notify(c.detach(message))
	return nil
}

// sendUserMessage sends a user message on a stream of its own.
func (m *Memberlist) sendUserMessage(ctx context.Context, to Address, message []byte) error {
	if len(message) > wire.MaxUserMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrMessageTooLarge, len(message), wire.MaxUserMessage)
	}
	c := m.newSession()
	defer m.endSession(c)
	c.local = append((&wire.UserHeader{UserMsgLen: len(message)}).Append(c.local[:0]), message...)
	return m.exchange(ctx, c, to, time.Now().Add(m.config.TCPTimeout), func() error { return c.writeRequest(c.local) })
}
