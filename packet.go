package memberlist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
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
	packet     []byte // for a transport of ours, which does not keep it
	slab       []byte // where the next packet for another transport goes; those before it share its array
	nonce      [wire.NonceSize]byte
	texts      addressTexts
}

// How many bytes for packets are allocated at once: twice as many as before. A transport that keeps one of them keeps the
// others.
const (
	smallestSlab = 768
	largestSlab  = 3072
)

// room gives an empty slice for a packet of so many bytes. A large one has memory of its own.
func (p *packer) room(size int) []byte {
	if size > largestSlab/4 {
		return make([]byte, 0, size)
	}
	if size > cap(p.slab)-len(p.slab) {
		p.slab = make([]byte, 0, max(smallestSlab, size, min(2*cap(p.slab), largestSlab)))
	}
	from := len(p.slab)
	p.slab = p.slab[:from+size]
	return p.slab[from : from : from+size]
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
		errs = errors.Join(errs, m.writePacket(p, to, packet))
	}
	if len(messages) == 1 {
		errs = errors.Join(errs, m.writePayload(p, to, messages[0], checksum))
	}
	return errs
}

// writePayload sends one message.
func (m *Memberlist) writePayload(p *packer, to *swim.Endpoint, payload []byte, checksum bool) error {
	return m.writePacket(p, to, m.pack(p, payload, checksum))
}

// pack makes a packet of a message: compressed if that is shorter, with a checksum if the receiver understands it, sealed if
// there are keys, labelled. It is the packer's.
func (m *Memberlist) pack(p *packer, payload []byte, checksum bool) []byte {
	if m.config.EnableCompression {
		payload = m.compressors.shorten(&p.compressed, payload)
	}
	sealer := m.sealer()
	packet := p.packet[:0]
	if m.udp == nil {
		size := len(payload)
		if checksum {
			size += wire.ChecksumSize
		}
		if sealer != nil {
			size = wire.SealedSize(m.config.sealVersion(), size)
		}
		packet = p.room(len(m.labelHeader) + size)
	}
	packet = append(packet, m.labelHeader...)
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
	if m.udp != nil {
		p.packet = packet
	}
	return packet
}

// writePacket hands a packet of the protocol's own to the transport, unless it is larger than such packets may be. One that
// Shutdown keeps from leaving is lost without an error.
func (m *Memberlist) writePacket(p *packer, to *swim.Endpoint, packet []byte) error {
	if len(packet) > m.config.UDPBufferSize {
		m.metrics.Add(metrics.DroppedOversize, 1)
		return fmt.Errorf("%w: a packet of %d bytes, the limit is %d", ErrMessageTooLarge, len(packet), m.config.UDPBufferSize)
	}
	err := m.transmit(p, to, packet)
	if errors.Is(err, ErrShutdown) {
		return nil
	}
	return err
}

// transmit hands a packet to the transport. ErrShutdown is returned for whatever error there is once Shutdown was called.
func (m *Memberlist) transmit(p *packer, to *swim.Endpoint, packet []byte) error {
	err := m.handToTransport(p, to, packet)
	if err != nil && m.tasks.closed() {
		return ErrShutdown
	}
	return err
}

// handToTransport sends a packet. Only a NetTransport is known not to keep it; others get memory that is not used again.
func (m *Memberlist) handToTransport(p *packer, to *swim.Endpoint, packet []byte) error {
	m.metrics.Sent.Add(len(packet))
	if m.udp != nil && to.AddrPort.IsValid() {
		return m.udp.send(packet, to.AddrPort)
	}
	a := Address{Addr: p.texts.of(to), Name: to.Name}
	if err := m.checkName(a); err != nil {
		return err
	}
	if m.udp != nil {
		packet = bytes.Clone(packet)
	}
	defer m.writes.Add(-1)
	if m.writes.Add(1) > maxWrites {
		m.metrics.Add(metrics.DroppedQueueFull, 1)
		return fmt.Errorf("%w: the transport is writing %d packets", ErrBusy, maxWrites)
	}
	_, err := m.transport.WriteToAddress(slices.Clip(packet), a)
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

// addressTexts remembers how addresses are written, for transports that want
// them so. A newer address takes the slot of an older one.
type addressTexts struct{ slots []writtenAddress }

type writtenAddress struct {
	addr netip.AddrPort
	text string
}

// addressSlots is how many addresses are remembered. A power of two.
const addressSlots = 64

// of is addressText.
func (t *addressTexts) of(e *swim.Endpoint) string {
	if !e.AddrPort.IsValid() {
		return e.Text
	}
	if t.slots == nil {
		t.slots = make([]writtenAddress, addressSlots)
	}
	var low uint32 // of the address
	if ip := e.AddrPort.Addr(); ip.Is4() {
		b := ip.As4()
		low = binary.BigEndian.Uint32(b[:])
	} else {
		b := ip.As16()
		low = binary.BigEndian.Uint32(b[12:])
	}
	slot := &t.slots[(low+low>>8*7+uint32(e.AddrPort.Port()))%addressSlots]
	if slot.addr != e.AddrPort {
		*slot = writtenAddress{e.AddrPort, e.AddrPort.String()}
	}
	return slot.text
}
