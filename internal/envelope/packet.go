package envelope

import (
	"time"

	crand "crypto/rand"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Packer is the memory in which packets are built. It belongs to one goroutine at a time. The zero value is ready for use.
type Packer struct {
	compound   []byte
	compressed []byte
	packet     []byte
	nonce      [wire.NonceSize]byte
}

// Space that is filled in when the packet is complete.
var (
	sealSpace     [wire.SealHeaderSize]byte
	checksumSpace [wire.ChecksumSize]byte
)

// Pack returns a packet with the first of the messages, at least one, and the messages that remain for the next packet: a compound
// holds no more, or they shrink less than those before them did. A packet of one message may be larger than Budget.Packet. The packet
// is valid until the Packer is used again.
func (e *Envelope) Pack(p *Packer, messages [][]byte, to wire.Features) (packet []byte, remaining [][]byte) {
	for n := len(messages); n > 1; {
		compound, rest := wire.AppendCompound(p.compound[:0], messages[:n])
		taken := n - len(rest)
		if taken == 0 { // the first is too large for a compound
			break
		}
		p.compound = compound
		packet := e.Wrap(p, compound, to)
		e.compression.learn(len(compound), len(packet), e.budget.Packet)
		if len(packet) <= e.budget.Packet || taken == 1 {
			return packet, messages[taken:]
		}
		n = taken / 2
	}
	return e.Wrap(p, messages[0], to), messages[1:]
}

// Wrap returns a packet of one message for a receiver with some features: compressed if that is shorter, with a checksum if the receiver
// reads it, encrypted if there are keys, with the label. The packet is valid until the Packer is used again.
func (e *Envelope) Wrap(p *Packer, message []byte, to wire.Features) []byte {
	message = e.shorten(&p.compressed, message, to)
	sealer := e.sealer()
	packet := append(p.packet[:0], e.header...)
	if sealer != nil {
		packet = append(packet, sealSpace[:]...)
	}
	if to.Has(wire.FeatureChecksum) {
		start := len(packet)
		packet = append(append(packet, checksumSpace[:]...), message...)
		wire.PutChecksum(packet[start:])
	} else {
		packet = append(packet, message...)
	}
	if sealer != nil {
		// The nonce is drawn as late as possible: a virtual machine that was cloned after that would use the same one
		// as its clone.
		crand.Read(p.nonce[:]) // never fails
		packet = sealer.SealInPlace(packet, len(e.header), e.policy.SealVersion, &p.nonce, e.labels[0].bytes)
	}
	p.packet = packet
	return packet
}

// Opener is the memory in which packets are decrypted. It belongs to one goroutine at a time. The zero value is ready for use.
type Opener struct{ plain []byte }

// Open returns the content of a packet without its label, decrypted: a message, perhaps compressed, perhaps with a
// checksum. It is part of the packet or valid until the Opener is used again. The error wraps ErrLabelMismatch or
// wire.ErrLabel if the label is refused, and wire.ErrDecrypt if no key decrypts the packet. Without VerifyIncoming
// such a packet is taken for plain text.
func (e *Envelope) Open(o *Opener, packet []byte, at time.Time, from Source) ([]byte, error) {
	text, content, err := wire.CutLabel(packet)
	if err != nil {
		return nil, err
	}
	label, err := e.accept(text)
	if err != nil {
		return nil, err
	}
	if keys := e.keys.Load(); len(keys.ciphers) > 0 {
		plain, used, err := wire.Open(o.plain[:0], keys.ciphers, content, label.bytes)
		switch {
		case err == nil:
			o.plain, content = plain, plain
			keys.Keys[used].usage.packet(at, from)
		case e.policy.VerifyIncoming:
			return nil, err
		}
	}
	if label.usage != nil {
		label.usage.packet(at, from)
	}
	return content, nil
}
