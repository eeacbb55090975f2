package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// AppendSealedFrame appends to dst a frame of a stream: its header, then plaintext sealed. The label, though it was sent
// before, is authenticated with it. Peers refuse more than MaxSealedFrame bytes after the header: check SealedSize
// first. The rest is as in Cipher.AppendSealed.
func AppendSealedFrame(dst []byte, c *Cipher, version uint8, nonce *[NonceSize]byte, label string, plaintext []byte) []byte {
	header := len(dst)
	dst = append(dst, byte(TypeEncrypt))
	dst = binary.BigEndian.AppendUint32(dst, uint32(SealedSize(version, len(plaintext))))
	return c.AppendSealed(dst, version, nonce, plaintext, frameData(dst[header:], label))
}

// frameData is the additional data of a frame: its header, then the label.
func frameData(header []byte, label string) []byte {
	data := make([]byte, 0, len(header)+len(label))
	return append(append(data, header...), label...)
}

// StreamReader reads the messages of one stream. Its memory grows with what has arrived, never with what a peer says
// will. Owned by one goroutine.
//
// A stream that fails gives its own error, wrapped. One that ends within a value gives ErrTruncated, which wraps
// io.ErrUnexpectedEOF too. After an error the position is not defined: close the stream.
type StreamReader struct {
	r       io.Reader // nil if all is in memory
	reserve func(n int) error
	buf     []byte // what was read and still matters
	pos     int    // where the unread part of buf begins

	lent         bool // what was read of buf belongs to states: it is not written any more
	opened       bool // reads the inside of a sealed frame
	decompressed bool // reads the inside of a compress message
}

// NewStreamReader returns a StreamReader of r, which is what is left of the stream once its label is cut off. It reads
// ahead of what is asked for.
//
// reserve, if not nil, is asked before memory grows by n bytes, the reader's own or that of a state it returns; its
// error ends the read. Nothing is given back: the caller knows when the exchange is over.
func NewStreamReader(r io.Reader, reserve func(n int) error) *StreamReader {
	return &StreamReader{r: r, reserve: reserve}
}

// ReadType reads the type byte of a message. At the end of the stream it returns io.EOF, unwrapped.
func (s *StreamReader) ReadType() (Type, error) {
	if len(s.unread()) == 0 {
		if err := s.fill(1); err != nil {
			return 0, err
		}
	}
	t := Type(s.unread()[0])
	s.pos++
	return t, nil
}

// ReadMessage reads the body of a message, one msgpack value of at most MaxStreamValue bytes, into m. Its byte slices are
// valid until the next call. Other errors than the stream's are those of m.Parse.
func (s *StreamReader) ReadMessage(m Body) error {
	value, err := s.value(MaxStreamValue)
	if err != nil {
		return err
	}
	return m.Parse(value, nil)
}

// ReadStates reads the states of n members of a push/pull, 0 to MaxPushPullNodes, and appends them to dst. They may be kept,
// but share their memory in large pieces: who keeps a part of one for long, copies that. Reserve is asked for what they
// take beyond dst. An error is as in ReadMessage; with it come the states that were read before.
func (s *StreamReader) ReadStates(dst []PushNodeState, n int) ([]PushNodeState, error) {
	s.lent = true
	r := statesReader{stream: s, states: dst, most: len(dst) + n, from: s.pos}
	for i := range n {
		if err := r.read(); err != nil {
			return r.states, errors.Join(fmt.Errorf("state %d of %d: %w", i+1, n, err), r.nameAll())
		}
	}
	return r.states, r.nameAll()
}

// ReadN reads n bytes, which may be 0. They are valid until the next call. An n below 0 is ErrMalformed, one above limit
// is ErrTooLarge, and nothing is read then.
func (s *StreamReader) ReadN(n, limit int) ([]byte, error) {
	if err := validateCount("stream bytes", n, limit); err != nil {
		return nil, err
	}
	for len(s.unread()) < n {
		if err := s.fillWithin(n); err != nil {
			return nil, err
		}
	}
	end := s.pos + n
	b := s.buf[s.pos:end:end]
	s.pos = end
	return b, nil
}

// OpenFrame reads a sealed frame, once ReadType returned TypeEncrypt, and returns a reader of its plaintext, which is not
// empty, and which of ciphers opened it. s is not to be used any more. More than MaxSealedFrame bytes are refused with
// ErrTooLarge before any is read, a frame within a frame or within a compressed message with ErrTooDeep; ErrDecrypt is
// as in Open.
func (s *StreamReader) OpenFrame(ciphers []*Cipher, label string) (inside *StreamReader, used int, err error) {
	if s.opened || s.decompressed {
		return nil, -1, fmt.Errorf("sealed frame: %w", ErrTooDeep)
	}
	length, err := s.ReadN(SealedFrameHeader-1, SealedFrameHeader-1)
	if err != nil {
		return nil, -1, err
	}
	size := binary.BigEndian.Uint32(length)
	if size > MaxSealedFrame {
		return nil, -1, fmt.Errorf("sealed frame of %d bytes, the limit is %d: %w", size, MaxSealedFrame, ErrTooLarge)
	}
	data := frameData(append([]byte{byte(TypeEncrypt)}, length...), label)
	sealed, err := s.ReadN(int(size), MaxSealedFrame)
	if err != nil {
		return nil, -1, err
	}
	if err := s.ask(len(sealed)); err != nil {
		return nil, -1, err
	}
	plain, used, err := Open(nil, ciphers, sealed, data)
	if err != nil {
		return nil, -1, fmt.Errorf("sealed frame: %w", err)
	}
	if len(plain) == 0 {
		return nil, -1, fmt.Errorf("empty sealed frame: %w", ErrTruncated)
	}
	s.buf, s.pos = nil, 0
	return &StreamReader{buf: plain, reserve: s.reserve, opened: true}, used, nil
}

// Decompress reads the body of a compress message, once ReadType returned TypeCompress, and returns a reader of what it
// holds, which is not empty. s is not to be used any more. More than MaxStreamPlain bytes, before or after, are refused
// with ErrTooLarge, a compress message within another with ErrTooDeep; ErrCompression is as in Decompressor.Append.
func (s *StreamReader) Decompress() (inside *StreamReader, err error) {
	return s.decompress(MaxStreamPlain)
}

func (s *StreamReader) decompress(limit int) (*StreamReader, error) {
	if s.decompressed {
		return nil, fmt.Errorf("compress: %w", ErrTooDeep)
	}
	value, err := s.value(limit)
	if err != nil {
		return nil, err
	}
	var m compressed
	if err := m.Parse(value, nil); err != nil {
		return nil, err
	}
	var d Decompressor
	plain, err := d.inflate(nil, m, limit, s.reserve)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if len(plain) == 0 {
		return nil, fmt.Errorf("empty compress: %w", ErrTruncated)
	}
	s.buf, s.pos = nil, 0
	return &StreamReader{buf: plain, reserve: s.reserve, decompressed: true}, nil
}

// value reads one msgpack value of at most limit bytes. It is valid until the next read.
func (s *StreamReader) value(limit int) ([]byte, error) {
	var sc scanner
	for {
		done, err := sc.scan(s.unread(), limit)
		if err != nil {
			return nil, err
		}
		if done {
			return s.ReadN(sc.off, limit)
		}
		if err := s.fillWithin(limit); err != nil {
			return nil, err
		}
	}
}

func (s *StreamReader) unread() []byte { return s.buf[s.pos:] }

func (s *StreamReader) ask(n int) error {
	if s.reserve == nil {
		return nil
	}
	return s.reserve(n)
}

// fillWithin is fill within a value, where the stream must not end.
func (s *StreamReader) fillWithin(want int) error {
	err := s.fill(want)
	if err == io.EOF { // as fill returns it
		return fmt.Errorf("stream: %w: %w", ErrTruncated, io.ErrUnexpectedEOF)
	}
	return err
}

// fill reads at least one more byte, while fewer than want are unread.
func (s *StreamReader) fill(want int) error {
	if s.r == nil {
		return io.EOF
	}
	if len(s.buf) == cap(s.buf) {
		if err := s.makeRoom(want); err != nil {
			return err
		}
	}
	for range maxEmptyReads {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if n > 0 {
			return nil // an error that came with it comes again
		}
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
	}
	return fmt.Errorf("stream: %w", io.ErrNoProgress)
}

// makeRoom moves the unread bytes to the front, if that at least halves them, or to an array of up to twice the size.
// What is lent stays where it is, and only the unread bytes move to an array of up to twice the size.
func (s *StreamReader) makeRoom(want int) error {
	if s.lent {
		size := max(min(2*cap(s.buf), want), streamBuffer)
		if err := s.ask(size); err != nil {
			return err
		}
		s.buf, s.pos = append(make([]byte, 0, size), s.unread()...), 0
		return nil
	}
	if s.pos > 0 && 2*s.pos >= len(s.buf) {
		n := copy(s.buf, s.unread())
		s.buf, s.pos = s.buf[:n], 0
		return nil
	}
	// What was read already is less than half, and goes along.
	buf, err := grow(s.buf, max(s.pos+want, streamBuffer), s.reserve)
	if err != nil {
		return err
	}
	s.buf = buf
	return nil
}
