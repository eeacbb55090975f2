package wire

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/golang/snappy"

	"github.com/e3431adc/memberlist/internal/lzw"
)

// Compression is an algorithm of compress messages.
type Compression uint8

// The algorithms.
const (
	LZW    Compression = 0 // as in internal/lzw; every member reads it
	Snappy Compression = 1 // one block of github.com/golang/snappy: FeatureSnappy
)

// maxSnappyRatio is the largest number of bytes that a byte of a block stands for, rounded up: a copy of 64 bytes takes three.
const maxSnappyRatio = 22

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
	Algo uint8  // a Compression
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
	out, header := beginCompress(dst, LZW)
	from := len(out)
	if out, ok = c.lzw.AppendWithin(out, src, limit-compressOverhead); !ok {
		return out[:len(dst)], false
	}
	out = endCompress(out, header, from)
	if len(out)-len(dst) > limit { // the header was longer than the shortest
		return out[:len(dst)], false
	}
	return out, true
}

// AppendSnappyShorter is Compressor.AppendShorter with Snappy.
func AppendSnappyShorter(dst, src []byte) (out []byte, ok bool) {
	if len(src) <= MaxIncompressible {
		return dst, false
	}
	out, header := beginCompress(dst, Snappy)
	from := len(out)
	out = endCompress(appendSnappy(out, src), header, from)
	if len(out)-len(dst) >= len(src) {
		return out[:len(dst)], false
	}
	return out, true
}

// beginCompress appends what precedes the content, with room for the longest header of the raw bytes. It returns where that begins.
func beginCompress(dst []byte, algorithm Compression) (out []byte, header int) {
	var longestHeader [5]byte
	out = append(dst, byte(TypeCompress), mpFixMap|2)
	out = appendUint(append(out, "\xa4Algo"...), uint64(algorithm))
	out = append(out, "\xa3Buf"...)
	return append(out, longestHeader[:]...), len(out)
}

// endCompress puts the header of the content, which begins at from, right before it.
func endCompress(out []byte, header, from int) []byte {
	content := out[from:]
	return append(appendRawHeader(out[:header], len(content)), content...) // moves to the left, if at all
}

func appendSnappy(dst, src []byte) []byte {
	dst = slices.Grow(dst, snappy.MaxEncodedLen(len(src)))
	block := snappy.Encode(dst[len(dst):cap(dst)], src) // in this memory, which is large enough
	return dst[:len(dst)+len(block)]
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
	switch Compression(m.Algo) {
	case LZW:
		return d.inflateLZW(dst, m.Buf, limit, reserve)
	case Snappy:
		return d.inflateSnappy(dst, m.Buf, limit, reserve)
	default:
		return dst, fmt.Errorf("algorithm %d: %w", m.Algo, ErrCompression)
	}
}

// inflateSnappy appends the content of a block. It says how long that is; no memory is taken for more than it can hold.
func (d *Decompressor) inflateSnappy(dst, block []byte, limit int, reserve func(n int) error) ([]byte, error) {
	size, err := snappy.DecodedLen(block)
	switch {
	case err != nil:
		return dst, fmt.Errorf("%w: %v", ErrCompression, err)
	case size > maxSnappyRatio*len(block):
		return dst, fmt.Errorf("%w: %d bytes in a block of %d", ErrCompression, size, len(block))
	case size > limit:
		return dst, fmt.Errorf("decompressed beyond %d bytes: %w", limit, ErrTooLarge)
	}
	start := len(dst)
	if cap(dst)-start < size {
		if dst, err = growTo(dst, start+size, reserve); err != nil {
			return dst[:start], err
		}
	}
	d.produced = size
	if _, err := snappy.Decode(dst[start:start+size], block); err != nil {
		return dst[:start], fmt.Errorf("%w: %v", ErrCompression, err)
	}
	return dst[:start+size], nil
}

func (d *Decompressor) inflateLZW(dst, packed []byte, limit int, reserve func(n int) error) ([]byte, error) {
	d.lzw.Reset(packed)
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
	return growTo(b, size, reserve)
}

// growTo returns b with a capacity.
func growTo(b []byte, size int, reserve func(n int) error) ([]byte, error) {
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
