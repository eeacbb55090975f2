package lzw

import (
	"encoding/binary"
	"errors"
	"io"
)

// ErrCode means a code that was not learned before it came.
var ErrCode = errors.New("lzw: invalid code")

// Decoder decompresses. The zero value is a decoder of nothing; it has a table of 16 KiB, so keep it and Reset it. Owned
// by one goroutine.
type Decoder struct {
	src   []byte // what was not read yet
	bits  uint64 // read but not used, the first in the lowest
	nBits uint
	width uint
	next  uint32 // the code that is learned when the next one is read; below firstCode: none
	owed  span   // what had no room
	began bool
	base  int // where the output begins
	err   error

	// starts says of each code where in the output that begins which it stands for. That ends with its first byte of what
	// was read next, which is where that of the next code begins.
	starts [numCodes + 1]uint32
}

// span is a place in the output.
type span struct{ at, len int }

// Reset begins with the compressed bytes of src, which must not change until the last Append.
func (d *Decoder) Reset(src []byte) {
	d.src = src
	d.bits, d.nBits, d.owed, d.began, d.err = 0, 0, span{}, false, nil
	d.forget()
}

func (d *Decoder) forget() { d.width, d.next = startWidth, firstCode-1 }

// Append appends what comes out to dst, up to its capacity, which may be written beyond the result's length. The error is
// nil if there is more to come than dst has room for: the next call is to be given the same bytes in a larger array.
// Otherwise it is io.EOF at the end, what follows it being ignored, io.ErrUnexpectedEOF if the source ends before that, or
// ErrCode; all of them unwrapped. It returns what came out before. All that comes out has less than 4 GiB.
func (d *Decoder) Append(dst []byte) ([]byte, error) {
	if d.width == 0 {
		d.forget() // it was never reset
	}
	if !d.began {
		d.began, d.base = true, len(dst)
	}
	out, at := dst[:cap(dst)], len(dst)
	if d.owed.len > 0 {
		at = d.pay(out, at)
	}
	if d.owed.len > 0 || d.err != nil {
		return out[:at], d.err
	}
	at, d.err = d.decode(out, at)
	return out[:at], d.err
}

// decode writes to out from at on until it is full or there is no more, and returns how far it came.
func (d *Decoder) decode(out []byte, at int) (int, error) {
	src, bits, nBits, width, next := d.src, d.bits, d.nBits, d.width, d.next // in registers
	var err error
	for {
		if nBits < width {
			if len(src) >= 8 {
				// Bits that are read but not counted are read again, to the same place.
				bits |= binary.LittleEndian.Uint64(src) << (nBits % 64)
				n := (63 - nBits) / 8
				src = src[n:]
				nBits += 8 * n
			} else {
				for ; len(src) > 0 && nBits < width; nBits += 8 {
					bits |= uint64(src[0]) << (nBits % 64)
					src = src[1:]
				}
				if nBits < width {
					err = io.ErrUnexpectedEOF
					break
				}
			}
		}
		code := uint32(bits) & (1<<(width%32) - 1)
		if code == clearCode || code == endCode {
			bits >>= width % 64
			nBits -= width
			if code == endCode {
				err = io.EOF
				break
			}
			width, next = startWidth, firstCode-1
			continue
		}
		if code > next {
			err = ErrCode
			break
		}
		if at == len(out) {
			break // the code stays where it is
		}
		bits >>= width % 64
		nBits -= width
		if next < numCodes {
			next++
			d.starts[next] = uint32(at - d.base)
			if next>>(width%32) != 0 && width < maxWidth {
				width++
			}
		}
		if code < clearCode {
			out[at] = byte(code)
			at++
			continue
		}
		start := d.starts[code%numCodes]
		n, from := int(d.starts[code%numCodes+1]-start)+1, d.base+int(start)
		if len(out)-at < n+8 {
			d.owed = span{int(start), n}
			at = d.pay(out, at)
			if d.owed.len > 0 {
				break
			}
			continue
		}
		for i := 0; i < n; i += 8 {
			binary.LittleEndian.PutUint64(out[at+i:], binary.LittleEndian.Uint64(out[from+i:]))
		}
		// Of the code that was learned right now, the last byte is the first of this copy.
		out[at+n-1] = out[from+n-1]
		at += n
	}
	d.src, d.bits, d.nBits, d.width, d.next = src, bits, nBits, width, next
	return at, err
}

// pay copies what is owed to out, as far as there is room, and returns how far out is written now.
func (d *Decoder) pay(out []byte, at int) int {
	n, from := min(d.owed.len, len(out)-at), d.base+d.owed.at
	for i := range n { // in order: the last byte may be the first that is written here
		out[at+i] = out[from+i]
	}
	d.owed = span{d.owed.at + n, d.owed.len - n}
	return at + n
}
