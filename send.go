package memberlist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// SendBestEffort sends a user message to a member in one packet, which may be lost, duplicated or reordered. The
// receiver's Delegate.NotifyMsg is called with it. Messages of up to Config.UDPBufferSize bytes are fine; label,
// encryption and checksum are added. Longer ones are sent too, but packets of more than 1400 bytes may be fragmented
// or dropped on the way.
//
// ErrMessageTooLarge is returned for a message that no packet can carry (use SendReliable): more than 64 KiB and
// Config.UDPBufferSize bytes or, with a NetTransport, one whose packet exceeds the 65507 bytes of a UDP datagram.
// Other errors are the transport's, ErrShutdown, ErrNodeNameRequired, and ErrInvalidAddress for a nil node.
//
// Compat: the reference has no limit of its own.
func (m *Memberlist) SendBestEffort(to *Node, msg []byte) error {
	if to == nil {
		return errNilNode
	}
	e := endpointOfNode(to)
	if to.PMax >= swim.ProtocolChecksum && m.config.CompressionAlgorithm != CompressionAlgorithmSnappy && !m.config.hasZones() {
		return m.sendUserPacket(&e, msg, wire.FeatureChecksum) // without a look at the members
	}
	features := m.features(&e)
	if to.PMax >= swim.ProtocolChecksum {
		features |= wire.FeatureChecksum
	}
	return m.sendUserPacket(&e, msg, features)
}

// SendToUDP is SendBestEffort.
//
// Deprecated: call SendBestEffort.
func (m *Memberlist) SendToUDP(to *Node, msg []byte) error { return m.SendBestEffort(to, msg) }

// SendTo is SendToAddress with an address and no name.
//
// Deprecated: call SendToAddress.
func (m *Memberlist) SendTo(to net.Addr, msg []byte) error {
	e := senderOf(to)
	if e == (swim.Endpoint{}) {
		return errNilAddr
	}
	return m.sendUserPacket(&e, msg, m.features(&e))
}

// SendToAddress is SendBestEffort with an address in place of a member.
func (m *Memberlist) SendToAddress(a Address, msg []byte) error {
	to := endpointOf(a.Addr)
	to.Name = a.Name
	return m.sendUserPacket(&to, msg, m.features(&to))
}

// SendReliable sends a user message of at most 20 MiB to a member on a stream of its own. When it returns nil the
// whole message has been handed to the network; the receiver's Delegate.NotifyMsg is called with it. It takes at most
// Config.TCPTimeout. A longer message is ErrMessageTooLarge.
func (m *Memberlist) SendReliable(to *Node, msg []byte) error {
	return m.SendReliableContext(context.Background(), to, msg)
}

// SendReliableContext is SendReliable with a context. When that ends, the error wraps the context's, and part of the
// message may have been sent, which the receiver drops.
func (m *Memberlist) SendReliableContext(ctx context.Context, to *Node, msg []byte) error {
	if to == nil {
		return errNilNode
	}
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	return m.sendUserMessage(ctx, to.FullAddress(), msg)
}

// SendToTCP is SendReliable.
//
// Deprecated: call SendReliable.
func (m *Memberlist) SendToTCP(to *Node, msg []byte) error { return m.SendReliable(to, msg) }

// features returns what is known of an endpoint, if it is a known member.
func (m *Memberlist) features(to *swim.Endpoint) wire.Features {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.Features(*to)
}

// sendUserPacket sends a user message in one packet.
func (m *Memberlist) sendUserPacket(to *swim.Endpoint, msg []byte, features wire.Features) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	if limit := m.envelope.Budget().BestEffort; len(msg) > limit {
		m.metrics.Add(metrics.DroppedOversize, 1)
		return fmt.Errorf("%w: %d bytes, the limit of a message in a packet is %d", ErrMessageTooLarge, len(msg), limit)
	}
	t := m.newTurn()
	defer t.free()
	p := &t.pack
	if len(msg) > sockets.MaxDatagram {
		p = new(packer) // so that its memory is not kept
	}
	p.user = append(append(p.user[:0], byte(wire.TypeUser)), msg...)
	err := m.packets.transmit(to, m.envelope.Wrap(&p.Packer, p.user, features), wire.TypeUser, features)
	if err != nil && errors.Is(err, ErrMessageTooLarge) {
		m.metrics.Add(metrics.DroppedOversize, 1)
	}
	return err
}

// Ping pings the member with a name at an address in a packet and returns the round-trip time. If there is no ack
// within Config.ProbeTimeout, the error is a NoPingResponseError; other errors are the transport's and ErrShutdown.
func (m *Memberlist) Ping(node string, addr net.Addr) (time.Duration, error) {
	return m.PingContext(context.Background(), node, addr)
}

// PingContext is Ping with a context. When that ends, the error wraps the context's.
func (m *Memberlist) PingContext(ctx context.Context, node string, addr net.Addr) (time.Duration, error) {
	if !m.tasks.Acquire() {
		return 0, ErrShutdown
	}
	defer m.tasks.Release()
	if ctx.Err() != nil {
		return 0, contextError(ctx)
	}
	to := senderOf(addr)
	if to == (swim.Endpoint{}) {
		return 0, errNilAddr
	}
	to.Name = node
	if err := m.config.checkName(addressOf(to)); err != nil {
		return 0, err
	}
	result := make(chan swim.PingResult, 1)
	t := m.begin()
	seq := t.core.Ping(to)
	m.mu.pings[seq] = result
	t.commit()
	select {
	case r := <-result:
		switch {
		case r.Err != nil:
			return 0, r.Err
		case !r.OK:
			return 0, NoPingResponseError{node: node}
		}
		return r.RTT, nil
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.mu.pings, seq)
		m.mu.Unlock()
		return 0, contextError(ctx)
	case <-m.tasks.Done():
		return 0, ErrShutdown
	}
}

// endpointOfNode returns the name and address of a member.
func endpointOfNode(n *Node) swim.Endpoint {
	addr, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return swim.Endpoint{Name: n.Name, Text: n.Address()}
	}
	return swim.Endpoint{Name: n.Name, AddrPort: netip.AddrPortFrom(addr.Unmap(), n.Port)}
}

// packetWriter writes packets to the transport.
type packetWriter struct {
	m       *Memberlist
	writing atomic.Int32 // number of packets
}

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
func (w *packetWriter) writeMessages(p *packer, to *swim.Endpoint, messages [][]byte, features wire.Features) error {
	var errs error
	for len(messages) > 0 {
		var packet []byte
		kind := wire.Type(messages[0][0])
		packet, messages = w.m.envelope.Pack(&p.Packer, messages, features)
		if err := w.writePacket(to, packet, kind, features); err != nil {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// writePacket writes a packet of the protocol that is sent for a message of a kind, unless it is larger than Config.UDPBufferSize.
// After Shutdown it is lost without an error.
func (w *packetWriter) writePacket(to *swim.Endpoint, packet []byte, kind wire.Type, features wire.Features) error {
	if limit := w.m.envelope.Budget().Packet; len(packet) > limit {
		w.m.metrics.Add(metrics.DroppedOversize, 1)
		return fmt.Errorf("%w: a packet of %d bytes, the limit is %d", ErrMessageTooLarge, len(packet), limit)
	}
	err := w.transmit(to, packet, kind, features)
	if err != nil && errors.Is(err, ErrShutdown) {
		return nil
	}
	return err
}

// transmit writes a packet. After Shutdown every error is ErrShutdown.
func (w *packetWriter) transmit(to *swim.Endpoint, packet []byte, kind wire.Type, features wire.Features) error {
	if w.m.crosses(features) {
		w.m.metrics.Add(metrics.UDPAcrossZones, len(packet))
	}
	err := w.handToTransport(to, packet, kind)
	if err != nil && w.m.tasks.Closed() {
		return ErrShutdown
	}
	return err
}

// handToTransport passes a packet to the transport. Only a NetTransport and a ConnectionTransport are known not to keep the packet, and
// not to block; others get a copy.
func (w *packetWriter) handToTransport(to *swim.Endpoint, packet []byte, kind wire.Type) error {
	w.m.metrics.Sent.Add(len(packet))
	if w.m.udp != nil && to.AddrPort.IsValid() {
		return w.m.udp.send(packet, to.AddrPort)
	}
	a := addressOf(*to)
	if err := w.m.config.checkName(a); err != nil {
		return err
	}
	if w.m.connected != nil {
		return w.handToConnections(a, packet, kind)
	}
	defer w.writing.Add(-1)
	if w.writing.Add(1) > maxWrites {
		w.m.metrics.Add(metrics.DroppedQueueFull, 1)
		return fmt.Errorf("%w: the transport is writing %d packets", ErrBusy, maxWrites)
	}
	kept := make([]byte, len(packet))
	copy(kept, packet)
	_, err := w.m.transport.WriteToAddress(kept, a)
	return err
}

// handToConnections passes a packet to a ConnectionTransport. The peer waits for pings and the answers to them.
func (w *packetWriter) handToConnections(to Address, packet []byte, kind wire.Type) (err error) {
	switch kind {
	case wire.TypePing, wire.TypeIndirectPing, wire.TypeAck, wire.TypeNack:
		_, err = w.m.connected.WriteUrgent(packet, to)
	default:
		_, err = w.m.connected.WriteToAddress(packet, to)
	}
	return err
}

// maxWrites bounds the packets that are being written at once to a transport that blocks, as one that opens a connection to a dead
// member may. Further ones are lost, as packets may be.
const maxWrites = 256
