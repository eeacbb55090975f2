package memberlist

import (
	"bytes"
	"fmt"
	"net"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/wire"
)

// session is one stream and the memory for reading it and answering. It is used again: nothing may refer to that memory after
// endSession.
type session struct {
	streams  *streamset.Set
	envelope *envelope.Envelope
	metrics  *metrics.Set

	conn    net.Conn
	label   *envelope.Label // of a stream that a peer opened
	size    int             // bytes read
	memory  streamset.Reservation
	reader  wire.StreamReader
	reserve func(n int) error // for reader, made once
	local   []byte            // what this member writes
}

// newSession returns a session whose stream is set by begin.
func (m *Memberlist) newSession() *session {
	s := m.sessions.get()
	if s.streams == nil {
		s.streams, s.envelope, s.metrics = &m.streams, m.envelope, &m.metrics
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

func (m *Memberlist) endSession(s *session) {
	s.reader.Reset(nil, nil)
	s.release()
	s.conn, s.label = nil, nil
	if cap(s.local) > maxLocalKept {
		s.local = nil
	}
	m.sessions.put(s)
}

func (s *session) Read(b []byte) (int, error) {
	n, err := s.conn.Read(b)
	s.size += n
	return n, err
}

func (s *session) reserveMemory(n int) error {
	if err := s.streams.Reserve(&s.memory, n); err != nil {
		return fmt.Errorf("%w: %w", ErrMessageTooLarge, err)
	}
	return nil
}

// release releases the memory for reading. Nothing that was read is used any more.
func (s *session) release() { s.streams.Release(&s.memory) }

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
	kind, s.label, err = s.envelope.ReadRequest(&s.reader, s.source())
	return kind, err
}

// readReply reads up to the type of the message that a peer answers with.
func (s *session) readReply() (wire.Type, error) {
	kind, err := s.envelope.ReadReply(&s.reader, s.source())
	if err != nil || kind != wire.TypeErr {
		return kind, err
	}
	var remote wire.Err
	if err := s.reader.ReadMessage(&remote); err != nil {
		return 0, err
	}
	return 0, &RemoteError{Text: remote.Error}
}

// source returns the address of the peer.
func (s *session) source() envelope.Source { return sourceOf(senderOf(s.conn.RemoteAddr())) }

// writeRequest writes a message to a stream that this member opened.
func (s *session) writeRequest(message []byte) error {
	n, err := s.envelope.WriteRequest(s.conn, message)
	return s.wrote(n, err)
}

// writeReply writes a message to a stream that a peer opened.
func (s *session) writeReply(message []byte) error {
	n, err := s.envelope.WriteReply(s.conn, s.label, message)
	return s.wrote(n, err)
}

// wrote counts the bytes of a write to a stream, and returns its error.
func (s *session) wrote(n int, err error) error {
	if n > 0 {
		s.metrics.Add(metrics.TCPSent, n)
	}
	return err
}

// writeError tells the peer why its request is refused. The peer may be gone by then.
func (s *session) writeError(err error) error {
	return s.writeReply((&wire.Err{Error: refusalText(err)}).Append(nil))
}
