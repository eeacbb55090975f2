package lzw

import (
	"encoding/binary"
	"errors"
	"io"
)

// ErrCode is returned for a code that is not in the table yet.
var ErrCode = errors.New("lzw: invalid code")

// Decoder decompresses. The zero value decodes empty input; it has a table of 16 KiB, so keep it and Reset it. Owned
// by one goroutine.
type Decoder struct {
	src   []byte // unread input
	bits  uint64 // read and unused, the first in the lowest
	nBits uint
	width uint
	next  uint32 // the code that the next read adds to the table; below firstCode: none
	owed  span   // decoded, but did not fit
	began bool
	base  int // start of the output
	err   error

	// starts has for each code the position in the output of the bytes that it stands for. They end with the first
	// byte of the next code read, whose own bytes start there.
	starts [numCodes + 1]uint32
}

// span is a place in the output.
type span struct{ at, len int }

// Reset sets the compressed input, which must not change until the last Append.
func (d *Decoder) Reset(src []byte) {
	d.src = src
	d.bits, d.nBits, d.owed, d.began, d.err = 0, 0, span{}, false, nil
	d.forget()
}

func (d *Decoder) forget() { d.width, d.next = startWidth, firstCode-1 }

// Append appends decompressed bytes to dst, up to its capacity, which may be written beyond the result's length. The
// error is nil if dst is full and there is more: call it again with the same bytes in a larger array. Otherwise it is
// io.EOF at the end (input after that is ignored), io.ErrUnexpectedEOF if the input ends earlier, or ErrCode, all
// unwrapped; the result has the bytes before the error. The output must be less than 4 GiB.
func (d *Decoder) Append(dst []byte) ([]byte, error) {
	if d.width == 0 {
		d.forget() // not reset yet
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

// decode writes to out from at on until out is full or the input ends, and returns the new end.
func (d *Decoder) decode(out []byte, at int) (int, error) {
	src, bits, nBits, width, next := d.src, d.bits, d.nBits, d.width, d.next // in registers
	var err error
	for {
		if nBits < width {
			if len(src) >= 8 {
				// Bits that were read but not counted are read again, to the same place.
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
			break // the code stays unread
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
		// The last byte of the newest code is the first byte of this copy.
		out[at+n-1] = out[from+n-1]
		at += n
	}
	d.src, d.bits, d.nBits, d.width, d.next = src, bits, nBits, width, next
	return at, err
}

// pay copies the owed bytes to out, as many as fit, and returns the new end of out.
func (d *Decoder) pay(out []byte, at int) int {
	n, from := min(d.owed.len, len(out)-at), d.base+d.owed.at
	for i := range n { // in order: the last byte may be the first one written here
		out[at+i] = out[from+i]
	}
	d.owed = span{d.owed.at + n, d.owed.len - n}
	return at + n
}
