package recorder

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"time"
	"unsafe"
)

// ErrCorrupt is wrapped by the errors of reading bytes that no recorder has written.
var ErrCorrupt = errors.New("corrupt recording")

// Decoder reads what an Encoder has appended. After the first error all that it reads is zero.
type Decoder struct {
	Base     time.Time
	Withhold bool

	unread []byte
	err    error
	filler int // how many bytes of filler may still be made

	known   []target
	pending [][]unsafe.Pointer // the references that are still to be set
	later   []func()
}

// NewDecoder returns a Decoder of b.
func NewDecoder(b []byte, base time.Time, withhold bool) *Decoder {
	return &Decoder{unread: b, Base: base, Withhold: withhold, filler: leastFiller + maxFiller*len(b)}
}

// Len returns the number of unread bytes.
func (d *Decoder) Len() int { return len(d.unread) }

// Rest returns the unread bytes.
func (d *Decoder) Rest() []byte { return d.unread }

// Peek returns the next byte without reading it; 0 if there is none.
func (d *Decoder) Peek() byte {
	if len(d.unread) == 0 {
		return 0
	}
	return d.unread[0]
}

// Skip reads n bytes and drops them.
func (d *Decoder) Skip(n int) { d.Fixed(n) }

// Err returns the first error, which wraps ErrCorrupt.
func (d *Decoder) Err() error { return d.err }

// Fail makes d fail.
func (d *Decoder) Fail() {
	if d.err == nil {
		d.err = ErrCorrupt
	}
	d.unread = nil
}

// Later has f called when the value that is being decoded is complete but for what such functions do.
func (d *Decoder) Later(f func()) { d.later = append(d.later, f) }

// follow decodes what the references point to.
func (d *Decoder) follow(c *Codec) {
	for i := 0; i < len(c.targets) && d.err == nil; i++ {
		for len(d.pending[i]) > 0 && d.err == nil {
			slot, p := d.pending[i][0], c.targets[i]
			d.pending[i] = d.pending[i][1:]
			number := d.Uvarint()
			if number != 0 {
				d.refer(slot, p, number)
				continue
			}
			if d.err != nil {
				return
			}
			one := reflect.New(p.typ).UnsafePointer()
			*(*unsafe.Pointer)(slot) = one
			p.get(d, one)
			i = 0
		}
	}
}

// refer makes a reference one to a known value.
func (d *Decoder) refer(slot unsafe.Pointer, p *plan, number uint64) {
	if number > uint64(len(d.known)) || d.known[number-1].plan != p {
		d.Fail()
		return
	}
	*(*unsafe.Pointer)(slot) = d.known[number-1].at
}

// Fixed returns the next n bytes, at most 64, or n zeros if there are fewer.
func (d *Decoder) Fixed(n int) []byte {
	if n > len(d.unread) {
		d.Fail()
		return make([]byte, min(n, maxZeros))
	}
	b := d.unread[:n:n]
	d.unread = d.unread[n:]
	return b
}

// maxZeros is at least the number of bytes of any value that is read with Fixed.
const maxZeros = 64

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if len(d.unread) == 0 {
		d.Fail()
		return 0
	}
	b := d.unread[0]
	d.unread = d.unread[1:]
	return b
}

// Bool reads a bool.
func (d *Decoder) Bool() bool { return d.Byte() != 0 }

// Uvarint reads a number.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.unread)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.unread = d.unread[n:]
	return v
}

// Varint reads a number that may be negative.
func (d *Decoder) Varint() int64 {
	v, n := binary.Varint(d.unread)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.unread = d.unread[n:]
	return v
}

// Text reads a string.
func (d *Decoder) Text() string {
	n := d.Uvarint()
	if n > uint64(len(d.unread)) {
		d.Fail()
		return ""
	}
	return string(d.Fixed(int(n)))
}

// length reads the number of elements that have at least this many bytes each; false stands for nil.
func (d *Decoder) length(least int) (n int, ok bool) {
	v := d.Uvarint()
	if v == 0 {
		return 0, false
	}
	if v--; v > uint64(len(d.unread)/max(least, 1)) {
		d.Fail()
		return 0, false
	}
	return int(v), true
}

// Bytes reads bytes, in memory of their own.
func (d *Decoder) Bytes() []byte {
	n, ok := d.length(1)
	if !ok {
		return nil
	}
	return append(make([]byte, 0, n), d.Fixed(n)...)
}

// A Decoder makes at most leastFiller bytes of filler, and maxFiller for each byte that it reads. Metadata takes at least six bytes and a
// message around it, and has no more than 512; the payload of an ack takes twenty, and is in a packet.
const (
	leastFiller = 64 << 10
	maxFiller   = 64
)

// Metadata reads metadata. If it was withheld it is other bytes of the same length and checksum.
func (d *Decoder) Metadata() []byte {
	if !d.Withhold {
		return d.Bytes()
	}
	n := d.Uvarint()
	if n == 0 {
		return nil
	}
	if n--; n == 0 {
		return []byte{}
	}
	sum := d.Fixed(4)
	if d.err != nil || n > uint64(d.filler) {
		d.Fail()
		return nil
	}
	d.filler -= int(n)
	b, ok := filler(int(n), binary.LittleEndian.Uint32(sum))
	if !ok {
		d.Fail()
	}
	return b
}

func decodeWithheld(d *Decoder, v unsafe.Pointer) { *(*[]byte)(v) = d.Metadata() }

func (d *Decoder) time(t *time.Time) {
	switch d.Byte() {
	case timeZero:
		*t = time.Time{}
	case timeRelative:
		*t = d.Base.Add(time.Duration(d.Varint()))
	case timeAbsolute:
		*t = time.Unix(d.Varint(), d.Varint()).UTC()
	default:
		d.Fail()
	}
}

func (d *Decoder) addr(a *netip.Addr) {
	switch d.Byte() {
	case 0:
		*a = netip.Addr{}
	case 4:
		*a = netip.AddrFrom4([4]byte(d.Fixed(4)))
	case 16:
		*a = netip.AddrFrom16([16]byte(d.Fixed(16))).WithZone(d.Text())
	default:
		d.Fail()
	}
}
