package memberlist

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/wire"
)

// session is one stream and the memory for reading it and answering. It is used again: nothing may refer to that memory after
// endSession.
type session struct {
	conn    net.Conn
	streams *streamset.Set
	label   *heardLabel // of the stream
	size    int         // bytes read
	memory  streamset.Reservation
	reader  wire.StreamReader
	reserve func(n int) error // for reader, made once
	local   []byte            // what this member writes
}

// newSession returns a session whose stream is set by begin.
func (m *Memberlist) newSession() *session {
	s := m.sessions.get()
	if s.streams == nil {
		s.streams = &m.streams
		s.reserve = s.reserveMemory
	}
	return s
}

// begin sets the stream.
func (s *session) begin(conn net.Conn, label *heardLabel) {
	s.conn, s.label, s.size = conn, label, 0
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

// readRequest reads the label header of a stream that a peer opened, and up to
// the type of the message in it.
func (m *Memberlist) readRequest(c *session) (wire.Type, error) {
	r := &c.reader
	kind, err := r.ReadType()
	if err != nil {
		return 0, err
	}
	var label []byte
	if kind == wire.TypeLabel {
		size, err := r.ReadN(1, 1)
		if err != nil {
			return 0, err
		}
		if size[0] == 0 {
			return 0, fmt.Errorf("%w: empty", wire.ErrLabel)
		}
		text, err := r.ReadN(int(size[0]), wire.MaxLabel)
		if err != nil {
			return 0, err
		}
		label = bytes.Clone(text)
		if kind, err = r.ReadType(); err != nil {
			return 0, err
		}
	}
	heard, err := m.checkLabel(label)
	if err != nil {
		// Only a peer with this label and a key of ours can read the answer.
		c.label = &heardLabel{text: string(label)}
		return 0, err
	}
	c.label = heard
	return m.readLayers(c, kind)
}

// readReply reads up to the type of the message that a peer answers with.
func (m *Memberlist) readReply(c *session) (wire.Type, error) {
	kind, err := c.reader.ReadType()
	if err != nil {
		return 0, err
	}
	kind, err = m.readLayers(c, kind)
	if err != nil || kind != wire.TypeErr {
		return kind, err
	}
	var remote wire.Err
	if err := c.reader.ReadMessage(&remote); err != nil {
		return 0, err
	}
	return 0, &RemoteError{Text: remote.Error}
}

// readLayers decrypts and decompresses what a stream begins with, if it is
// that, and gives the type of the message inside.
func (m *Memberlist) readLayers(c *session, kind wire.Type) (wire.Type, error) {
	keys := m.keyring.load()
	r := &c.reader
	switch {
	case kind == wire.TypeEncrypt && len(keys.ciphers) == 0:
		return 0, ErrEncrypted
	case kind == wire.TypeEncrypt:
		used, err := r.OpenFrame(keys.ciphers, c.label.text)
		if err != nil {
			return 0, err
		}
		keys.keys[used].usage.stream(time.Now(), senderOf(c.conn.RemoteAddr()))
		if kind, err = r.ReadType(); err != nil {
			return 0, err
		}
	case len(keys.ciphers) > 0 && m.config.GossipVerifyIncoming:
		return 0, ErrNotEncrypted
	}
	if kind == wire.TypeCompress {
		if err := r.Decompress(); err != nil {
			return 0, err
		}
		return r.ReadType()
	}
	return kind, nil
}
