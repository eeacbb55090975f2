package recorder

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"time"
	"unsafe"
)

// Encoder appends to Buf.
type Encoder struct {
	Buf      []byte
	Base     time.Time // times are encoded relative to it, by the monotonic clock if they have it
	Withhold bool      // metadata: see Rules.Withheld

	references
	err error
}

// references are the pointers of a value that is encoded with Rules.References. What they point to follows the value itself, the largest
// first, since it may have others of these in it.
type references struct {
	numbers map[target]uint64  // of the values that have been encoded, counted from 1
	pending [][]unsafe.Pointer // by plan.queue
}

// target is a value to which references point.
type target struct {
	plan *plan
	at   unsafe.Pointer
}

func newReferences(targets int) references {
	return references{numbers: make(map[target]uint64), pending: make([][]unsafe.Pointer, targets)}
}

var errAliased = errors.New("a value is part of another one that is only found through it")

// known gives a number to a value that is being encoded.
func (r *references) note(p *plan, v unsafe.Pointer) (again bool) {
	one := target{p, v}
	if r.numbers[one] != 0 {
		return true
	}
	r.numbers[one] = uint64(len(r.numbers)) + 1
	return false
}

func (e *Encoder) known(p *plan, v unsafe.Pointer) {
	if e.note(p, v) {
		e.err = errAliased
	}
}

// refer encodes a reference.
func (e *Encoder) refer(to *plan, v unsafe.Pointer) {
	if v == nil {
		e.Byte(0)
		return
	}
	e.Byte(1)
	e.pending[to.queue] = append(e.pending[to.queue], v)
}

// follow encodes what the references point to: the number of a value that is known, or 0 and a value.
func (e *Encoder) follow(c *Codec) {
	for i := 0; i < len(c.targets); i++ {
		for len(e.pending[i]) > 0 {
			v, p := e.pending[i][0], c.targets[i]
			e.pending[i] = e.pending[i][1:]
			number := e.numbers[target{p, v}]
			e.Uvarint(number)
			if number != 0 {
				continue
			}
			p.put(e, v)
			i = 0 // it may have had references to larger ones
		}
	}
}

// Err returns the first error: that of a value in which references point to parts of others that are found too late.
func (e *Encoder) Err() error { return e.err }

// Byte appends a byte.
func (e *Encoder) Byte(b byte) { e.Buf = append(e.Buf, b) }

// Bool appends a bool.
func (e *Encoder) Bool(b bool) {
	if b {
		e.Byte(1)
	} else {
		e.Byte(0)
	}
}

// Uvarint appends a number.
func (e *Encoder) Uvarint(v uint64) { e.Buf = binary.AppendUvarint(e.Buf, v) }

// Varint appends a number that may be negative.
func (e *Encoder) Varint(v int64) { e.Buf = binary.AppendVarint(e.Buf, v) }

// Text appends a string.
func (e *Encoder) Text(s string) {
	e.Uvarint(uint64(len(s)))
	e.Buf = append(e.Buf, s...)
}

// Bytes appends bytes, and distinguishes nil from none.
func (e *Encoder) Bytes(b []byte) {
	if b == nil {
		e.Uvarint(0)
		return
	}
	e.Uvarint(uint64(len(b)) + 1)
	e.Buf = append(e.Buf, b...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of bytes that follow those with another checksum; 0 for none.
func Checksum(before uint32, b []byte) uint32 { return crc32.Update(before, castagnoli, b) }

// Metadata appends metadata: as bytes, or only its length and checksum.
func (e *Encoder) Metadata(b []byte) {
	if !e.Withhold || len(b) == 0 {
		e.Bytes(b)
		return
	}
	e.Uvarint(uint64(len(b)) + 1)
	e.Buf = binary.LittleEndian.AppendUint32(e.Buf, Checksum(0, b))
}

func encodeWithheld(e *Encoder, v unsafe.Pointer) { e.Metadata(*(*[]byte)(v)) }

// The forms of an encoded time.
const (
	timeZero = iota
	timeRelative
	timeAbsolute
)

func (e *Encoder) time(t *time.Time) {
	if t.IsZero() {
		e.Byte(timeZero)
		return
	}
	if after, ok := nanoseconds(*t, e.Base); ok {
		e.Byte(timeRelative)
		e.Varint(after)
		return
	}
	e.Byte(timeAbsolute)
	e.Varint(t.Unix())
	e.Varint(int64(t.Nanosecond()))
}

// addr appends an address: its length, its bytes and, of 16 bytes, its zone.
func (e *Encoder) addr(a *netip.Addr) {
	switch {
	case !a.IsValid():
		e.Byte(0)
	case a.Is4():
		b := a.As4()
		e.Byte(4)
		e.Buf = append(e.Buf, b[:]...)
	default:
		b := a.As16()
		e.Byte(16)
		e.Buf = append(e.Buf, b[:]...)
		e.Text(a.Zone())
	}
}
