package memberlist

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// conversation is one stream and the memory that reading it and answering take. It is used again: nothing may hold on to
// that after endConversation.
type conversation struct {
	conn    net.Conn
	set     *streamSet
	label   *heardLabel // that the stream begins with
	size    int         // bytes read
	taken   int64       // of the memory for all streams that are being read
	reader  wire.StreamReader
	reserve func(n int) error // take, made once
	local   []byte            // what we say
}

// newConversation gives a conversation, whose stream is still to be set with begin.
func (m *Memberlist) newConversation() *conversation {
	return m.conversations.Get().(*conversation)
}

func (m *Memberlist) makeConversation() any {
	c := &conversation{set: &m.streams}
	c.reserve = c.take
	return c
}

// begin makes conn the conversation's stream.
func (c *conversation) begin(conn net.Conn, label *heardLabel) {
	c.conn, c.label, c.size = conn, label, 0
	c.reader.Reset(c, c.reserve)
}

// maxLocalKept is how large, in bytes, the memory for what we say may be to be used again: enough for the states of some
// 40,000 members.
const maxLocalKept = 4 << 20

func (m *Memberlist) endConversation(c *conversation) {
	c.reader.Reset(nil, nil)
	c.release()
	c.conn, c.label = nil, nil
	if cap(c.local) > maxLocalKept {
		c.local = nil
	}
	m.conversations.Put(c)
}

func (c *conversation) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	c.size += n
	return n, err
}

// take takes n bytes of the memory for all streams.
func (c *conversation) take(n int) error {
	if c.set.bytes.Add(int64(n)) > maxInboundBytes {
		c.set.bytes.Add(int64(-n))
		return fmt.Errorf("%w: all streams together exceed %d bytes", ErrMessageTooLarge, maxInboundBytes)
	}
	c.taken += int64(n)
	return nil
}

// release gives back what was taken. Nothing that was read is needed any more.
func (c *conversation) release() {
	c.set.bytes.Add(-c.taken)
	c.taken = 0
}

// largeMessage is from how many bytes on memory is handed over rather than copied.
const largeMessage = 16 << 10

// handOver gives what was read last to somebody who may keep it. Nothing more can be read after that.
func (c *conversation) handOver(read []byte) []byte {
	if len(read) < largeMessage {
		return bytes.Clone(read)
	}
	c.reader = wire.StreamReader{}
	return read
}

// readRequest reads the label header of a stream that a peer opened, and up to
// the type of the message in it.
func (m *Memberlist) readRequest(c *conversation) (wire.Type, error) {
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
		// The answer is for who speaks under that label, if it has our key. It tells others nothing.
		c.label = &heardLabel{text: string(label)}
		return 0, err
	}
	c.label = heard
	return m.readLayers(c, kind)
}

// readReply reads up to the type of the message that a peer answers with.
func (m *Memberlist) readReply(c *conversation) (wire.Type, error) {
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
func (m *Memberlist) readLayers(c *conversation, kind wire.Type) (wire.Type, error) {
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
