package wire

import "fmt"

// Unpacker splits packets into messages. The zero value is ready; it reuses its buffers, so keep one for each
// goroutine that reads packets. Owned by one goroutine, and not to be copied.
type Unpacker struct {
	// Limit is the maximum number of bytes that a packet may have and expand to; MaxPacket if it is less than that.
	// Only a transport with packets larger than those of UDP needs more.
	Limit int

	inflater *Decompressor // nil until the first compressed message: it is large
	inflated []byte        // contents of the compress messages of this packet, one after the other

	// Of the current packet.
	limit    int
	expanded int // bytes decompressed, also from broken messages
	yielded  int // bytes of bodies
	messages int // wrappers included
	dropped  int
	err      error
}

// Unpack calls visit for each message in packet, in order, with its type and its body, which may be empty. packet is
// the plaintext without its label. Bodies are views into packet or into the Unpacker, valid until the next Unpack.
//
// A message that is malformed, or of a type that may not travel in a packet, is dropped; the others are still
// visited. dropped is their number, as far as the counts in the packet tell, and err the first reason: ErrTruncated,
// ErrMalformed, ErrChecksum, ErrTooLarge (Limit, MaxPacketMessages), ErrTooDeep (MaxPacketDepth), ErrUnknownType or
// ErrCompression. A checksum is recognised only at the very front, where peers put it; elsewhere it is an unknown
// type.
func (u *Unpacker) Unpack(packet []byte, visit func(t Type, body []byte)) (dropped int, err error) {
	u.inflated = u.inflated[:0]
	u.expanded, u.yielded, u.messages, u.dropped, u.err = 0, 0, 0, 0, nil
	u.limit = max(u.Limit, MaxPacket)
	if len(packet) > u.limit {
		return 1, fmt.Errorf("packet of %d bytes, the limit is %d: %w", len(packet), u.limit, ErrTooLarge)
	}
	if len(packet) > 0 && Type(packet[0]) == TypeChecksum {
		packet, err = CheckChecksum(packet[1:])
		if err != nil {
			return 1, err
		}
	}
	u.unpack(packet, 0, visit)
	return u.dropped, u.err
}

// drop adds n to the dropped messages, and keeps the first error.
func (u *Unpacker) drop(n int, what string, err error) {
	u.dropped += n
	if u.err == nil {
		u.err = fmt.Errorf("%s: %w", what, err)
	}
}

// unpack handles one message, which may hold others. depth is the number of messages around it.
func (u *Unpacker) unpack(message []byte, depth int, visit func(t Type, body []byte)) {
	if len(message) == 0 {
		u.drop(1, "empty message", ErrTruncated)
		return
	}
	if u.messages == MaxPacketMessages {
		u.drop(1, "messages of one packet", ErrTooLarge)
		return
	}
	u.messages++
	switch t, body := Type(message[0]), message[1:]; t {
	case TypePing, TypeIndirectPing, TypeAck, TypeNack, TypeSuspect, TypeAlive, TypeDead, TypeUser:
		u.yield(t, body, visit)
	case TypeCompound:
		u.unpackCompound(body, depth, visit)
	case TypeCompress:
		u.unpackCompressed(body, depth, visit)
	default:
		u.drop(1, t.String(), ErrUnknownType)
	}
}

func (u *Unpacker) yield(t Type, body []byte, visit func(t Type, body []byte)) {
	if len(body) > u.limit-u.yielded {
		u.drop(1, "messages of one packet", ErrTooLarge)
		return
	}
	u.yielded += len(body)
	visit(t, body)
}

func (u *Unpacker) unpackCompound(body []byte, depth int, visit func(t Type, body []byte)) {
	if depth == MaxPacketDepth {
		u.drop(1, "compound", ErrTooDeep)
		return
	}
	c, err := parseCompound(body)
	if err != nil {
		u.drop(1, "compound", err)
		return
	}
	for c.left() > 0 {
		part, ok := c.next()
		if !ok {
			u.drop(c.left(), "compound part", ErrTruncated)
			return
		}
		u.unpack(part, depth+1, visit)
	}
}

func (u *Unpacker) unpackCompressed(body []byte, depth int, visit func(t Type, body []byte)) {
	if depth == MaxPacketDepth {
		u.drop(1, "compress", ErrTooDeep)
		return
	}
	if u.expanded >= u.limit {
		u.drop(1, "compress", ErrTooLarge)
		return
	}
	if u.inflater == nil {
		u.inflater = new(Decompressor)
	}
	from := len(u.inflated)
	inflated, err := u.inflater.Append(u.inflated, body, u.limit-u.expanded)
	u.expanded += u.inflater.produced // also on an error, or a packet full of broken messages would cost a lot
	if err != nil {
		u.drop(1, "compress", err)
		return
	}
	// If it grew, bodies that were visited before still refer to the old array.
	u.inflated = inflated
	u.unpack(inflated[from:len(inflated):len(inflated)], depth+1, visit)
}
