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

// relays are those under way, by the sequence number of our ping.
type relays map[uint32]*relay

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

// pings are those under way, by their sequence number.
type pings map[uint32]*ping

// StepPing acks a ping, with the user's payload, and keeps no reference to its memory. A ping for another name is not
// answered.
func (t *Turn) StepPing(from Endpoint, p *wire.PingView, payload []byte) {
	if len(p.Node) > 0 && string(p.Node) != t.cfg.Name {
		t.out.drop(DropMisdirected)
		return
	}
	name := ""
	source := t.table.namedBytes(p.SourceNode)
	if source != nil {
		name = source.Name
	} else if len(p.SourceNode) > 0 {
		name = string(p.SourceNode)
	}
	answer := t.out.newPacket()
	if !t.replyTo(&answer.To, &from, p.SourceAddr, p.SourcePort, name) {
		t.out.unsend()
		return
	}
	ack, start := wire.Ack{SeqNo: p.SeqNo, Payload: payload}, len(t.out.bytes)
	t.out.bytes = ack.Append(t.out.bytes)
	if len(payload) > 0 && len(t.out.bytes)-start > t.cfg.Room.Alone() {
		// Compat: the reference sends what may not arrive, and is suspected.
		t.out.drop(DropOversize)
		ack.Payload = nil
		t.out.bytes = ack.Append(t.out.bytes[:start])
	}
	t.out.end(answer, start)
	if source != nil && t.table.isAt(source, addressOf(from.AddrPort)) {
		source.answered = true // it is real
	}
	if source == nil {
		source = t.table.located(addressOf(answer.To.AddrPort))
	}
	answer.Checksum = source.readsChecksums()
	t.queue.fill(t, t.out, answer, t.cfg.roomIn(answer))
}

// replyTo finds where the answer to a ping goes: to the source that it names,
// else to the packet's sender. It reports false for an address that we may not
// send to.
func (t *Turn) replyTo(to, from *Endpoint, ip []byte, port uint16, name string) bool {
	if len(ip) == 0 || port == 0 {
		*to = Endpoint{Name: name, AddrPort: from.AddrPort, Text: from.Text}
		return true
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || len(name) > MaxName {
		t.out.drop(DropMalformed)
		return false
	}
	if !t.cfg.allowsIP(addr) {
		t.out.drop(DropNotAllowed)
		return false
	}
	to.Name, to.AddrPort = name, netip.AddrPortFrom(addr, port)
	return true
}

// relayPing pings the target of an indirect ping on the asker's behalf (SWIM
// section 3.1: ping-req).
func (r relays) begin(t *Turn, from Endpoint, i *wire.IndirectPing) {
	target, ok := addressFrom(i.Target, i.Port, t.cfg.DefaultPort)
	if !ok || len(i.Node) > MaxName {
		t.out.drop(DropMalformed)
		return
	}
	if !t.cfg.allows(target) {
		t.out.drop(DropNotAllowed)
		return
	}
	var asker Endpoint
	if !t.replyTo(&asker, &from, i.SourceAddr, i.SourcePort, i.SourceNode) {
		return
	}
	if len(r) >= MaxRelays {
		t.out.drop(DropBusy)
		return
	}
	one := &relay{seq: t.seq.next(), asked: i.SeqNo, asker: asker, nack: i.Nack, ends: t.now.Add(t.cfg.ProbeTimeout),
		due: newDeadline(dueRelay)}
	one.due.seq = one.seq
	r[one.seq] = one
	if one.nack {
		t.deadlines.set(one.due, t.now.Add(nackAfter(t.cfg.ProbeTimeout)))
	} else {
		t.deadlines.set(one.due, one.ends)
	}
	t.send(Endpoint{Name: i.Node, AddrPort: target.addrPort()}, t.table.newPing(one.seq, i.Node))
}

// relayAcked hands the target's ack on to the asker.
func (r relays) onAck(t *Turn, one *relay) {
	r.remove(t, one)
	t.send(one.asker, &wire.Ack{SeqNo: one.asked})
}

// relayDue tells the asker that the target has not answered, if it wants to
// know (Lifeguard section IV-A: nack), and later ends the relay. In between an
// ack is still relayed.
func (r relays) onDue(t *Turn, seq uint32) {
	one := r[seq]
	if !one.nack {
		r.remove(t, one)
		return
	}
	one.nack = false
	t.deadlines.set(one.due, one.ends)
	t.send(one.asker, &wire.Nack{SeqNo: one.asked})
}

func (r relays) remove(t *Turn, one *relay) {
	t.deadlines.stop(one.due)
	delete(r, one.seq)
}

// Ping pings an endpoint for the user. Its result, under the sequence number
// returned, is in a later Output.Pings: within ProbeTimeout.
func (t *Turn) Ping(to Endpoint) uint32 {
	p := &ping{seq: t.seq.next(), began: t.now, expires: newDeadline(duePing)}
	p.expires.seq = p.seq
	t.pings[p.seq] = p
	t.deadlines.set(p.expires, t.now.Add(t.cfg.ProbeTimeout))
	t.send(to, t.table.newPing(p.seq, to.Name)).Ping = p.seq
	return p.seq
}

// cancelPing forgets a ping.
func (p pings) remove(t *Turn, seq uint32) {
	if one := p[seq]; one != nil {
		t.deadlines.stop(one.expires)
		delete(p, seq)
	}
}

// pingFailed ends a user's ping that could not be sent.
func (p pings) fail(t *Turn, seq uint32, err error) {
	if p[seq] != nil {
		p.remove(t, seq)
		t.out.Pings = append(t.out.Pings, PingResult{Seq: seq, Err: err})
	}
}

func (p pings) onAck(t *Turn, one *ping) {
	p.remove(t, one.seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: one.seq, RTT: max(t.now.Sub(one.began), 0), OK: true})
}

func (p pings) onTimeout(t *Turn, seq uint32) {
	delete(p, seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: seq})
}
