package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// streamLoop serves streams that peers open. It ends with the Memberlist, or when the transport closes its channel.
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

// acceptStream serves a stream on a goroutine of its own, which ends by Config.TCPTimeout unless a delegate takes longer.
func (m *Memberlist) acceptStream(conn net.Conn) {
	m.metrics.Add(metrics.TCPAccept, 1)
	source := senderOf(conn.RemoteAddr()).AddrPort.Addr()
	if !m.config.senderAllowed(source) {
		m.drop(metrics.DroppedCIDR, "stream cidr", "closing stream from outside of the allowed networks", conn.RemoteAddr(), nil)
		conn.Close()
		return
	}
	in, evicted, err := m.streams.Accept(conn, source, time.Now())
	if evicted != nil {
		m.drop(metrics.DroppedOverload, "stream count", "closing stream, too many are open", evicted.RemoteAddr(), nil)
	}
	if err != nil {
		return
	}
	serve := func() {
		defer in.Close()
		err := m.serveStream(in)
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

// keyOfStreamError returns the counter for a stream that could not be served.
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

func (m *Memberlist) serveStream(conn net.Conn) error {
	s := m.newSession()
	defer s.end()
	return s.serve(conn)
}

// serve reads one request from a stream that a peer opened, and answers it.
func (s *session) serve(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(s.m.config.TCPTimeout)); err != nil {
		return err
	}
	s.begin(conn)
	kind, err := s.readRequest()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			s.refuse(err)
		}
		return err
	}
	switch kind {
	case wire.TypeUser:
		return s.serveUserMessage()
	case wire.TypePushPull:
		return s.m.pushPulls.serve(s)
	case wire.TypePing:
		return s.servePing()
	default:
		return fmt.Errorf("%w: %v on a stream", wire.ErrUnknownType, kind)
	}
}

// Limits of what is read and discarded of a request that was refused before its end, so that the peer, which is still writing, can read
// the refusal: a stream that is closed with unread bytes is reset.
const (
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// refuse answers a request that was not read to its end.
func (s *session) refuse(err error) {
	if s.writeRefusal(err) != nil {
		return
	}
	s.reader = wire.StreamReader{}
	s.release()
	if s.conn.SetDeadline(time.Now().Add(min(lingerTime, s.m.config.TCPTimeout))) == nil {
		_, _ = io.CopyN(io.Discard, s.conn, lingerBytes)
	}
}

// startStream does what the core asks for, other than a push/pull, on a goroutine that ends by the stream's deadline.
func (m *Memberlist) startStream(s swim.Stream) {
	m.tasks.Go(func() {
		switch s.Kind {
		case swim.StreamPing:
			m.probeOnStream(s)
		case swim.StreamLeave:
			m.pushPulls.with(s.To, m.pushPulls.all)
		case swim.StreamReconnect:
			m.reconnector.failed(s.To)
		case swim.StreamSeeds:
			m.reconnector.trySeeds()
		}
	})
}

// serveUserMessage reads a user message and passes it to the delegate.
func (s *session) serveUserMessage() error {
	var header wire.UserHeader
	if err := s.reader.ReadMessage(&header); err != nil {
		return err
	}
	if err := header.Validate(); err != nil {
		return err
	}
	message, err := s.reader.ReadN(header.UserMsgLen, wire.MaxUserMessage)
	if err != nil {
		return fmt.Errorf("read user message of %d bytes: %w", header.UserMsgLen, err)
	}
	s.m.userMessages.notify(s.detach(message))
	return nil
}

// sendUserMessage sends a user message on a stream of its own.
func (m *Memberlist) sendUserMessage(ctx context.Context, to Address, message []byte) error {
	if len(message) > wire.MaxUserMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrMessageTooLarge, len(message), wire.MaxUserMessage)
	}
	s := m.newSession()
	defer s.end()
	s.local = append((&wire.UserHeader{UserMsgLen: len(message)}).Append(s.local[:0]), message...)
	return s.roundTrip(ctx, to, time.Now().Add(m.config.TCPTimeout), func() error { return s.writeRequest(s.local) })
}

// servePing acks a ping of this member.
func (s *session) servePing() error {
	var ping wire.Ping
	if err := s.reader.ReadMessage(&ping); err != nil {
		return err
	}
	if ping.Node != "" && ping.Node != s.m.config.Name {
		s.m.logMisdirected("misdirected stream ping", ping.Node)
		return nil
	}
	return s.writeReply((&wire.Ack{SeqNo: ping.SeqNo}).Append(nil))
}

// streamPing pings a member on a stream, and calls opened once that is open.
func (m *Memberlist) streamPing(to swim.Member, seq uint32, deadline time.Time, opened func()) error {
	self := m.LocalNode()
	ping := wire.Ping{SeqNo: seq, Node: to.Name, SourceAddr: self.Addr, SourcePort: self.Port, SourceNode: self.Name}
	s := m.newSession()
	defer s.end()
	return s.roundTrip(context.Background(), addressOfMember(&to), deadline, func() error {
		opened()
		if err := s.writeRequest(ping.Append(nil)); err != nil {
			return err
		}
		kind, err := s.readReply()
		if err != nil {
			return err
		}
		if kind != wire.TypeAck {
			return fmt.Errorf("%w: %v in reply to a ping", wire.ErrUnknownType, kind)
		}
		var ack wire.Ack
		if err := s.reader.ReadMessage(&ack); err != nil {
			return err
		}
		if ack.SeqNo != seq {
			return fmt.Errorf("%w: ack %d for ping %d", wire.ErrMalformed, ack.SeqNo, seq)
		}
		return nil
	})
}

// probeOnStream pings a member that did not answer in packets.
func (m *Memberlist) probeOnStream(s swim.Stream) {
	if m.streamPingDisabled(s.To.Name) {
		m.noteStreamPing(s.Seq, "")
		return
	}
	open := false
	err := m.streamPing(s.To, s.Seq, s.Deadline, func() {
		open = true
		t := m.begin()
		t.core.StreamOpened(s.Seq)
		t.commit()
	})
	m.noteStream(&s.To, err)
	if errors.Is(err, ErrShutdown) {
		return
	}
	if err != nil {
		switch {
		case !open && m.isRefused(err):
			t := m.begin()
			t.core.StreamRefused(s.Seq)
			t.commit()
		case !timedOut(err):
			m.noteStreamPing(s.Seq, err.Error())
		}
		level := slog.LevelError
		if s.To.State != swim.StateAlive { // further pings of a suspect, or one that another member asked for
			level = slog.LevelDebug
		}
		m.log.Burst(time.Now(), "stream ping", level, logBurst, "ping on a stream failed",
			func() []slog.Attr { return memberAttrs(&s.To, logging.Err(err)) })
		return
	}
	t := m.begin()
	t.core.StreamPingDone(s.Seq)
	t.commit()
}

// noteStreamPing notes for the evidence why a ping on a stream failed, or with "" that there was none.
func (m *Memberlist) noteStreamPing(seq uint32, reason string) {
	t := m.begin()
	t.core.StreamFailed(seq, reason)
	t.commit()
}

// timedOut reports whether an error is that of a time limit.
func timedOut(err error) bool {
	var limited net.Error
	return errors.As(err, &limited) && limited.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// isRefused reports whether an error of a dial means that the host answered, and that no process listens at the address.
func (m *Memberlist) isRefused(err error) bool {
	if t, ok := m.config.Transport.(RefusalAwareTransport); ok {
		return t.IsRefused(err)
	}
	return sockets.IsRefused(err)
}

func (m *Memberlist) streamPingDisabled(name string) bool {
	if m.config.DisableTcpPings {
		return true
	}
	if m.config.DisableTcpPingsForNode == nil {
		return false
	}
	if !m.tasks.BeginCallback() {
		return true
	}
	defer m.tasks.EndCallback()
	return m.config.DisableTcpPingsForNode(name)
}
