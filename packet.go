package memberlist

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	crand "crypto/rand"

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// packer puts packets together. Its memory is used again for each.
type packer struct {
	parts      [][]byte
	user       []byte // a user message with its type
	compound   []byte
	compressed []byte
	packet     []byte
	nonce      [wire.NonceSize]byte
}

// ciphers returns the keys, the primary first, or none.
func (m *Memberlist) ciphers() []*wire.Cipher {
	if m.keyring == nil {
		return nil
	}
	return m.keyring.ciphers()
}

// sealer returns the key that what we send is sealed with, or nil.
func (m *Memberlist) sealer() *wire.Cipher {
	if !m.config.GossipVerifyOutgoing {
		return nil
	}
	if ciphers := m.ciphers(); len(ciphers) > 0 {
		return ciphers[0]
	}
	return nil
}

// packetRoom is how many bytes of a packet are left for messages and what goes
// with them within label and seal. A ring that is empty may get a key.
func (c *Config) packetRoom() int {
	room := c.UDPBufferSize - wire.LabelOverhead(c.Label)
	if c.GossipVerifyOutgoing && (c.Keyring != nil || len(c.SecretKey) > 0) {
		room = wire.SealCapacity(c.sealVersion(), room)
	}
	return room
}

// largestMessage returns the most bytes of a user message that travels in a packet.
func (c *Config) largestMessage() int { return max(c.UDPBufferSize, wire.MaxPacket) }

// largestUnpacked returns the most bytes that a received packet may have, and expand to: the largest message with what goes
// before it.
func (c *Config) largestUnpacked() int {
	return c.largestMessage() + userMessageOverhead + wire.ChecksumSize
}

// MaxBroadcastSize returns the length in bytes of the longest message that
// Delegate.GetBroadcasts can give: what Config.UDPBufferSize leaves for it once
// all that a packet needs besides is counted. It never changes.
func (m *Memberlist) MaxBroadcastSize() int {
	return swim.MaxBroadcast(m.config.packetRoom()) - userMessageOverhead
}

// writeMessages sends messages in one packet, or in several if one cannot hold them: a compound has no place for so many, or
// they do not shrink as much as those before them did.
func (m *Memberlist) writeMessages(p *packer, to *swim.Endpoint, messages [][]byte, checksum bool) error {
	if len(messages) == 1 {
		return m.writePayload(p, to, messages[0], checksum)
	}
	var errs error
	for len(messages) > 1 {
		compound, rest := wire.AppendCompound(p.compound[:0], messages)
		if len(rest) == len(messages) { // too large to be a part
			errs = errors.Join(errs, m.writePayload(p, to, messages[0], checksum))
			messages = messages[1:]
			continue
		}
		p.compound = compound
		packet := m.pack(p, compound, checksum)
		m.slack.learn(len(compound), len(packet), m.config.UDPBufferSize)
		if together := len(messages) - len(rest); len(packet) > m.config.UDPBufferSize && together > 1 {
			errs = errors.Join(errs, m.writeMessages(p, to, messages[:together/2], checksum))
			messages = messages[together/2:]
			continue
		}
		messages = rest
		errs = errors.Join(errs, m.writePacket(to, packet))
	}
	if len(messages) == 1 {
		errs = errors.Join(errs, m.writePayload(p, to, messages[0], checksum))
	}
	return errs
}

// writePayload sends one message.
func (m *Memberlist) writePayload(p *packer, to *swim.Endpoint, payload []byte, checksum bool) error {
	return m.writePacket(to, m.pack(p, payload, checksum))
}

// pack makes a packet of a message: compressed if that is shorter, with a checksum if the receiver understands it, sealed if
// there are keys, labelled. It is the packer's.
func (m *Memberlist) pack(p *packer, payload []byte, checksum bool) []byte {
	if m.config.EnableCompression {
		payload = m.compressors.shorten(&p.compressed, payload)
	}
	sealer := m.sealer()
	packet := append(p.packet[:0], m.labelHeader...)
	if sealer != nil {
		packet = append(packet, sealRoom[:]...)
	}
	if checksum {
		start := len(packet)
		packet = append(append(packet, checksumRoom[:]...), payload...)
		wire.PutChecksum(packet[start:])
	} else {
		packet = append(packet, payload...)
	}
	if sealer != nil {
		packet = sealer.SealInPlace(packet, len(m.labelHeader), m.config.sealVersion(), p.newNonce(), m.labels[0].bytes)
	}
	p.packet = packet
	return packet
}

// writePacket hands a packet of the protocol's own to the transport, unless it is larger than such packets may be. One that
// Shutdown keeps from leaving is lost without an error.
func (m *Memberlist) writePacket(to *swim.Endpoint, packet []byte) error {
	if len(packet) > m.config.UDPBufferSize {
		m.metrics.Add(metrics.DroppedOversize, 1)
		return fmt.Errorf("%w: a packet of %d bytes, the limit is %d", ErrMessageTooLarge, len(packet), m.config.UDPBufferSize)
	}
	err := m.transmit(to, packet)
	if errors.Is(err, ErrShutdown) {
		return nil
	}
	return err
}

// transmit hands a packet to the transport. ErrShutdown is returned for whatever error there is once Shutdown was called.
func (m *Memberlist) transmit(to *swim.Endpoint, packet []byte) error {
	err := m.handToTransport(to, packet)
	if err != nil && m.tasks.Closed() {
		return ErrShutdown
	}
	return err
}

// handToTransport sends a packet. Only a NetTransport is known not to keep the packet; others get a copy.
func (m *Memberlist) handToTransport(to *swim.Endpoint, packet []byte) error {
	m.metrics.Sent.Add(len(packet))
	if m.udp != nil && to.AddrPort.IsValid() {
		return m.udp.send(packet, to.AddrPort)
	}
	a := Address{Addr: addressText(*to), Name: to.Name}
	if err := m.checkName(a); err != nil {
		return err
	}
	defer m.writes.Add(-1)
	if m.writes.Add(1) > maxWrites {
		m.metrics.Add(metrics.DroppedQueueFull, 1)
		return fmt.Errorf("%w: the transport is writing %d packets", ErrBusy, maxWrites)
	}
	_, err := m.transport.WriteToAddress(slices.Clip(bytes.Clone(packet)), a)
	return err
}

// maxWrites is how many packets may be written at a time to a transport that waits, as for a connection to a member that is
// gone. What is to be sent then is lost, as packets may be.
const maxWrites = 256

// Room that is left in a packet for what is filled in when it is whole.
var (
	sealRoom     [wire.SealHeaderSize]byte
	checksumRoom [wire.ChecksumSize]byte
)

// newNonce draws the nonce of one packet. None is drawn before it is needed: a machine that is cloned while it runs would give
// its twin the same ones.
func (p *packer) newNonce() *[wire.NonceSize]byte {
	crand.Read(p.nonce[:]) // never fails
	return &p.nonce
}

// newNonce draws the nonce of a stream's frame.
func newNonce() *[wire.NonceSize]byte {
	nonce := new([wire.NonceSize]byte)
	crand.Read(nonce[:]) // never fails
	return nonce
}
