package lzw

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Encoder compresses. The zero value is ready; it has tables of 48 KiB, so keep it. Owned by one goroutine.
//
// The code for a known code and one more byte is in children if it was the first added for that known code, else in
// table. That holds for nine of ten bytes, more in repetitive input, and needs no hash.
type Encoder struct {
	// children has for each code the first one that extends it: code<<childShift | hasChild | byte. 0: none.
	children [numCodes]uint32

	// table has the other extensions: key<<maxWidth | code, where the key is the extended code and the byte. 0 is
	// free. Open addressing, at most half full.
	table [tableSize]uint32
}

const (
	// tableSize is more than twice the number of codes before a clear.
	tableSize = 2 * numCodes

	// hasChild is set beside the byte of a child, to distinguish byte 0 from no child.
	hasChild   = 1 << 8
	childShift = 9

	// hashMultiplier spreads the keys: 2^32 divided by the golden ratio.
	hashMultiplier = 0x9e3779b1

	// wordSize is the number of bytes written at once.
	wordSize = 4
)

// Append appends compressed src to dst. They must not overlap.
func (e *Encoder) Append(dst, src []byte) []byte {
	out, _ := e.AppendWithin(dst, src, math.MaxInt)
	return out
}

// AppendWithin is Append, but gives up as soon as it knows that the result exceeds limit bytes: then it returns what dst
// has, perhaps with a larger capacity, and false. Bytes behind dst's length may have changed.
func (e *Encoder) AppendWithin(dst, src []byte, limit int) (out []byte, ok bool) {
	limit = min(limit, math.MaxInt-len(dst)-2*wordSize)
	w := codeWriter{out: dst, at: len(dst), end: len(dst) + limit, width: startWidth, last: endCode}
	w.makeRoom(min(limit, len(src)/2) + wordSize)
	w.put(clearCode)
	if len(src) > 0 {
		code := uint32(src[0])
		for src = src[1:]; len(src) > 0; {
			code, src = e.fillTable(&w, code, src)
		}
		w.put(code)
		w.learn()
	}
	w.put(endCode)
	return w.finish(len(dst))
}

// fillTable encodes src, which follows the bytes of code, until the table is full. It returns the code that is not
// written yet, and the rest of src, nil if the writer's limit was exceeded.
func (e *Encoder) fillTable(w *codeWriter, code uint32, src []byte) (uint32, []byte) {
	// There is at most one key for each byte, so that small input needs a small part of the table.
	size := bits.Len(uint(min(len(src), numCodes-1))) + 1
	shift, mask := uint(32-size), uint32(1)<<size-1
	clear(e.table[:mask+1])
	clear(e.children[:min(firstCode+len(src), numCodes)])
	fast := *w // in registers
next:
	for i, literal := range src {
		first, wanted := e.children[code], hasChild|uint32(literal)
		if first%(1<<childShift) == wanted {
			code = first >> childShift
			continue
		}
		key, slot := code<<8|uint32(literal), uint32(0)
		if first != 0 {
			slot = key * hashMultiplier >> (shift % 32)
			for {
				entry := e.table[slot%tableSize]
				if entry == 0 {
					break
				}
				if entry>>maxWidth == key {
					code = entry % numCodes
					continue next
				}
				slot = (slot + 1) & mask
			}
		}
		fast.bits |= uint64(code) << (fast.nBits % 64)
		fast.nBits += fast.width
		if fast.nBits >= 8*wordSize {
			if len(fast.out)-fast.at < wordSize {
				*w = fast
				if !w.makeRoom(wordSize) {
					return code, nil
				}
				fast = *w
			}
			binary.LittleEndian.PutUint32(fast.out[fast.at:], uint32(fast.bits))
			fast.at += wordSize
			fast.bits >>= 8 * wordSize
			fast.nBits -= 8 * wordSize
		}
		parent := code
		code = uint32(literal)
		fast.last++
		if fast.last>>(fast.width%32) != 0 {
			fast.width++
		}
		if fast.last == numCodes-1 {
			*w = fast
			w.forget()
			return code, src[i+1:]
		}
		if first == 0 {
			e.children[parent] = fast.last<<childShift | wanted
		} else {
			e.table[slot%tableSize] = key<<maxWidth | fast.last
		}
	}
	*w = fast
	return code, nil
}

// codeWriter writes codes as bits.
type codeWriter struct {
	out []byte // up to its capacity
	at  int    // the end of the written part
	end int    // the limit; exceeding it is noticed a little later

	bits  uint64 // not written yet, the first in the lowest: fewer than 32
	nBits uint
	width uint
	last  uint32 // the newest code in the table
}

// put writes a code.
func (w *codeWriter) put(code uint32) {
	w.bits |= uint64(code) << w.nBits
	w.nBits += w.width
	if w.nBits < 8*wordSize || !w.makeRoom(wordSize) {
		return
	}
	binary.LittleEndian.PutUint32(w.out[w.at:], uint32(w.bits))
	w.at += wordSize
	w.bits >>= 8 * wordSize
	w.nBits -= 8 * wordSize
}

// learn adds one more code.
func (w *codeWriter) learn() {
	w.last++
	if w.last == 1<<w.width {
		w.width++
	}
	if w.last == numCodes-1 {
		w.forget()
	}
}

// forget clears the table.
func (w *codeWriter) forget() {
	w.put(clearCode)
	w.width, w.last = startWidth, endCode
}

// makeRoom makes room for n more bytes, or returns false if the limit was exceeded.
func (w *codeWriter) makeRoom(n int) bool {
	if w.at > w.end {
		return false
	}
	if n > cap(w.out)-w.at {
		w.out = slices.Grow(w.out[:w.at], n)
	}
	w.out = w.out[:min(cap(w.out), w.end+2*wordSize)]
	return true
}

// finish writes the remaining bits and returns the output, or its first before bytes and false if that exceeds the limit.
func (w *codeWriter) finish(before int) (out []byte, ok bool) {
	if w.at > w.end {
		return w.out[:before], false
	}
	out = w.out[:w.at]
	for ; w.nBits > 0; w.nBits -= min(w.nBits, 8) {
		out = append(out, byte(w.bits))
		w.bits >>= 8
	}
	if len(out) > w.end {
		return out[:before], false
	}
	return out, true
}
