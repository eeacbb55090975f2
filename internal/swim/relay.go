package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// relay is a ping that we make because another asked for it.
type relay struct {
	seq   uint32 // of our ping
	asked uint32 // the asker's sequence number
	asker Endpoint
	nack  bool // the asker wants to hear of failure, and has not yet
	ends  time.Time
	due   *deadline // the nack is, or the relay ends
}

// nackAfter is when a nack leaves if there is no ack yet: at 80 % of the time that the ping has, so that it reaches the asker
// before that gives up (Lifeguard section IV-A).
//
// Compat: in the reference it leaves when all of the time has passed, which is too late for an asker that is healthy, and
// makes each probe of a dead member a sign of the prober's own ill health.
func nackAfter(timeout time.Duration) time.Duration { return timeout * 4 / 5 }

// ping is a ping that the user asked for.
type ping struct {
	seq     uint32
	began   time.Time
	expires *deadline
}

// StepPing acks a ping, with the user's payload, and keeps no reference to its memory. A ping for another name is not
// answered.
func (c *Core) StepPing(from Endpoint, p *wire.PingView, payload []byte) {
	if len(p.Node) > 0 && string(p.Node) != c.cfg.Name {
		c.drop(DropMisdirected)
		return
	}
	name := ""
	source := c.table.namedBytes(p.SourceNode)
	if source != nil {
		name = source.Name
	} else if len(p.SourceNode) > 0 {
		name = string(p.SourceNode)
	}
	answer := c.newPacket()
	if !c.replyTo(&answer.To, &from, p.SourceAddr, p.SourcePort, name) {
		c.unsend()
		return
	}
	ack, start := wire.Ack{SeqNo: p.SeqNo, Payload: payload}, len(c.out.bytes)
	c.out.bytes = ack.Append(c.out.bytes)
	if len(payload) > 0 && len(c.out.bytes)-start > c.cfg.PacketSize-wire.ChecksumSize {
		// Compat: the reference sends what may not arrive, and is suspected.
		c.drop(DropOversize)
		ack.Payload = nil
		c.out.bytes = ack.Append(c.out.bytes[:start])
	}
	c.out.end(answer, start)
	if source != nil && c.table.isAt(source, addressOf(from.AddrPort)) {
		source.answered = true // it is real
	}
	if source == nil {
		source = c.table.located(addressOf(answer.To.AddrPort))
	}
	answer.Checksum = source.readsChecksums()
	c.fill(answer)
}

// replyTo finds where the answer to a ping goes: to the source that it names,
// else to the packet's sender. It reports false for an address that we may not
// send to.
func (c *Core) replyTo(to, from *Endpoint, ip []byte, port uint16, name string) bool {
	if len(ip) == 0 || port == 0 {
		*to = Endpoint{Name: name, AddrPort: from.AddrPort, Text: from.Text}
		return true
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || len(name) > MaxName {
		c.drop(DropMalformed)
		return false
	}
	if !c.allowedIP(addr) {
		c.drop(DropNotAllowed)
		return false
	}
	to.Name, to.AddrPort = name, netip.AddrPortFrom(addr, port)
	return true
}

// relayPing pings the target of an indirect ping on the asker's behalf (SWIM
// section 3.1: ping-req).
func (c *Core) relayPing(now time.Time, from Endpoint, i *wire.IndirectPing) {
	target, ok := addressFrom(i.Target, i.Port, c.cfg.DefaultPort)
	if !ok || len(i.Node) > MaxName {
		c.drop(DropMalformed)
		return
	}
	if !c.allowed(target) {
		c.drop(DropNotAllowed)
		return
	}
	var asker Endpoint
	if !c.replyTo(&asker, &from, i.SourceAddr, i.SourcePort, i.SourceNode) {
		return
	}
	if len(c.relays) >= MaxRelays {
		c.drop(DropBusy)
		return
	}
	r := &relay{seq: c.nextSeq(), asked: i.SeqNo, asker: asker, nack: i.Nack, ends: now.Add(c.cfg.ProbeTimeout),
		due: newDeadline(dueRelay)}
	r.due.seq = r.seq
	c.relays[r.seq] = r
	if r.nack {
		c.deadlines.set(r.due, now.Add(nackAfter(c.cfg.ProbeTimeout)))
	} else {
		c.deadlines.set(r.due, r.ends)
	}
	c.send(Endpoint{Name: i.Node, AddrPort: target.addrPort()}, c.pingOf(r.seq, i.Node))
}

// relayAcked hands the target's ack on to the asker.
func (c *Core) relayAcked(r *relay) {
	c.forgetRelay(r)
	c.send(r.asker, &wire.Ack{SeqNo: r.asked})
}

// relayDue tells the asker that the target has not answered, if it wants to
// know (Lifeguard section IV-A: nack), and later ends the relay. In between an
// ack is still relayed.
func (c *Core) relayDue(seq uint32) {
	r := c.relays[seq]
	if !r.nack {
		c.forgetRelay(r)
		return
	}
	r.nack = false
	c.deadlines.set(r.due, r.ends)
	c.send(r.asker, &wire.Nack{SeqNo: r.asked})
}

func (c *Core) forgetRelay(r *relay) {
	c.deadlines.stop(r.due)
	delete(c.relays, r.seq)
}

// Ping pings an endpoint for the user. Its result, under the sequence number
// returned, is in a later Output.Pings: within ProbeTimeout.
func (c *Core) Ping(now time.Time, to Endpoint) uint32 {
	p := &ping{seq: c.nextSeq(), began: now, expires: newDeadline(duePing)}
	p.expires.seq = p.seq
	c.pings[p.seq] = p
	c.deadlines.set(p.expires, now.Add(c.cfg.ProbeTimeout))
	c.send(to, c.pingOf(p.seq, to.Name)).Ping = p.seq
	return p.seq
}

// cancelPing forgets a ping.
func (c *Core) cancelPing(seq uint32) {
	if p := c.pings[seq]; p != nil {
		c.deadlines.stop(p.expires)
		delete(c.pings, seq)
	}
}

// pingFailed ends a user's ping that could not be sent.
func (c *Core) pingFailed(seq uint32, err error) {
	if c.pings[seq] != nil {
		c.cancelPing(seq)
		c.out.Pings = append(c.out.Pings, PingResult{Seq: seq, Err: err})
	}
}

func (c *Core) pingAcked(now time.Time, p *ping) {
	c.cancelPing(p.seq)
	c.out.Pings = append(c.out.Pings, PingResult{Seq: p.seq, RTT: max(now.Sub(p.began), 0), OK: true})
}

func (c *Core) pingEnded(seq uint32) {
	delete(c.pings, seq)
	c.out.Pings = append(c.out.Pings, PingResult{Seq: seq})
}
