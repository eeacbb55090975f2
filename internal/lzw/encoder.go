package lzw

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Encoder compresses. The zero value is ready; it has tables of 48 KiB, so keep it. Owned by one goroutine.
//
// Of what a code stands for and one byte more, the code is found in children if it was the first that was learned for that
// code: so are nine of ten bytes, more of what repeats. It takes no hash, and what it does take for one byte can begin when
// the code before is known.
type Encoder struct {
	// children has for each code the first one that was learned from it: code<<childShift | hasChild | byte. 0: none.
	children [numCodes]uint32

	// table has the others: key<<maxWidth | code, where the key is the known code and then the byte. 0 is free. Open
	// addressing, at most half full.
	table [tableSize]uint32
}

const (
	// tableSize is above twice the number of codes that are learned before all is forgotten.
	tableSize = 2 * numCodes

	// hasChild is beside the byte of a child, so that no byte is that of none.
	hasChild   = 1 << 8
	childShift = 9

	// hashMultiplier spreads the keys: 2^32 divided by the golden ratio.
	hashMultiplier = 0x9e3779b1

	// wordSize is how many bytes are written at once.
	wordSize = 4
)

// Append appends to dst what src is compressed to. They must not overlap.
func (e *Encoder) Append(dst, src []byte) []byte {
	out, _ := e.AppendWithin(dst, src, math.MaxInt)
	return out
}

// AppendWithin is as Append, but gives up as soon as it knows that the result has more than limit bytes: then it reports
// false, and dst is as it was, but for what is behind its length.
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
	return w.finish(dst)
}

// fillTable encodes src, which comes after what code stands for, until no code is left to learn. It returns the code that
// is still to be put, and what is left of src: nothing if the writer's limit was passed.
func (e *Encoder) fillTable(w *codeWriter, code uint32, src []byte) (uint32, []byte) {
	// There is at most one key for each byte, so that a small input needs a small part of the table.
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
	out []byte // as far as there is room
	at  int    // how far it is written
	end int    // how far it may be written; that it was written further is seen a little later

	bits  uint64 // what is not yet written, the first in the lowest: fewer than 32
	nBits uint
	width uint
	last  uint32 // the code that was learned last
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

// learn takes one more code into use.
func (w *codeWriter) learn() {
	w.last++
	if w.last == 1<<w.width {
		w.width++
	}
	if w.last == numCodes-1 {
		w.forget()
	}
}

// forget tells that all that was learned is forgotten.
func (w *codeWriter) forget() {
	w.put(clearCode)
	w.width, w.last = startWidth, endCode
}

// makeRoom makes room for n more bytes, unless the end was passed.
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

// finish writes the bits that are left, and returns what was written, or dst if that is too much.
func (w *codeWriter) finish(dst []byte) (out []byte, ok bool) {
	if w.at > w.end {
		return dst, false
	}
	out = w.out[:w.at]
	for ; w.nBits > 0; w.nBits -= min(w.nBits, 8) {
		out = append(out, byte(w.bits))
		w.bits >>= 8
	}
	if len(out) > w.end {
		return dst, false
	}
	return out, true
}
