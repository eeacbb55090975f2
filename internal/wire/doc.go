// Package wire encodes and decodes membership messages.
//
// A packet, outermost layer first. The label and the checksum stand in front of the layers below them; the others
// contain them. Every layer but the last may be absent.
//
//	+-----+-----+-------+
//	| 244 | len | label |                           label          CutLabel, AppendLabel
//	+-----+-----+-------+--+------------+--------+
//	| version | nonce (12) | ciphertext | tag 16 |  AES-GCM        Open, Cipher
//	+----+--------+--------+------------+--------+
//	| 12 | CRC-32 |                                 checksum       Unpacker, PutChecksum
//	+---++--------+------------------------------+
//	| 9 | msgpack {Algo, Buf}                    |  LZW            Unpacker, Compressor
//	+---+---+------------+-----------------------+
//	| 7 | n | n x len 16 | n messages            |  compound       Unpacker, AppendCompound
//	+---+---+------------+-----------------------+
//	| type | msgpack body                        |  one message    Ping, Ack, Alive ...
//	+------+-------------------------------------+
//
// The sealed layer has no type byte: members with keys expect all packets to be sealed. Its additional data is the
// label.
//
// A stream, after the same label header, which only the dialler writes. The additional data of its sealed layer is
// its header of five bytes, then the label.
//
//	+----+---------+---------+------------+------------+--------+
//	| 10 | len 32  | version | nonce (12) | ciphertext | tag 16 |  StreamReader.OpenFrame, AppendSealedFrame
//	+---++---------+---------+------------+------------+--------+
//	| 9 | msgpack {Algo, Buf}                                   |  StreamReader.Decompress, Compressor
//	+---+----------------+-------------------+------------------+
//	| 6 | PushPullHeader | n x PushNodeState | user state       |  StreamReader.ReadMessage, ReadStates, ReadN
//	+---+------------+---+-------------------+------------------+
//	| 8 | UserHeader | user message                             |
//	+---+------------+------------------------------------------+
//	| 0, 2 or 13 | Ping, Ack or Err                             |
//	+------------+----------------------------------------------+
//
// Integers outside msgpack are big-endian. Bodies have the bytes that github.com/hashicorp/go-msgpack/v2 produces for
// a struct: one map, keys in byte order, strings and byte slices as the old raw type, integers in the shortest form
// of their Go type, signed or unsigned. Decoders accept everything that library accepts: the hand-written ones
// recognise the shapes that peers send, and pass all others to it.
//
// docs/protocol.md describes the whole protocol.
//
// # Bounds
//
// No input panics. No byte from a peer sizes an allocation, a recursion or a loop beyond the limits in limits.go or
// the number of bytes that have arrived.
//
// # Ownership
//
// Encoders append to the caller's buffer and retain nothing. Byte slices in parsed messages are views into the input.
// The types have no locks; a value belongs to one goroutine at a time, except Cipher, which may be shared. The
// package starts no goroutine, reads no clock, and does no I/O but through the io.Reader of a StreamReader.
package wire
