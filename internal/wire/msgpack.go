package wire

import (
	"encoding/binary"
	"math"
)

// Descriptor bytes of msgpack. Ranges carry their value in the low bits.
const (
	mpFixMap   = 0x80 // ..0x8f
	mpFixArray = 0x90 // ..0x9f
	mpFixRaw   = 0xa0 // ..0xbf
	mpNil      = 0xc0
	mpUnused   = 0xc1
	mpFalse    = 0xc2
	mpTrue     = 0xc3
	mpBin8     = 0xc4
	mpBin16    = 0xc5
	mpBin32    = 0xc6
	mpExt8     = 0xc7
	mpExt16    = 0xc8
	mpExt32    = 0xc9
	mpFloat32  = 0xca
	mpFloat64  = 0xcb
	mpUint8    = 0xcc
	mpUint16   = 0xcd
	mpUint32   = 0xce
	mpUint64   = 0xcf
	mpInt8     = 0xd0
	mpInt16    = 0xd1
	mpInt32    = 0xd2
	mpInt64    = 0xd3
	mpFixExt1  = 0xd4
	mpFixExt2  = 0xd5
	mpFixExt4  = 0xd6
	mpFixExt8  = 0xd7
	mpFixExt16 = 0xd8
	mpRaw8     = 0xd9 // read, never written: the old format does not have it
	mpRaw16    = 0xda
	mpRaw32    = 0xdb
	mpArray16  = 0xdc
	mpArray32  = 0xdd
	mpMap16    = 0xde
	mpMap32    = 0xdf
	mpNegative = 0xe0 // ..0xff
)

// appendUint appends v in the shortest unsigned form.
func appendUint(dst []byte, v uint64) []byte {
	switch {
	case v < mpFixMap:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, mpUint8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpUint16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, mpUint32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, mpUint64), v)
}

// appendInt appends v in the shortest signed form, as go-msgpack does for Go's signed types, even if the unsigned
// form of a positive v is shorter.
func appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= -32 && v <= math.MaxInt8:
		return append(dst, byte(v))
	case v >= math.MinInt8 && v < 0:
		return append(dst, mpInt8, byte(v))
	case v >= math.MinInt16 && v <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(dst, mpInt16), uint16(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, mpInt32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, mpInt64), uint64(v))
}

// appendRawHeader appends the descriptor of n raw bytes.
func appendRawHeader(dst []byte, n int) []byte {
	switch {
	case n < mpNil-mpFixRaw:
		return append(dst, mpFixRaw|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpRaw16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, mpRaw32), uint32(n))
}

// appendBytes appends b as raw bytes; nil and empty differ.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, mpNil)
	}
	return append(appendRawHeader(dst, len(b)), b...)
}

func appendString(dst []byte, s string) []byte {
	return append(appendRawHeader(dst, len(s)), s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, mpTrue)
	}
	return append(dst, mpFalse)
}

// fields reads one msgpack map, field by field, for messages without a canonical reader (canonical.go). It reads the
// shapes that peers send. At anything else it gives up: ok is false, every later read returns zero, and the caller
// passes the same bytes to the fallback. So it may refuse valid input, but must not accept input that go-msgpack
// refuses, nor read another value.
type fields struct {
	b  []byte // unread bytes
	n  uint32 // remaining pairs, the current one included
	ok bool
}

// parseFields reads the header of the map.
func parseFields(body []byte) fields {
	f := fields{b: body, ok: true}
	switch c := f.byte(); {
	case c >= mpFixMap && c < mpFixArray:
		f.n = uint32(c & 0x0f)
	case c == mpMap16:
		f.n = uint32(f.uint(2))
	case c == mpMap32:
		f.n = uint32(f.uint(4))
	default:
		f.giveUp()
	}
	f.n++
	return f
}

func (f *fields) giveUp() {
	f.ok = false
	f.b = nil
}

// next reports whether there is another pair to read.
func (f *fields) next() bool {
	f.n--
	return f.ok && f.n > 0
}

// take cuts n bytes off.
func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.b)) {
		f.giveUp()
		return nil
	}
	b := f.b[:n:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) byte() byte {
	if len(f.b) == 0 {
		f.giveUp()
		return mpUnused
	}
	c := f.b[0]
	f.b = f.b[1:]
	return c
}

// uint reads a big-endian integer of 1, 2, 4 or 8 bytes.
func (f *fields) uint(size uint64) uint64 {
	var v uint64
	for _, c := range f.take(size) {
		v = v<<8 | uint64(c)
	}
	return v
}

// raw reads the bytes of a string or of binary data after descriptor c.
func (f *fields) raw(c byte) []byte {
	switch {
	case c >= mpFixRaw && c < mpNil:
		return f.take(uint64(c - mpFixRaw))
	case c == mpRaw8, c == mpBin8:
		return f.take(f.uint(1))
	case c == mpRaw16, c == mpBin16:
		return f.take(f.uint(2))
	case c == mpRaw32, c == mpBin32:
		return f.take(f.uint(4))
	}
	f.giveUp()
	return nil
}

// key reads the key of the current pair. It fails on an empty one, as go-msgpack does.
func (f *fields) key() []byte {
	key := f.raw(f.byte())
	if len(key) == 0 {
		f.giveUp()
	}
	return key
}

// bytes reads a value of raw bytes as a view; nil for nil.
func (f *fields) bytes() []byte {
	c := f.byte()
	if c == mpNil {
		return nil
	}
	return f.raw(c)
}

func (f *fields) string(names *Names) string {
	return names.Intern(f.bytes())
}

func (f *fields) bool() bool {
	switch f.byte() {
	case mpFalse, mpNil, 0:
		return false
	case mpTrue, 1:
		return true
	}
	f.giveUp()
	return false
}

// int64 reads an integer of any width. An unsigned one beyond 63 bits wraps around, as it does in go-msgpack.
func (f *fields) int64() int64 {
	switch c := f.byte(); c {
	case mpNil:
		return 0
	case mpUint8:
		return int64(f.uint(1))
	case mpUint16:
		return int64(f.uint(2))
	case mpUint32:
		return int64(f.uint(4))
	case mpUint64, mpInt64:
		return int64(f.uint(8))
	case mpInt8:
		return int64(int8(f.uint(1)))
	case mpInt16:
		return int64(int16(f.uint(2)))
	case mpInt32:
		return int64(int32(f.uint(4)))
	default:
		if c < mpFixMap || c >= mpNegative {
			return int64(int8(c))
		}
	}
	f.giveUp()
	return 0
}

// int reads an integer, which may be negative.
func (f *fields) int() int {
	v := f.int64()
	if int64(int(v)) != v {
		f.giveUp()
		return 0
	}
	return int(v)
}

// unsigned reads an integer of 0 to limit, which must be below 2^63.
func (f *fields) unsigned(limit int64) int64 {
	v := f.int64()
	if v < 0 || v > limit {
		f.giveUp()
		return 0
	}
	return v
}

// uint64 reads an integer that is not negative.
func (f *fields) uint64() uint64 {
	if len(f.b) > 0 && f.b[0] == mpUint64 {
		f.byte()
		return f.uint(8)
	}
	return uint64(f.unsigned(math.MaxInt64))
}

func (f *fields) uint32() uint32 { return uint32(f.unsigned(math.MaxUint32)) }
func (f *fields) uint16() uint16 { return uint16(f.unsigned(math.MaxUint16)) }
func (f *fields) uint8() uint8   { return uint8(f.unsigned(math.MaxUint8)) }

// skip passes over the value of an unknown key, as a newer peer may send. Containers and extensions are left to the
// fallback.
func (f *fields) skip() {
	switch c := f.byte(); {
	case c < mpFixMap, c >= mpNegative, c == mpNil, c == mpFalse, c == mpTrue:
	case c == mpUint8, c == mpInt8:
		f.take(1)
	case c == mpUint16, c == mpInt16:
		f.take(2)
	case c == mpUint32, c == mpInt32, c == mpFloat32:
		f.take(4)
	case c == mpUint64, c == mpInt64, c == mpFloat64:
		f.take(8)
	default:
		f.raw(c)
	}
}
