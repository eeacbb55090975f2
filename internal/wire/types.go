package wire

import "strconv"

// Type is the first byte of every message.
type Type uint8

// The message types. Their values are the protocol's.
const (
	TypePing         Type = 0   // packet, stream: are you there
	TypeIndirectPing Type = 1   // packet: ping that member for me
	TypeAck          Type = 2   // packet, stream: I am here
	TypeSuspect      Type = 3   // packet: a member may be dead
	TypeAlive        Type = 4   // packet: a member is alive, and these are its facts
	TypeDead         Type = 5   // packet: a member is dead, or has left
	TypePushPull     Type = 6   // stream: all that the sender knows of the members
	TypeCompound     Type = 7   // packet: several messages
	TypeUser         Type = 8   // both: bytes of the program above
	TypeCompress     Type = 9   // both: a compressed message
	TypeEncrypt      Type = 10  // stream: a sealed frame
	TypeNack         Type = 11  // packet: I asked for you, and got no answer in time
	TypeChecksum     Type = 12  // packet: a CRC-32, then the rest of the packet
	TypeErr          Type = 13  // stream: why the request failed
	TypeLabel        Type = 244 // both: the cluster's label, outermost
)

// String names the type for logs.
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

// Message is a message that can be sent.
type Message interface {
	// Type is the message's first byte.
	Type() Type
	// Append appends the message, type byte and body, to dst.
	Append(dst []byte) []byte
}

// Body is what a message parses itself from; see StreamReader.ReadMessage.
type Body interface {
	// Parse reads the message from body, which is what follows the type byte.
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
