package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// AppendSealedFrame appends to dst a frame of a stream: its header, then the sealed plaintext. The label, which was
// sent before, is authenticated too. Peers refuse more than MaxSealedFrame bytes after the header: check SealedSize
// first. The rest is as in Cipher.AppendSealed.
func AppendSealedFrame(dst []byte, c *Cipher, version uint8, nonce *[NonceSize]byte, label string, plaintext []byte) []byte {
	size := uint32(SealedSize(version, len(plaintext)))
	return c.AppendSealed(appendFrameHeader(dst, size), version, nonce, plaintext, frameData(size, label))
}

func appendFrameHeader(dst []byte, size uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(TypeEncrypt)), size)
}

// frameData returns the additional data of a frame of size bytes: its header, then the label.
func frameData(size uint32, label string) []byte {
	return append(appendFrameHeader(make([]byte, 0, SealedFrameHeader+len(label)), size), label...)
}

// StreamReader reads the messages of one stream. Its memory grows with the bytes that have arrived, not with declared
// lengths. Owned by one goroutine.
//
// Errors of the underlying reader are wrapped. A stream that ends within a value is ErrTruncated, which also wraps
// io.ErrUnexpectedEOF. After an error the position is undefined: close the stream.
type StreamReader struct {
	r       io.Reader // nil if all is in memory
	reserve func(n int) error
	buf     []byte // bytes read that are still needed
	pos     int    // start of the unread part of buf

	spare    []byte        // for the next layer; buf becomes the spare one then
	inflater *Decompressor // nil until it is needed

	lent         bool        // States refer to the part of buf that was read: it must not be written
	opened       bool        // reads the inside of a sealed frame
	decompressed bool        // reads the inside of a compress message
	compression  Compression // of that
}

// NewStreamReader returns a StreamReader of r: see Reset.
func NewStreamReader(r io.Reader, reserve func(n int) error) *StreamReader {
	s := new(StreamReader)
	s.Reset(r, reserve)
	return s
}

// Reset makes s read r, a stream after its label header, and reuses the memory of s. It reads ahead. Slices returned
// earlier become invalid.
//
// reserve, if not nil, is called with the size of the memory that s has, which is dropped if it must not be kept, and
// with n before n bytes are added to that; its error ends the read. It is called with -n when n bytes of it are not used any more; the
// rest is not returned to it: the caller knows when the stream is done.
func (s *StreamReader) Reset(r io.Reader, reserve func(n int) error) {
	buf, spare := keepable(s.buf), keepable(s.spare)
	inflater, size := s.inflater, cap(buf)+cap(spare)
	if inflater != nil {
		size += inflaterSize
	}
	*s = StreamReader{r: r, reserve: reserve}
	if size > 0 && s.ask(size) == nil {
		s.buf, s.spare, s.inflater = buf, spare, inflater
	}
}

// keepable returns the memory of b if it may be kept for another stream, else nil.
func keepable(b []byte) []byte {
	if cap(b) > maxStreamKept {
		return nil
	}
	return b[:0]
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

// ReadMessage reads the body of a message, one msgpack value of at most MaxStreamValue bytes, into m. Its byte slices
// are valid until the next call. Errors are those of the stream and of m.Parse.
func (s *StreamReader) ReadMessage(m Body) error {
	value, err := s.value(MaxStreamValue)
	if err != nil {
		return err
	}
	return m.Parse(value, nil)
}

// ReadN reads n bytes, which are valid until the next call. n may be 0. It returns ErrMalformed for n below 0,
// ErrTooLarge for n above limit, and reads nothing then.
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

// OpenFrame reads a sealed frame, after ReadType has returned TypeEncrypt, and returns the index of the cipher that
// opened it. From then on s reads its plaintext, which is not empty, and nothing after it. More than MaxSealedFrame
// bytes are refused with ErrTooLarge before any is read, a frame within a frame or within a compressed message with
// ErrTooDeep; ErrDecrypt is as in Open.
func (s *StreamReader) OpenFrame(ciphers []*Cipher, label string) (used int, err error) {
	if s.opened || s.decompressed {
		return -1, fmt.Errorf("sealed frame: %w", ErrTooDeep)
	}
	length, err := s.ReadN(SealedFrameHeader-1, SealedFrameHeader-1)
	if err != nil {
		return -1, err
	}
	size := binary.BigEndian.Uint32(length)
	if size > MaxSealedFrame {
		return -1, fmt.Errorf("sealed frame of %d bytes, the limit is %d: %w", size, MaxSealedFrame, ErrTooLarge)
	}
	data := frameData(size, label)
	sealed, err := s.ReadN(int(size), MaxSealedFrame)
	if err != nil {
		return -1, err
	}
	if more := len(sealed) - cap(s.spare); more > 0 {
		if err := s.ask(more); err != nil {
			return -1, err
		}
		s.spare = nil // it may be collected first
		s.spare = make([]byte, 0, len(sealed))
	}
	plain, used, err := Open(s.spare[:0], ciphers, sealed, data)
	if err != nil {
		return -1, fmt.Errorf("sealed frame: %w", err)
	}
	if len(plain) == 0 {
		return -1, fmt.Errorf("empty sealed frame: %w", ErrTruncated)
	}
	s.enter(plain)
	s.opened = true
	return used, nil
}

// Decompress reads the body of a compress message, after ReadType has returned TypeCompress. From then on s reads its
// content, which is not empty, and nothing after it. More than MaxStreamPlain bytes, compressed or decompressed, are
// refused with ErrTooLarge, a compress message within another with ErrTooDeep; ErrCompression is as in
// Decompressor.Append.
func (s *StreamReader) Decompress() error {
	return s.decompress(MaxStreamPlain)
}

func (s *StreamReader) decompress(limit int) error {
	if s.decompressed {
		return fmt.Errorf("compress: %w", ErrTooDeep)
	}
	value, err := s.value(limit)
	if err != nil {
		return err
	}
	var m compressed
	if err := m.Parse(value, nil); err != nil {
		return err
	}
	if s.inflater == nil {
		if err := s.ask(inflaterSize); err != nil {
			return err
		}
		s.inflater = new(Decompressor)
	}
	spare := s.spare[:0]
	s.spare = nil // it may be collected when it has grown
	plain, err := s.inflater.inflate(spare, m, limit, s.reserve)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if len(plain) == 0 {
		return fmt.Errorf("empty compress: %w", ErrTruncated)
	}
	s.enter(plain)
	s.decompressed, s.compression = true, Compression(m.Algo)
	return nil
}

// PeerFeatures returns the features that what was read shows the peer to know.
func (s *StreamReader) PeerFeatures() Features {
	if s.decompressed && s.compression == Snappy {
		return FeatureSnappy
	}
	return 0
}

// enter makes s read the inside of a layer.
func (s *StreamReader) enter(inside []byte) {
	s.r, s.spare, s.buf, s.pos = nil, s.buf[:0], inside, 0
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

// fillWithin is fill, but within a value, so that the end of the stream is ErrTruncated.
func (s *StreamReader) fillWithin(want int) error {
	err := s.fill(want)
	if err == io.EOF { // as fill returns it
		return fmt.Errorf("stream: %w: %w", ErrTruncated, io.ErrUnexpectedEOF)
	}
	return err
}

// fill reads at least one more byte, and stops once want bytes are unread.
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
			return nil // a sticky error is returned again by the next read
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

// makeRoom moves the unread bytes to the front, if that at least halves buf's content, or to an array of up to twice
// the size. While States refer to buf, it copies only the unread bytes to a new array.
func (s *StreamReader) makeRoom(want int) error {
	if s.lent {
		size := max(min(2*cap(s.buf), want), streamBuffer)
		if err := s.ask(size); err != nil {
			return err
		}
		s.buf, s.pos, s.lent = append(make([]byte, 0, size), s.unread()...), 0, false
		return nil
	}
	if s.pos > 0 && 2*s.pos >= len(s.buf) {
		n := copy(s.buf, s.unread())
		s.buf, s.pos = s.buf[:n], 0
		return nil
	}
	// The read part is less than half, and is copied as well.
	buf, err := grow(s.buf, max(s.pos+want, streamBuffer), s.reserve)
	if err != nil {
		return err
	}
	s.buf = buf
	return nil
}
