// Package wire turns membership messages into bytes and back.
//
// A packet, outermost layer first; every layer but the innermost may be absent:
//
//	+-----+-----+-------+---------------------------------------------------------+
//	| 244 | len | label |                                                         |   CutLabel, AppendLabel
//	+-----+-----+-------+                                                         |
//	                    | version | nonce 12 | AES-GCM ciphertext          | tag 16 |   Open, Cipher
//	                    +---------+----------+-----------------------------+--------+
//	                                         | 12 | CRC-32 of what follows |            Unpacker, PutChecksum
//	                                         +----+------------------------+
//	                                         | 9 | msgpack{Algo, Buf}      |            Unpacker, Compressor
//	                                         +---+-------------------------+
//	                                         | 7 | n | n x len16 | parts   |            Unpacker, AppendCompound
//	                                         +---+---+-----------+---------+
//	                                         | type | msgpack body         |            Ping, Ack, Alive ...
//	                                         +------+----------------------+
//
// The sealed layer has no type byte: whether a packet is sealed is known from whether the cluster has keys. Its
// additional data is the label's bytes.
//
// A stream, after the same label header which only the dialler writes:
//
//	+----+------------+-----------------------------------+
//	| 10 | uint32 len | version | nonce | ciphertext | tag |      AppendSealedFrame, StreamReader.OpenFrame
//	+----+------------+-----------------------------------+
//	| 9  | msgpack{Algo, Buf}                             |       Compressor, StreamReader.Decompress
//	+----+------------------------------------------------+
//	| 6  | PushPullHeader | n x PushNodeState | user state |      StreamReader.ReadMessage, ReadState, ReadN
//	| 8  | UserHeader | user bytes                         |
//	| 0, 2, 13 | Ping, Ack, Err                            |
//	+------------------------------------------------------+
//
// Integers outside msgpack are big-endian. Bodies are byte for byte what github.com/hashicorp/go-msgpack/v2 makes of a
// struct: one map, keys in byte order, strings and byte slices as the old raw type, integers in the shortest form of
// their Go type, signed or unsigned.
// Decoders are as tolerant as that library: what the decoder written by hand does not recognise is handed to it.
//
// # Bounds
//
// No byte that came from a peer sizes an allocation, a recursion or a loop beyond the limits in limits.go or what has
// arrived already, and no input panics.
//
// # Ownership
//
// Encoders append to the caller's buffer and keep nothing. Byte slices in parsed messages are views into the input.
// The types here hold no lock; a value belongs to one goroutine at a time, except Cipher, which may be shared.
// Nothing here starts a goroutine, reads a clock, or does I/O but through the io.Reader given to a StreamReader.
package wire
