package simnet

import (
	"bytes"
	"net"
	"net/netip"
	"time"
)

// Send sends a copy of b. The error is net.ErrClosed or ErrTooLarge, and nothing was sent then. As with UDP, nil does
// not mean that the packet will arrive, or that any endpoint listens there.
func (e *Endpoint) Send(b []byte, to netip.AddrPort) error {
	if len(b) > MaxPacket {
		return opError("write", "udp", e.addr, unmapped(to), ErrTooLarge)
	}
	return e.SendLarge(b, to)
}

// SendLarge is Send for a packet of any size, as transports other than UDP carry.
func (e *Endpoint) SendLarge(b []byte, to netip.AddrPort) error {
	to = unmapped(to)
	select {
	case <-e.done:
		return opError("write", "udp", e.addr, to, net.ErrClosed)
	default:
	}
	n := e.network
	n.count(func(s *Stats) {
		s.PacketsSent++
		s.PacketBytes += uint64(len(b))
	})
	n.send(Packet{Data: bytes.Clone(b), From: e.addr}, to)
	return nil
}

// send puts a packet on its link.
func (n *Network) send(p Packet, to netip.AddrPort) {
	if n.hold(p.From, func() { n.send(p, to) }) {
		return
	}
	link, _ := n.link(p.From, to)
	if link.PacketsDown || n.happens(link.Loss) {
		n.count(func(s *Stats) { s.PacketsLost++ })
		return
	}
	if n.happens(link.Duplicate) {
		n.count(func(s *Stats) { s.PacketsDuplicated++ })
		twin := p
		twin.Data = bytes.Clone(p.Data)
		n.sendAfter(n.delay(link), twin, to)
	}
	n.sendAfter(n.delay(link), p, to)
}

func (n *Network) sendAfter(delay time.Duration, p Packet, to netip.AddrPort) {
	if delay <= 0 {
		n.arrive(p, to)
		return
	}
	n.at(time.Now().Add(delay), func() { n.arrive(p, to) })
}

// arrive delivers a packet to the endpoint that listens at its destination now.
func (n *Network) arrive(p Packet, to netip.AddrPort) {
	if n.hold(to, func() { n.arrive(p, to) }) {
		return
	}
	e := n.endpoint(to)
	if e == nil {
		n.count(func(s *Stats) { s.PacketsUnrouted++ })
		return
	}
	p.Time = time.Now()
	if !e.receive(p) {
		n.count(func(s *Stats) { s.PacketsDropped++ })
		return
	}
	n.count(func(s *Stats) { s.PacketsDelivered++ })
}

// hold keeps a packet if the host that should send or receive it is paused, and returns whether it is.
func (n *Network) hold(host netip.AddrPort, again func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.faults.paused[host] {
		return false
	}
	if len(n.mu.held[host]) >= maxHeld {
		n.mu.stats.PacketsDropped++
		return true
	}
	n.mu.held[host] = append(n.mu.held[host], again)
	return true
}
