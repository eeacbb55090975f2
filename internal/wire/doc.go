// Package wire turns membership messages into bytes and back.
//
// A packet, outermost layer first. The label and the checksum stand in front of what is below them; the others hold it.
// Every layer but the last may be absent.
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
// The sealed layer has no type byte: whether a packet is sealed is known from whether the cluster has keys. Its
// additional data is the label's bytes.
//
// A stream, after the same label header, which only the dialler writes. The additional data of its sealed layer is the
// five bytes in front of it, then the label's.
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
// Integers outside msgpack are big-endian. Bodies are byte for byte what github.com/hashicorp/go-msgpack/v2 makes of a
// struct: one map, keys in byte order, strings and byte slices as the old raw type, integers in the shortest form of
// their Go type, signed or unsigned. Decoders take what that library takes: what the one written by hand does not
// recognise is handed to it.
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
