package wire

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/e3431adc/memberlist/internal/lzw"
)

// algoLZW is the only algorithm: LZW as in internal/lzw.
const algoLZW = 0

const (
	// compressOverhead is the size in bytes of a compress message without its content: the type, the map, the keys,
	// the algorithm and the shortest header of raw bytes.
	compressOverhead = 13

	// MaxIncompressible is the length in bytes up to which no compress message is shorter than its content: k codes
	// stand for at most 1+2+...+k bytes, and have 9 bits each, as do the clear and end codes around them.
	MaxIncompressible = 24
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

// Compressor makes compress messages. The zero value is ready; it has tables of 48 KiB, so keep it. Owned by one
// goroutine.
type Compressor struct{ lzw lzw.Encoder }

// Append appends to dst a compress message, type byte and body, that holds src, itself a message with its type byte.
// src and dst must not overlap.
func (c *Compressor) Append(dst, src []byte) []byte {
	out, _ := c.append(dst, src, math.MaxInt)
	return out
}

// AppendShorter is Append if the result is shorter than src. Otherwise it returns dst unchanged and false, and stops
// early.
func (c *Compressor) AppendShorter(dst, src []byte) (out []byte, ok bool) {
	if len(src) <= MaxIncompressible {
		return dst, false
	}
	return c.append(dst, src, len(src)-1)
}

// append appends a compress message of at most limit bytes.
func (c *Compressor) append(dst, src []byte, limit int) (out []byte, ok bool) {
	var longestHeader [5]byte
	start := len(dst)
	out = append(dst, byte(TypeCompress), mpFixMap|2)
	out = appendUint(append(out, "\xa4Algo"...), algoLZW)
	out = append(out, "\xa3Buf"...)
	header := len(out)
	out = append(out, longestHeader[:]...)
	from := len(out)
	out, ok = c.lzw.AppendWithin(out, src, limit-compressOverhead)
	if !ok {
		return out[:start], false
	}
	packed := out[from:]
	out = append(appendRawHeader(out[:header], len(packed)), packed...) // moves to the left, if at all
	if len(out)-start > limit {                                         // the header was longer than the shortest
		return out[:start], false
	}
	return out, true
}

// Decompressor opens compress messages. The zero value is ready; it has a table of 16 KiB, so keep it. Owned by one
// goroutine.
type Decompressor struct {
	lzw      lzw.Decoder
	produced int // bytes decompressed by the last call, also if it failed
}

// Append appends to dst the message that is compressed in body, which follows the type byte. dst must not overlap
// body. It grows with the decompressed bytes, up to limit of them; more is ErrTooLarge. Other errors are
// ErrCompression and those of Ping.Parse. On an error the returned slice has dst's length and bytes; bytes behind its
// length may have changed.
func (d *Decompressor) Append(dst, body []byte, limit int) ([]byte, error) {
	d.produced = 0
	var m compressed
	if err := m.Parse(body, nil); err != nil {
		return dst, err
	}
	out, err := d.inflate(dst, m, limit, nil)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// inflate appends the content of m to dst, which grows as grow says.
func (d *Decompressor) inflate(dst []byte, m compressed, limit int, reserve func(n int) error) ([]byte, error) {
	d.produced = 0
	if m.Algo != algoLZW {
		return dst, fmt.Errorf("algorithm %d: %w", m.Algo, ErrCompression)
	}
	d.lzw.Reset(m.Buf)
	defer d.lzw.Reset(nil) // do not keep the packet
	start := len(dst)
	end := start + max(limit, 0)
	for {
		written, err := d.lzw.Append(dst[:len(dst):min(cap(dst), end)])
		dst = dst[:len(written)]
		d.produced = len(dst) - start
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst[:start], fmt.Errorf("%w: %v", ErrCompression, err)
		case len(dst) >= end:
			return dst[:start], fmt.Errorf("decompressed beyond %d bytes: %w", limit, ErrTooLarge)
		}
		if dst, err = grow(dst, end, reserve); err != nil {
			return dst[:start], err
		}
	}
}

// grow returns b with about twice its capacity, four times while that is small, at most limit, which must exceed its
// length. reserve, if not nil, is called before with the new capacity, and may refuse, and after with the negative of
// the old one: until b is copied, both take memory.
func grow(b []byte, limit int, reserve func(n int) error) ([]byte, error) {
	size := max(2*cap(b), streamBuffer)
	if cap(b) <= littleMemory {
		size = max(4*cap(b), streamBuffer)
	}
	if size+size/8 > limit {
		size = limit // avoids a second, small step
	}
	if reserve != nil {
		if err := reserve(size); err != nil {
			return b, err
		}
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	if reserve != nil && cap(b) > 0 {
		if err := reserve(-cap(b)); err != nil {
			return b, err
		}
	}
	return grown, nil
}
