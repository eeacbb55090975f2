package wire

import "fmt"

// Unpacker takes packets apart into messages. The zero value is ready; it reuses its buffers, so keep one for each
// goroutine that reads packets. Owned by one goroutine, and not to be copied.
type Unpacker struct {
	// Limit is the most bytes that one packet may have and expand to; MaxPacket if it is less than that. Only a transport
	// that carries larger packets than UDP needs more.
	Limit int

	inflater *Decompressor // nil until something was compressed: it is large
	inflated []byte        // what compress messages of this packet hold, one after the other

	// Of the packet at hand.
	limit    int
	expanded int // bytes decompressed, those of no use included
	yielded  int // bytes of bodies
	messages int // wrappers included
	dropped  int
	err      error
}

// Unpack calls visit for each message in packet, in order, with its type and what follows the type byte, which may be
// empty. packet is what is left once the label is cut off and the seal opened. Bodies are views into packet or into the
// Unpacker, valid until the next Unpack.
//
// A message that cannot be read, or may not travel in a packet, is dropped; the others are still visited. dropped says
// how many, as far as the counts in the packet tell, and err is the first reason: ErrTruncated, ErrMalformed,
// ErrChecksum, ErrTooLarge (Limit, MaxPacketMessages), ErrTooDeep (MaxPacketDepth), ErrUnknownType or
// ErrCompression. A checksum is looked for in front of everything else only, as peers do; within, it is an unknown type.
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

// drop counts n messages as dropped, and keeps the first reason.
func (u *Unpacker) drop(n int, what string, err error) {
	u.dropped += n
	if u.err == nil {
		u.err = fmt.Errorf("%s: %w", what, err)
	}
}

// unpack handles one message, which may hold others; depth says in how many it is held.
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
	u.expanded += u.inflater.produced // even if in vain, or a packet full of broken ones would cost a lot
	if err != nil {
		u.drop(1, "compress", err)
		return
	}
	// If it grew, what was there before lives on in the old array for as long as it is needed.
	u.inflated = inflated
	u.unpack(inflated[from:len(inflated):len(inflated)], depth+1, visit)
}
