// Package recorder keeps what a program did in the last minutes, in a bounded number of bytes, and reads and writes files of that. It has
// the machinery of the flight recorder: package swim decides what is recorded, and replays it.
//
// A Ring keeps the bytes. A Codec turns values into bytes, with all their fields, so that nothing is forgotten: the arguments of calls,
// and the whole state of a core as a checkpoint.
//
// # Files
//
// All numbers are little-endian.
//
//	"SWIMREC\x00"  version (1 byte: 1)  block ...
//
//	block:  kind (1 byte)  length (4 bytes)  content  CRC-32C of all that (4 bytes)
//
//	'H'  header: see package swim
//	'C'  checkpoint: the state at the beginning of the segment; empty: a new core
//	'L'  calls: what went into the core since, in order
//	'E'  end; empty
//
// One header is followed by one or two segments of a 'C' and an 'L', the older one first, and the end. The state at the end of the older
// one's calls is the checkpoint of the newer one.
package recorder
