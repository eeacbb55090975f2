package lzw

import (
	"encoding/binary"
	"errors"
	"io"
)

// ErrCode means a code that was not learned before it came.
var ErrCode = errors.New("lzw: invalid code")

// Decoder decompresses. The zero value is a decoder of nothing; it has a table of 32 KiB, so keep it and Reset it. Owned
// by one goroutine.
type Decoder struct {
	src   []byte // what was not read yet
	bits  uint64 // read but not used, the first in the lowest
	nBits uint
	width uint
	next  uint32 // the code that is learned next
	last  span   // what the last code stood for; 0: there was none since all was forgotten
	owed  span   // what had no room
	began bool
	base  int // where the output begins
	err   error

	// learned says of each code where in the output that is which it stands for.
	learned [numCodes]span
}

// span is a place in the output: its beginning, then, in the low bits, its length, which is below 2^12.
type span uint64

func spanOf(at, n int) span { return span(at)<<maxWidth | span(n) }

func (s span) at() int  { return int(s >> maxWidth) }
func (s span) len() int { return int(s % (1 << maxWidth)) }

// Reset begins with the compressed bytes of src, which must not change until the last Append.
func (d *Decoder) Reset(src []byte) {
	d.src = src
	d.bits, d.nBits, d.owed, d.began, d.err = 0, 0, 0, false, nil
	d.forget()
}

func (d *Decoder) forget() { d.width, d.next, d.last = startWidth, firstCode, 0 }

// Append appends what comes out to dst, up to its capacity, which may be written beyond the result's length. The error is
// nil if there is more to come than dst has room for: the next call is to be given the same bytes in a larger array.
// Otherwise it is io.EOF at the end, what follows it being ignored, io.ErrUnexpectedEOF if the source ends before that, or
// ErrCode; all of them unwrapped. It returns what came out before.
func (d *Decoder) Append(dst []byte) ([]byte, error) {
	if d.width == 0 {
		d.forget() // it was never reset
	}
	if !d.began {
		d.began, d.base = true, len(dst)
	}
	out, at := dst[:cap(dst)], len(dst)
	if d.owed != 0 {
		at = d.pay(out, at)
	}
	if d.owed != 0 || d.err != nil {
		return out[:at], d.err
	}
	at, d.err = d.decode(out, at)
	return out[:at], d.err
}

// decode writes to out from at on until it is full or there is no more, and returns how far it came.
func (d *Decoder) decode(out []byte, at int) (int, error) {
	src, bits, nBits, width, next, last := d.src, d.bits, d.nBits, d.width, d.next, d.last // in registers
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
			width, next, last = startWidth, firstCode, 0
			continue
		}
		learns := last != 0 && next < numCodes
		if code > next || code == next && !learns {
			err = ErrCode
			break
		}
		if at == len(out) {
			break // the code stays where it is
		}
		bits >>= width % 64
		nBits -= width
		if learns {
			d.learned[next%numCodes] = last + 1
			next++
			if next>>(width%32) != 0 && width < maxWidth {
				width++
			}
		}
		if code < clearCode {
			out[at] = byte(code)
			last = spanOf(at-d.base, 1)
			at++
			continue
		}
		s := d.learned[code%numCodes]
		n, from := s.len(), d.base+s.at()
		last = spanOf(at-d.base, n)
		if len(out)-at < n+8 {
			d.owed = s
			at = d.pay(out, at)
			if d.owed != 0 {
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
	d.src, d.bits, d.nBits, d.width, d.next, d.last = src, bits, nBits, width, next, last
	return at, err
}

// pay copies what is owed to out, as far as there is room, and returns how far out is written now.
func (d *Decoder) pay(out []byte, at int) int {
	n, from := min(d.owed.len(), len(out)-at), d.base+d.owed.at()
	for i := range n { // in order: the last byte may be the first that is written here
		out[at+i] = out[from+i]
	}
	d.owed = spanOf(d.owed.at()+n, d.owed.len()-n)
	if d.owed.len() == 0 {
		d.owed = 0
	}
	return at + n
}
