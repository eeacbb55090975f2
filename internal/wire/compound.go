package wire

import "encoding/binary"

// AppendCompound appends to dst one compound message, type byte and body, of the first parts, each a whole message:
// at most MaxCompoundParts, up to the first that is larger than MaxCompoundPart. It returns the remaining parts. If
// nothing fits (no parts, or the first is too large) it returns dst and parts unchanged.
func AppendCompound(dst []byte, parts [][]byte) (out []byte, rest [][]byte) {
	n := 0
	for n < len(parts) && n < MaxCompoundParts && len(parts[n]) <= MaxCompoundPart {
		n++
	}
	if n == 0 {
		return dst, parts
	}
	dst = append(dst, byte(TypeCompound), byte(n))
	for _, part := range parts[:n] {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(part)))
	}
	for _, part := range parts[:n] {
		dst = append(dst, part...)
	}
	return dst, parts[n:]
}

// compound reads the parts of a compound message.
type compound struct {
	lengths []byte // of the remaining parts
	parts   []byte
}

// parseCompound reads the lengths from body, which follows the type byte. The error is ErrTruncated if they are cut
// off: the start of the parts is unknown then.
func parseCompound(body []byte) (compound, error) {
	if len(body) == 0 {
		return compound{}, ErrTruncated
	}
	lengths := 2 * int(body[0])
	body = body[1:]
	if len(body) < lengths {
		return compound{}, ErrTruncated
	}
	return compound{lengths: body[:lengths], parts: body[lengths:]}, nil
}

// left returns the number of unread parts.
func (c *compound) left() int { return len(c.lengths) / 2 }

// next returns the next part, or false if there is none or its bytes are cut off.
func (c *compound) next() (part []byte, ok bool) {
	if len(c.lengths) == 0 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(c.lengths))
	if n > len(c.parts) {
		return nil, false
	}
	part = c.parts[:n:n]
	c.lengths, c.parts = c.lengths[2:], c.parts[n:]
	return part, true
}
