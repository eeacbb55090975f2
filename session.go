package memberlist

import (
	"bytes"
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

// session is one stream and the memory for reading it and answering. It is used again: nothing may refer to that memory after
// end.
type session struct {
	m *Memberlist

	conn     net.Conn
	label    *envelope.Label // of a stream that a peer opened
	features wire.Features   // of the peer of a stream that this member opened
	size     int             // bytes read
	across   bool            // it was opened by this member, to another zone
	memory   streamset.Reservation
	reader   wire.StreamReader
	reserve  func(n int) error // for reader, made once
	local    []byte            // what this member writes
}

// newSession returns a session whose stream is set by begin.
func (m *Memberlist) newSession() *session {
	s := sessions.get()
	s.m = m
	if s.reserve == nil {
		s.reserve = s.reserveMemory
	}
	return s
}

// begin sets the stream.
func (s *session) begin(conn net.Conn) {
	s.conn, s.size = conn, 0
	s.reader.Reset(s, s.reserve)
}

// maxLocalKept is the largest capacity of session.local, in bytes, that is used again: enough for the states of some 40,000 members.
const maxLocalKept = 4 << 20

// end gives the memory back. The stream has been closed, or is closed by streamset.Inbound.
func (s *session) end() {
	s.reader.Reset(nil, nil)
	s.release()
	s.m, s.conn, s.label, s.features, s.across = nil, nil, nil, 0, false
	if cap(s.local) > maxLocalKept {
		s.local = nil
	}
	sessions.put(s)
}

func (s *session) Read(b []byte) (int, error) {
	n, err := s.conn.Read(b)
	s.size += n
	s.countAcross(n)
	return n, err
}

func (s *session) reserveMemory(n int) error {
	if err := s.m.streams.Reserve(&s.memory, n); err != nil {
		return fmt.Errorf("%w: %w", ErrMessageTooLarge, err)
	}
	return nil
}

// release releases the memory for reading. Nothing that was read is used any more.
func (s *session) release() { s.m.streams.Release(&s.memory) }

// largeMessage is the size in bytes from which the memory of a message is given away instead of copied.
const largeMessage = 16 << 10

// detach returns what was read last in memory that its receiver may keep. Nothing more can be read after that.
func (s *session) detach(read []byte) []byte {
	if len(read) < largeMessage {
		return bytes.Clone(read)
	}
	s.reader = wire.StreamReader{}
	return read
}

// readRequest reads a stream that a peer opened up to the type of the message in it.
func (s *session) readRequest() (kind wire.Type, err error) {
	kind, s.label, err = s.m.envelope.ReadRequest(&s.reader, s.source())
	return kind, err
}

// readReply reads up to the type of the message that a peer answers with.
func (s *session) readReply() (wire.Type, error) {
	kind, err := s.m.envelope.ReadReply(&s.reader, s.source())
	if err != nil || kind != wire.TypeErr {
		return kind, err
	}
	var remote wire.Err
	if err := s.reader.ReadMessage(&remote); err != nil {
		return 0, err
	}
	return 0, &RemoteError{Text: envelope.RefusalText(remote.Error)}
}

// source returns the address of the peer.
func (s *session) source() envelope.Source { return sourceOf(senderOf(s.conn.RemoteAddr())) }

// writeRequest writes a message to a stream that this member opened.
func (s *session) writeRequest(message []byte) error {
	n, err := s.m.envelope.WriteRequest(s.conn, message, s.features)
	return s.wrote(n, err)
}

// writeReply writes a message to a stream that a peer opened.
func (s *session) writeReply(message []byte) error {
	n, err := s.m.envelope.WriteReply(s.conn, s.label, message, s.reader.PeerFeatures())
	return s.wrote(n, err)
}

// wrote counts the bytes of a write to a stream, and returns its error.
func (s *session) wrote(n int, err error) error {
	if n > 0 {
		s.m.metrics.Add(metrics.TCPSent, n)
		s.countAcross(n)
	}
	return err
}

// countAcross counts bytes of a stream to another zone, in both directions: the acceptor need not know who opened it.
func (s *session) countAcross(n int) {
	if s.across && n > 0 {
		s.m.metrics.Add(metrics.TCPAcrossZones, n)
	}
}

// writeError tells the peer why its request is refused. The peer may be gone by then.
func (s *session) writeError(err error) error {
	return s.writeReply((&wire.Err{Error: refusalText(err)}).Append(nil))
}

// writeRefusal tells the peer why its request is not read.
func (s *session) writeRefusal(err error) error {
	n, err := s.m.envelope.WriteRefusal(s.conn, s.label, refusalText(err))
	return s.wrote(n, err)
}

// roundTrip opens a stream and calls talk, which writes to and reads from it, all by the deadline and before ctx ends. If the stream
// cannot be opened, talk is not called.
func (s *session) roundTrip(ctx context.Context, to Address, deadline time.Time, talk func() error) error {
	m := s.m
	if err := m.config.checkName(to); err != nil {
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
	s.begin(conn)
	s.features = m.features(&swim.Endpoint{Name: to.Name, AddrPort: endpointOf(to.Addr).AddrPort})
	s.across = m.crosses(s.features)
	err = talk()
	if err != nil && s.size == 0 && closedByPeer(err) {
		err = fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return m.endedOr(ctx, err)
}

// closedByPeer reports whether the peer closed the stream.
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
	return m.dialInBackground(ctx, to, deadline)
}

// dialInBackground dials with a transport whose dial takes no context, on a goroutine that ends by the deadline. A stream that is opened
// after ctx or the Memberlist has ended is closed.
func (m *Memberlist) dialInBackground(ctx context.Context, to Address, deadline time.Time) (net.Conn, error) {
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

// endedOr returns ErrShutdown if the Memberlist has stopped, the context's error if that has ended, and else err.
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
