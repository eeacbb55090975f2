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
	deferred []deferred
	err      error
}

// deferred is a part of an encoding.
type deferred struct {
	at     int // in Buf
	encode func(*Encoder)
}

// Defer leaves a part of the encoding, at this place, to Finish: encode must not depend on what may change until then.
func (e *Encoder) Defer(encode func(*Encoder)) {
	e.deferred = append(e.deferred, deferred{len(e.Buf), encode})
}

// Finish returns Buf with the parts that were deferred. It does not change e: goroutines may call it at the same time.
func (e *Encoder) Finish() []byte {
	whole, from := Encoder{Base: e.Base, Withhold: e.Withhold}, 0
	for _, d := range e.deferred {
		whole.Buf = append(whole.Buf, e.Buf[from:d.at]...)
		d.encode(&whole)
		from = d.at
	}
	return append(whole.Buf, e.Buf[from:]...)
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
func (e *Encoder) Uvarint(v uint64) { e.Buf = AppendUvarint(e.Buf, v) }

// Varint appends a number that may be negative.
func (e *Encoder) Varint(v int64) { e.Buf = binary.AppendVarint(e.Buf, v) }

// Text appends a string.
func (e *Encoder) Text(s string) { e.Buf = AppendText(e.Buf, s) }

// Bytes appends bytes, and distinguishes nil from none.
func (e *Encoder) Bytes(b []byte) { e.Buf = AppendBytes(e.Buf, b) }

// AppendUvarint is Encoder.Uvarint.
func AppendUvarint(to []byte, v uint64) []byte {
	if v < 0x80 {
		return append(to, byte(v))
	}
	return binary.AppendUvarint(to, v)
}

// AppendText is Encoder.Text.
func AppendText[T string | []byte](to []byte, s T) []byte {
	return append(AppendUvarint(to, uint64(len(s))), s...)
}

// AppendBytes is Encoder.Bytes.
func AppendBytes(to, b []byte) []byte {
	if b == nil {
		return append(to, 0)
	}
	return append(AppendUvarint(to, uint64(len(b))+1), b...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of bytes that follow those with another checksum; 0 for none.
func Checksum(before uint32, b []byte) uint32 { return crc32.Update(before, castagnoli, b) }

// Metadata appends metadata: as bytes, or only its length and checksum.
func (e *Encoder) Metadata(b []byte) { e.Buf = AppendMetadata(e.Buf, b, e.Withhold) }

// AppendMetadata is Encoder.Metadata.
func AppendMetadata(to, b []byte, withhold bool) []byte {
	if !withhold || len(b) == 0 {
		return AppendBytes(to, b)
	}
	return binary.LittleEndian.AppendUint32(AppendUvarint(to, uint64(len(b))+1), Checksum(0, b))
}

func encodeWithheld(e *Encoder, v unsafe.Pointer) { e.Metadata(*(*[]byte)(v)) }

// The forms of an encoded time.
const (
	timeZero = iota
	timeRelative
	timeAbsolute
)

func (e *Encoder) time(t *time.Time) { e.Buf = AppendTime(e.Buf, *t, e.Base) }

// AppendTime appends a time as an Encoder with a Base does.
func AppendTime(to []byte, t, base time.Time) []byte {
	if t.IsZero() {
		return append(to, timeZero)
	}
	if after, ok := nanoseconds(t, base); ok {
		return binary.AppendVarint(append(to, timeRelative), after)
	}
	return binary.AppendVarint(binary.AppendVarint(append(to, timeAbsolute), t.Unix()), int64(t.Nanosecond()))
}

func (e *Encoder) addr(a *netip.Addr) { e.Buf = AppendAddr(e.Buf, *a) }

// AppendAddr appends an address as an Encoder does: its length, its bytes and, of 16 bytes, its zone.
func AppendAddr(to []byte, a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return append(to, 0)
	case a.Is4():
		b := a.As4()
		return append(append(to, 4), b[:]...)
	default:
		b := a.As16()
		return AppendText(append(append(to, 16), b[:]...), a.Zone())
	}
}
