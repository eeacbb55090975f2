package memberlist

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/handoff"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// receiver handles packets. It belongs to the goroutine of packetLoop.
type receiver struct {
	m     *Memberlist
	names *wire.Names
	visit func(wire.Type, []byte)

	*packetMemory // from the first packet on, until none waits

	gossip       *handoff.Queue
	userMessages *handoff.Queue

	ports portWatch
	pings int // direct and indirect ones in the current packet

	source  net.Addr        // of the current packet
	from    swim.Endpoint   // the same
	arrived time.Time       // when it arrived
	at      time.Time       // the same, or the present if it has waited for long
	waited  time.Duration   // since it arrived
	dead    wire.GossipView // scratch of handleDead

	ping         wire.PingView
	indirectPing wire.IndirectPing
	ack          wire.Ack
	nack         wire.Nack
}

// packetMemory is the memory for handling one packet.
type packetMemory struct {
	unpacker wire.Unpacker
	opener   envelope.Opener
	turn     turn
	members  handoff.Batch // messages about members, but for
	leaves   handoff.Batch // those by which members leave
	users    handoff.Batch // user messages
}

func newReceiver(m *Memberlist) *receiver {
	r := &receiver{m: m, names: wire.NewNames(), gossip: m.gossip, userMessages: m.userMessages.queue}
	r.visit = r.handle
	return r
}

// begin takes the memory for packets, and end gives it back, if there is any.
func (r *receiver) begin() {
	r.packetMemory = packetMemories.get()
	r.unpacker.Limit, r.turn.m = r.m.envelope.Budget().Received, r.m
}

func (r *receiver) end() {
	if r.packetMemory != nil {
		r.turn.m = nil
		packetMemories.put(r.packetMemory)
		r.packetMemory = nil
	}
}

// packetLoop handles packets as they arrive. It ends with the Memberlist, or when the transport closes its channel.
func (m *Memberlist) packetLoop() {
	r := newReceiver(m)
	defer r.end()
	for {
		p, ok := r.next()
		if !ok {
			return
		}
		r.handlePacket(p)
		if m.udp != nil {
			m.udp.releasePacket(p)
		}
	}
}

// next waits for a packet. It returns false when the Memberlist ends, or the transport closes its channel.
func (r *receiver) next() (*Packet, bool) {
	m := r.m
	select { // of one channel: that is much cheaper
	case p, ok := <-m.transport.PacketCh():
		return p, ok && !m.tasks.Closed()
	default:
	}
	r.end()
	select {
	case p, ok := <-m.transport.PacketCh():
		return p, ok
	case <-m.tasks.Done():
		return nil, false
	}
}

// handlePacket removes the label, decrypts, and handles every message of a packet. A packet that is not accepted is dropped, counted and
// logged, at a limited rate.
func (r *receiver) handlePacket(p *Packet) {
	if r.packetMemory == nil {
		r.begin()
	}
	m := r.m
	m.metrics.Received.Add(len(p.Buf))
	r.source, r.from = p.From, senderOf(p.From)
	r.clock(p.Timestamp)
	if !m.config.senderAllowed(r.from.AddrPort.Addr()) {
		m.drop(metrics.DroppedCIDR, "packet cidr", "dropping packet from outside of the allowed networks", p.From, nil)
		return
	}
	buf, err := m.envelope.Open(&r.opener, p.Buf, r.at, sourceOf(r.from))
	switch {
	case err == nil:
	case envelope.IsLabelError(err):
		m.drop(metrics.DroppedLabel, "packet label", "dropping packet with unacceptable label", p.From, err)
		return
	default:
		m.drop(metrics.DroppedDecrypt, "packet decrypt", "dropping packet that cannot be decrypted", p.From, err)
		return
	}
	if len(buf) == 0 {
		m.drop(metrics.DroppedDecode, "packet empty", "dropping empty packet", p.From, nil)
		return
	}
	r.pings = 0
	dropped, err := r.unpacker.Unpack(buf, r.visit)
	r.handOff()
	if more := r.pings - pingsPerPacket; more > 0 {
		m.metrics.Add(metrics.DroppedOverload, more-1)
		m.drop(metrics.DroppedOverload, "packet pings", "dropping pings, too many in a packet", p.From, nil)
	}
	if err != nil || dropped > 0 {
		m.drop(keyOfUnpackError(err), "packet decode", "dropping undecodable part of packet", p.From, err)
	}
}

// clock notes when the current packet arrived. Round trips do not include the short delays of this member. After a long one the core
// goes on at the present. The times of a transport that is not this library's need not be right, and say nothing about delays.
func (r *receiver) clock(arrived time.Time) {
	now := time.Now()
	r.arrived, r.at, r.waited = now, now, 0
	switch waited := now.Sub(arrived); {
	case waited <= 0:
	case waited <= swim.LateAfter(r.m.config.ProbeTimeout):
		r.at = arrived
	case r.m.udp != nil:
		r.arrived, r.waited = arrived, waited
	case !arrived.IsZero():
		r.at = arrived
	}
}

// pingsPerPacket is the number of pings, direct and indirect ones, that are answered in a packet. Members send one.
//
// Compat: the reference answers all.
const pingsPerPacket = 2

// mayAnswer counts a ping of the current packet, and reports whether to answer it.
func (r *receiver) mayAnswer() bool {
	r.pings++
	return r.pings <= pingsPerPacket
}

// handle handles one message of the current packet: pings and acks at once, messages about members and of the user on other goroutines.
func (r *receiver) handle(kind wire.Type, body []byte) {
	switch kind {
	case wire.TypePing:
		if r.mayAnswer() {
			r.handlePing(body)
		}
	case wire.TypeIndirectPing:
		if r.mayAnswer() {
			err := r.indirectPing.Parse(body, r.names)
			if err != nil || r.mayBe([]byte(r.indirectPing.SourceNode)) {
				r.step(&r.indirectPing, err)
			}
		}
	case wire.TypeAck:
		r.step(&r.ack, r.ack.Parse(body, r.names))
	case wire.TypeNack:
		r.step(&r.nack, r.nack.Parse(body, r.names))
	case wire.TypeAlive, wire.TypeSuspect:
		r.members.Add(kind, body)
	case wire.TypeDead:
		r.handleDead(body)
	case wire.TypeUser:
		if r.m.config.Delegate != nil {
			r.users.Add(kind, body)
		}
	default:
		r.m.dropFrom(metrics.DroppedDecode, "packet type", "dropping packet message of unexpected type", r.from,
			fmt.Errorf("%w: %v", wire.ErrUnknownType, kind))
	}
}

// handleDead adds the dead message of a member that leaves to r.leaves, and any other to r.members.
func (r *receiver) handleDead(body []byte) {
	if r.m.config.Delegate != nil && r.dead.Parse(wire.TypeDead, body) == nil && bytes.Equal(r.dead.Node, r.dead.From) {
		r.leaves.Add(wire.TypeDead, body)
		return
	}
	r.members.Add(wire.TypeDead, body)
}

// handOff queues the messages of the current packet: those about members, then the user messages, the last one first (a
// broadcast queue puts the newest of those with the same size first, and this restores their order), then those by
// which members leave, so that the broadcasts of a member are handled before it has left.
func (r *receiver) handOff() {
	if r.members.Len() > 0 {
		r.members.After = 0
		r.put(r.gossip, &r.members)
	}
	if r.users.Len() > 0 {
		r.users.Reverse()
		r.users.After = r.gossip.Put()
		r.put(r.userMessages, &r.users)
	}
	if r.leaves.Len() > 0 {
		r.leaves.After = r.userMessages.Put()
		r.put(r.gossip, &r.leaves)
	}
}

func (r *receiver) put(to *handoff.Queue, b *handoff.Batch) {
	b.From, b.At = r.from, r.arrived
	for range to.Offer(b) {
		r.m.dropFrom(metrics.DroppedQueueFull, "queue full", "handler queue full, dropping message", r.from, nil)
	}
}

// logMisdirected logs a ping for another name, which is not answered. It is no problem if a process with that name was at this address
// before, as it may have been as long as no other member is known.
func (m *Memberlist) logMisdirected(id, name string) {
	level := slog.LevelWarn
	if m.wasHere(name) {
		level = slog.LevelDebug
	}
	m.log.Limited(id, level, "got ping for another member", slog.String("node", name))
}

// wasHere reports whether a member of that name was, or may have been, at this address.
func (m *Memberlist) wasHere(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.mu.core.Member(name)
	return known && before.Addr == m.mu.core.Self().Addr || !m.mu.core.AnyAlive()
}

// mayBe reports whether the sender of the current packet may be a member of that name, and drops the message if not: the transport has
// verified another name.
func (r *receiver) mayBe(name []byte) bool {
	if r.from.Name == "" || len(name) == 0 || r.from.Name == string(name) {
		return true
	}
	r.m.dropFrom(metrics.DroppedStranger, "other name", "dropping message in the name of another member", r.from,
		fmt.Errorf("%w: it is %q, not %q", errOtherName, r.from.Name, string(name)))
	return false
}

// handlePing acks a ping.
func (r *receiver) handlePing(body []byte) {
	m := r.m
	if err := r.ping.Parse(body); err != nil {
		r.m.dropFrom(metrics.DroppedDecode, "packet message", "dropping message that cannot be decoded", r.from, err)
		return
	}
	if len(r.ping.Node) > 0 && string(r.ping.Node) != m.config.Name {
		m.logMisdirected("misdirected ping", string(r.ping.Node))
		return
	}
	if !r.mayBe(r.ping.SourceNode) {
		return
	}
	var payload []byte
	if ping := m.delivery.pingDelegate(); ping != nil && m.pingedByMember(r.from, &r.ping) {
		if !m.tasks.BeginCallback() {
			return
		}
		payload = ping.AckPayload()
		m.tasks.EndCallback()
	}
	t := r.turn.begin(r.at)
	t.core.Waited(r.waited)
	t.core.StepPing(r.from, &r.ping, payload)
	otherPort := r.ports.differs(t.core.Core, r.source, &r.ping)
	t.commit()
	if otherPort {
		r.reportPort()
	}
}

// pingedByMember reports whether the ack of a ping goes to a known member.
func (m *Memberlist) pingedByMember(from swim.Endpoint, p *wire.PingView) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.PingedByMember(from, p)
}

// step passes a message to the core. err is the error of its parsing.
func (r *receiver) step(message wire.Message, err error) {
	if err != nil {
		r.m.dropFrom(metrics.DroppedDecode, "packet message", "dropping message that cannot be decoded", r.from, err)
		return
	}
	m, t := r.m, &r.turn
	aside := m.writesBlock()
	if aside {
		t = m.newTurn()
		t.pooled = true
	}
	t.begin(r.at)
	t.core.Waited(r.waited)
	t.core.Step(r.from, message)
	if aside { // as for the target of an indirect ping
		t.commitAside()
	} else {
		t.commit()
	}
}

// writesBlock reports whether writing a packet may take long.
func (m *Memberlist) writesBlock() bool { return m.udp == nil && m.connected == nil }

// expandedBytes is the size that a packet is expected to expand to, on the average of all that wait.
const expandedBytes = 4 << 10

// newHandoff returns a queue for the messages of packets, as large as the configuration says. Its bytes suffice for as many
// packets as members with this configuration send, and for some that expand.
func newHandoff(c *Config) *handoff.Queue {
	return handoff.New(c.HandoffQueueDepth, c.HandoffQueueDepth*max(c.UDPBufferSize, expandedBytes))
}

// drop counts a packet, message or stream that was dropped, and logs it at a limited rate.
func (m *Memberlist) drop(key metrics.Counter, id, message string, from net.Addr, err error) {
	m.metrics.Add(key, 1)
	m.log.LimitedFunc(id, dropLevel(key), message, func() []slog.Attr {
		if from == nil {
			return dropAttrs("<unknown address>", err)
		}
		return dropAttrs(from.String(), err)
	})
}

func (m *Memberlist) dropFrom(key metrics.Counter, id, message string, from swim.Endpoint, err error) {
	m.metrics.Add(key, 1)
	m.log.LimitedFunc(id, dropLevel(key), message, func() []slog.Attr { return dropAttrs(addressText(from), err) })
}

// dropLevel returns the level at which a drop is logged. It is that of the reference, as operators alert on it.
func dropLevel(key metrics.Counter) slog.Level {
	switch key {
	case metrics.DroppedChecksum, metrics.DroppedQueueFull, metrics.DroppedOverload, metrics.DroppedCIDR:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

func dropAttrs(from string, err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("from", from)}
	if err != nil {
		attrs = append(attrs, logging.Err(err))
	}
	return attrs
}

// keyOfUnpackError returns the counter for a packet that could not be unpacked.
func keyOfUnpackError(err error) metrics.Counter {
	switch {
	case errors.Is(err, wire.ErrChecksum):
		return metrics.DroppedChecksum
	case errors.Is(err, wire.ErrTooLarge), errors.Is(err, wire.ErrTooDeep):
		return metrics.DroppedOversize
	default:
		return metrics.DroppedDecode
	}
}

// senderAllowed reports whether packets and streams from an address are accepted. If CIDRsAllowed is set, one that is not an IP address
// is not.
func (c *Config) senderAllowed(addr netip.Addr) bool {
	if !c.IPMustBeChecked() {
		return true
	}
	return addr.IsValid() && c.IPAllowed(net.IP(addr.Unmap().AsSlice())) == nil
}

// maxPortWarnings is the number of members for which the rewriting of ports is logged.
const maxPortWarnings = 16

// portWatch detects members whose packets come from another port than they advertise, as behind a NAT that rewrites
// ports. Others receive their packets, but may not reach them: they are suspected and refute, again and again. A
// member that sends from another address with the same port has several addresses, or a harmless NAT. Only UDP
// packets count.
//
// It belongs to the goroutine that receives packets.
type portWatch struct{ warned map[string]struct{} }

// differs reports whether a ping of a known member, from the address that it advertises, comes from another UDP port.
func (w *portWatch) differs(core *swim.Core, from net.Addr, p *wire.PingView) bool {
	udp, ok := from.(*net.UDPAddr)
	if !ok || udp == nil || udp.Port == 0 || udp.IP.IsUnspecified() || p.SourcePort == 0 || int(p.SourcePort) == udp.Port {
		return false
	}
	source, ok := netip.AddrFromSlice(p.SourceAddr)
	if !ok {
		return false
	}
	member, known := core.Member(string(p.SourceNode))
	return known && member.Addr == netip.AddrPortFrom(source.Unmap(), p.SourcePort)
}

// first reports whether this is the first time for a member, for up to maxPortWarnings members.
func (w *portWatch) first(name string) bool {
	if _, warned := w.warned[name]; warned || len(w.warned) == maxPortWarnings {
		return false
	}
	if w.warned == nil {
		w.warned = make(map[string]struct{})
	}
	w.warned[name] = struct{}{}
	return true
}

// reportPort counts a ping from another port, and logs the first one of a member.
func (r *receiver) reportPort() {
	r.m.metrics.Add(metrics.PortDiffers, 1)
	p := &r.ping
	name := string(p.SourceNode)
	if !r.ports.first(name) {
		return
	}
	source, _ := netip.AddrFromSlice(p.SourceAddr)
	r.m.log.Warn("member sends from another port than it advertises, as behind a NAT",
		slog.String("node", name), slog.String("advertised", netip.AddrPortFrom(source.Unmap(), p.SourcePort).String()),
		slog.String("from", r.from.AddrPort.String()))
}
