package envelope

import "github.com/e3431adc/memberlist/internal/wire"

// UserOverhead is the bytes before a user message in a packet: its type.
const UserOverhead = 1

// Budget is the limits of packets in bytes, all from Policy.PacketSize:
//
//	|<---------------------------- Packet ---------------------------->|
//	| label | seal | checksum | compound header | part header | message |
//	               |<--------------------- Room ---------------------->|
//	                                                          | Message |
//
// A seal also takes bytes after the message, up to 16 for padding and 16 for a tag. The compound counts for a single message too: a
// message that is gossiped must fit beside others.
type Budget struct {
	Packet        int       // of a packet of the protocol, all included
	Room          wire.Room // for messages with compound header and checksum, within label and seal; the same while keys come and go
	Message       int       // of a message that is gossiped
	UserBroadcast int       // of a user's broadcast, without its type
	BestEffort    int       // of a user message that the transport may carry in a packet larger than Packet
	Received      int       // of a received packet, also once it is decompressed
}

// Budget returns the limits under the policy.
func (p *Policy) Budget() Budget {
	inside := p.PacketSize - wire.LabelOverhead(p.Label)
	if p.HasKeys && p.VerifyOutgoing {
		inside = wire.SealCapacity(p.SealVersion, inside)
	}
	room := wire.Room(inside)
	bestEffort := max(p.PacketSize, wire.MaxPacket)
	return Budget{
		Packet:        p.PacketSize,
		Room:          room,
		Message:       room.Beside(),
		UserBroadcast: room.Beside() - UserOverhead,
		BestEffort:    bestEffort,
		Received:      bestEffort + UserOverhead + wire.ChecksumSize,
	}
}
