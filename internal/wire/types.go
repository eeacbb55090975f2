package wire

import "strconv"

// Type is the first byte of every message.
type Type uint8

// The message types of the protocol.
const (
	TypePing         Type = 0   // packet, stream: requests an ack
	TypeIndirectPing Type = 1   // packet: requests a ping of another member
	TypeAck          Type = 2   // packet, stream: answers a ping
	TypeSuspect      Type = 3   // packet: a member may be dead
	TypeAlive        Type = 4   // packet: a member is alive, with its address, metadata and versions
	TypeDead         Type = 5   // packet: a member is dead, or has left
	TypePushPull     Type = 6   // stream: the states of all members that the sender knows
	TypeCompound     Type = 7   // packet: several messages
	TypeUser         Type = 8   // both: opaque bytes of the program
	TypeCompress     Type = 9   // both: a compressed message
	TypeEncrypt      Type = 10  // stream: a sealed frame
	TypeNack         Type = 11  // packet: the target of an indirect ping has not answered in time
	TypeChecksum     Type = 12  // packet: a CRC-32 of the rest of the packet
	TypeErr          Type = 13  // stream: the reason why the request failed
	TypeLabel        Type = 244 // both: the cluster's label, outermost
)

// String returns the type's name for logs.
func (t Type) String() string {
	switch t {
	case TypePing:
		return "ping"
	case TypeIndirectPing:
		return "indirect ping"
	case TypeAck:
		return "ack"
	case TypeSuspect:
		return "suspect"
	case TypeAlive:
		return "alive"
	case TypeDead:
		return "dead"
	case TypePushPull:
		return "push/pull"
	case TypeCompound:
		return "compound"
	case TypeUser:
		return "user"
	case TypeCompress:
		return "compress"
	case TypeEncrypt:
		return "encrypt"
	case TypeNack:
		return "nack"
	case TypeChecksum:
		return "checksum"
	case TypeErr:
		return "error"
	case TypeLabel:
		return "label"
	}
	return "type " + strconv.Itoa(int(t))
}

// Message can be encoded.
type Message interface {
	// Type is the message's first byte.
	Type() Type
	// Append appends the message, type byte and body, to dst.
	Append(dst []byte) []byte
}

// Body can be decoded; see StreamReader.ReadMessage.
type Body interface {
	// Parse decodes the message from body, which follows the type byte.
	Parse(body []byte, names *Names) error
}

var (
	_ Message = (*Ping)(nil)
	_ Message = (*IndirectPing)(nil)
	_ Message = (*Ack)(nil)
	_ Message = (*Nack)(nil)
	_ Message = (*Suspect)(nil)
	_ Message = (*Dead)(nil)
	_ Message = (*Alive)(nil)
	_ Message = (*Err)(nil)
	_ Message = (*UserHeader)(nil)
	_ Message = (*PushPullHeader)(nil)

	_ Body = (*Ping)(nil)
	_ Body = (*IndirectPing)(nil)
	_ Body = (*Ack)(nil)
	_ Body = (*Nack)(nil)
	_ Body = (*Suspect)(nil)
	_ Body = (*Dead)(nil)
	_ Body = (*Alive)(nil)
	_ Body = (*Err)(nil)
	_ Body = (*UserHeader)(nil)
	_ Body = (*PushPullHeader)(nil)
	_ Body = (*PushNodeState)(nil)
)
