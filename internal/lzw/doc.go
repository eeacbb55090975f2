// Package lzw is LZW with codes of least significant bits first and literals of 8 bits, the one kind that members speak:
// byte for byte what compress/lzw makes of the same input with LSB and a literal width of 8, and what it reads.
//
// It exists for what a packet costs. compress/lzw clears tables of 78 KB for each use, and walks a chain of prefixes for
// each code; this clears as much as the input can fill, and copies from what came out before.
//
//	codes 0..255       a byte
//	code  256          clear: what was learned is forgotten, codes have 9 bits again
//	code  257          the end
//	codes 258..4095    learned: what the code before stood for, and one byte more
//
// A code is as wide as the largest one that it could be, 9 to 12 bits. Fuzz tests hold both directions equal to
// compress/lzw.
package lzw

const (
	clearCode  = 256
	endCode    = 257
	firstCode  = 258 // the first that is learned
	numCodes   = 1 << maxWidth
	startWidth = 9
	maxWidth   = 12
)
