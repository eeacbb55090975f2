package memberlist

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
)

// packer is the memory in which the packets of a turn are built.
type packer struct {
	envelope.Packer
	messages [][]byte
	user     []byte // a user message with its type
}

// MaxBroadcastSize returns the length in bytes of the longest message that Delegate.GetBroadcasts can return: what
// Config.UDPBufferSize leaves for it once all that a packet needs besides is counted. It never changes.
func (m *Memberlist) MaxBroadcastSize() int { return m.envelope.Budget().UserBroadcast }

// writeMessages sends messages in one packet, or in several if one cannot hold them.
func (m *Memberlist) writeMessages(p *packer, to *swim.Endpoint, messages [][]byte, checksum bool) error {
	var errs error
	for len(messages) > 0 {
		var packet []byte
		packet, messages = m.envelope.Pack(&p.Packer, messages, checksum)
		errs = errors.Join(errs, m.writePacket(to, packet))
	}
	return errs
}

// writePacket hands a packet of the protocol's own to the transport, unless it is larger than such packets may be. One that
// Shutdown keeps from leaving is lost without an error.
func (m *Memberlist) writePacket(to *swim.Endpoint, packet []byte) error {
	if limit := m.envelope.Budget().Packet; len(packet) > limit {
		m.metrics.Add(metrics.DroppedOversize, 1)
		return fmt.Errorf("%w: a packet of %d bytes, the limit is %d", ErrMessageTooLarge, len(packet), limit)
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
	if err := m.config.checkName(a); err != nil {
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
