package wire

import (
	"bytes"
	"compress/lzw"
	"errors"
	"fmt"
	"io"
)

// algoLZW is the one algorithm there is: LZW in LSB order, literals of 8 bits.
const (
	algoLZW    = 0
	lzwOrder   = lzw.LSB
	lzwLiteral = 8
)

// compressed is the body of a compress message.
type compressed struct {
	Algo uint8
	Buf  []byte // a whole message, type byte and body
}

// Parse sets every field from body; see Ping.Parse. Buf is a view into body.
func (m *compressed) Parse(body []byte, names *Names) error {
	if !m.parse(body) {
		return fallback("compress", body, m)
	}
	return nil
}

func (m *compressed) parse(body []byte) bool {
	*m = compressed{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "Algo":
			m.Algo = f.uint8()
		case "Buf":
			m.Buf = f.bytes()
		default:
			f.skip()
		}
	}
	return f.ok
}

// Compressor makes compress messages. The zero value is ready; it reuses its tables, so keep it. Owned by one goroutine.
type Compressor struct {
	lzw *lzw.Writer
	out sink
}

// sink collects what the LZW writer writes. With these methods the writer needs no buffer of its own.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) { s.b = append(s.b, p...); return len(p), nil }
func (s *sink) WriteByte(c byte) error      { s.b = append(s.b, c); return nil }
func (s *sink) Flush() error                { return nil }

// Append appends to dst a compress message, type byte and body, that holds src, itself a message with its type byte.
// src and dst must not overlap. Whether the result is shorter is for the caller to see. No error is known to happen.
func (c *Compressor) Append(dst, src []byte) ([]byte, error) {
	if cap(c.out.b) > maxScratch {
		c.out.b = nil
	}
	c.out.b = c.out.b[:0]
	if c.lzw == nil {
		c.lzw = lzw.NewWriter(&c.out, lzwOrder, lzwLiteral).(*lzw.Writer)
	} else {
		c.lzw.Reset(&c.out, lzwOrder, lzwLiteral)
	}
	if _, err := c.lzw.Write(src); err != nil {
		return dst, fmt.Errorf("compress: %w", err)
	}
	if err := c.lzw.Close(); err != nil {
		return dst, fmt.Errorf("compress: %w", err)
	}
	dst = append(dst, byte(TypeCompress), mpFixMap|2)
	dst = appendUint(append(dst, "\xa4Algo"...), algoLZW)
	return appendBytes(append(dst, "\xa3Buf"...), c.out.b), nil
}

// Decompressor opens compress messages. The zero value is ready; it reuses its tables, so keep it. Owned by one goroutine.
type Decompressor struct {
	lzw *lzw.Reader
	src bytes.Reader
	one [1]byte

	produced int // bytes that came out in the last call, whether it failed or not
}

// Append appends to dst the message that is compressed in body, which is what follows the type byte. dst must not
// overlap body. It grows as bytes come out, and not beyond limit bytes of them, which is ErrTooLarge. Other errors are
// ErrCompression and those of Ping.Parse. On an error dst is returned as it was.
func (d *Decompressor) Append(dst, body []byte, limit int) ([]byte, error) {
	d.produced = 0
	var m compressed
	if err := m.Parse(body, nil); err != nil {
		return dst, err
	}
	return d.inflate(dst, m, limit, nil)
}

// inflate appends what m holds to dst. If reserve is not nil it is asked before dst grows, for that many bytes.
func (d *Decompressor) inflate(dst []byte, m compressed, limit int, reserve func(n int) error) ([]byte, error) {
	d.produced = 0
	if m.Algo != algoLZW {
		return dst, fmt.Errorf("algorithm %d: %w", m.Algo, ErrCompression)
	}
	d.src.Reset(m.Buf)
	defer d.src.Reset(nil) // do not keep the packet
	if d.lzw == nil {
		d.lzw = lzw.NewReader(&d.src, lzwOrder, lzwLiteral).(*lzw.Reader)
	} else {
		d.lzw.Reset(&d.src, lzwOrder, lzwLiteral)
	}
	out := dst
	for {
		room := limit - (len(out) - len(dst))
		if room <= 0 {
			if err := d.expectEnd(limit); err != nil {
				return dst, err
			}
			return out, nil
		}
		if len(out) == cap(out) {
			grown, err := grow(out, limit+len(dst), reserve)
			if err != nil {
				return dst, err
			}
			out = grown
		}
		n, err := d.lzw.Read(out[len(out):min(cap(out), len(out)+room)])
		out = out[:len(out)+n]
		d.produced += n
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return dst, fmt.Errorf("%w: %v", ErrCompression, err)
		}
	}
}

// expectEnd returns nil if nothing more comes out.
func (d *Decompressor) expectEnd(limit int) error {
	n, err := d.lzw.Read(d.one[:])
	if n > 0 {
		return fmt.Errorf("decompressed beyond %d bytes: %w", limit, ErrTooLarge)
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %v", ErrCompression, err)
	}
	return nil
}

// grow returns b with about twice its capacity, or with a capacity of limit, which must be above its length. If reserve
// is not nil it is asked first.
func grow(b []byte, limit int, reserve func(n int) error) ([]byte, error) {
	size := max(2*cap(b), streamBuffer)
	if size+size/8 > limit {
		size = limit // now, rather than soon once more for little
	}
	if reserve != nil {
		if err := reserve(size - cap(b)); err != nil {
			return b, err
		}
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	return grown, nil
}
