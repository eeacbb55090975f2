package wire

import (
	"encoding/binary"
	"fmt"
)

// scanner finds where a msgpack value ends, without decoding it. It can go on when more bytes have arrived, so that a
// peer that sends byte by byte costs no more work than one that sends all at once. The zero value is ready.
type scanner struct {
	off   int // bytes of the value passed so far
	depth int // containers we are inside of
	left  [maxValueDepth]uint64
}

// scan goes on through b, which begins where the value does and holds at least what it held in the last call. done
// means the value is b[:s.off]; neither done nor an error means more bytes are needed. A value that will not end
// within limit bytes is refused with ErrTooLarge as soon as that is known.
func (s *scanner) scan(b []byte, limit int) (done bool, err error) {
	for {
		size, children, whole := measure(b[s.off:])
		if size > uint64(limit-s.off) {
			return false, fmt.Errorf("msgpack value beyond %d bytes: %w", limit, ErrTooLarge)
		}
		if !whole {
			return false, nil
		}
		if b[s.off] == mpUnused {
			return false, fmt.Errorf("msgpack descriptor 0xc1: %w", ErrMalformed)
		}
		s.off += int(size)
		if s.depth > 0 {
			s.left[s.depth-1]--
		}
		if isContainer(b[s.off-int(size)]) {
			if s.depth+1 >= maxValueDepth {
				return false, fmt.Errorf("msgpack value: %w", ErrTooDeep)
			}
			s.left[s.depth] = children
			s.depth++
		}
		for s.depth > 0 && s.left[s.depth-1] == 0 {
			s.depth--
		}
		if s.depth == 0 {
			return true, nil
		}
	}
}

func isContainer(c byte) bool {
	return c >= mpFixMap && c < mpFixRaw || c >= mpArray16 && c <= mpMap32
}

// measure returns how many bytes the value at the start of b takes, its children not included, as far as b tells;
// how many values it contains; and whether b holds those bytes.
func measure(b []byte) (size, children uint64, whole bool) {
	if len(b) == 0 {
		return 1, 0, false
	}
	c := b[0]
	switch {
	case c < mpFixMap, c >= mpNegative:
		return 1, 0, true
	case c < mpFixArray:
		return 1, 2 * uint64(c&0x0f), true
	case c < mpFixRaw:
		return 1, uint64(c & 0x0f), true
	case c < mpNil:
		size = 1 + uint64(c-mpFixRaw)
		return size, 0, size <= uint64(len(b))
	}
	shape := shapes[c-mpNil]
	size = 1 + uint64(shape.width) + uint64(shape.fixed)
	if uint64(len(b)) < 1+uint64(shape.width) {
		return size, 0, false
	}
	var n uint64
	switch shape.width {
	case 1:
		n = uint64(b[1])
	case 2:
		n = uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		n = uint64(binary.BigEndian.Uint32(b[1:]))
	}
	if shape.perUnit > 0 {
		return size, n * uint64(shape.perUnit), true
	}
	size += n
	return size, 0, size <= uint64(len(b))
}

// shape is how the value behind a descriptor of 0xc0 to 0xdf is laid out: a length of width bytes, fixed bytes, and as
// many bytes as the length says, or perUnit values for each one that it counts.
type shape struct{ width, fixed, perUnit uint8 }

var shapes = [mpNegative - mpNil]shape{
	mpBin8 - mpNil:     {width: 1},
	mpBin16 - mpNil:    {width: 2},
	mpBin32 - mpNil:    {width: 4},
	mpExt8 - mpNil:     {width: 1, fixed: 1},
	mpExt16 - mpNil:    {width: 2, fixed: 1},
	mpExt32 - mpNil:    {width: 4, fixed: 1},
	mpFloat32 - mpNil:  {fixed: 4},
	mpFloat64 - mpNil:  {fixed: 8},
	mpUint8 - mpNil:    {fixed: 1},
	mpUint16 - mpNil:   {fixed: 2},
	mpUint32 - mpNil:   {fixed: 4},
	mpUint64 - mpNil:   {fixed: 8},
	mpInt8 - mpNil:     {fixed: 1},
	mpInt16 - mpNil:    {fixed: 2},
	mpInt32 - mpNil:    {fixed: 4},
	mpInt64 - mpNil:    {fixed: 8},
	mpFixExt1 - mpNil:  {fixed: 2},
	mpFixExt2 - mpNil:  {fixed: 3},
	mpFixExt4 - mpNil:  {fixed: 5},
	mpFixExt8 - mpNil:  {fixed: 9},
	mpFixExt16 - mpNil: {fixed: 17},
	mpRaw8 - mpNil:     {width: 1},
	mpRaw16 - mpNil:    {width: 2},
	mpRaw32 - mpNil:    {width: 4},
	mpArray16 - mpNil:  {width: 2, perUnit: 1},
	mpArray32 - mpNil:  {width: 4, perUnit: 1},
	mpMap16 - mpNil:    {width: 2, perUnit: 2},
	mpMap32 - mpNil:    {width: 4, perUnit: 2},
}
