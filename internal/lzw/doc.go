// Package lzw implements LZW with the least significant bits first and 8-bit literals, the variant of the protocol.
// It writes the same bytes as compress/lzw with LSB and a literal width of 8, and reads the same input.
//
// It is several times faster for packets. compress/lzw clears tables of 78 KB for each use and follows a chain of
// prefixes for each code; this package clears only as much as the input can fill, and copies from earlier output.
//
//	codes 0..255       a byte
//	code  256          clear the table; codes have 9 bits again
//	code  257          the end
//	codes 258..4095    the previous code's bytes and one more
//
// A code has the width of the largest possible one at that point, 9 to 12 bits. Fuzz tests compare both directions
// with compress/lzw.
package lzw

const (
	clearCode  = 256
	endCode    = 257
	firstCode  = 258 // the first in the table
	numCodes   = 1 << maxWidth
	startWidth = 9
	maxWidth   = 12
)
