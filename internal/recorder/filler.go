package recorder

import "encoding/binary"

// filler returns n bytes with a CRC-32C, in place of others with the same one; false if there are none.
//
// Bytes of equal length and checksum are interchangeable for a checksum of any bytes around them. So the checksum of what a recorded
// core put out, with metadata in it, is that of what a replayed core puts out, with filler in its place.
func filler(n int, sum uint32) (b []byte, ok bool) {
	b = make([]byte, n)
	free := max(n-4, 0) // may be anything
	for i := range free {
		b[i] = fill
	}
	register, wanted := ^Checksum(0, b[:free]), ^sum
	for range n - free {
		wanted = before(wanted)
	}
	var last [4]byte
	binary.LittleEndian.PutUint32(last[:], register^wanted)
	copy(b[free:], last[:n-free])
	return b, Checksum(0, b) == sum
}

const fill = '.'

// before returns the register of a CRC-32C before it took a byte of 0.
func before(register uint32) uint32 {
	for i, entry := range castagnoli {
		if entry>>24 == register>>24 {
			return (register^entry)<<8 | uint32(i)
		}
	}
	return 0 // impossible: each upper byte is in the table once
}
