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
func (t *Turn) StepPing(from Endpoint, p *wire.PingView, payload []byte) {
	if len(p.Node) > 0 && string(p.Node) != t.cfg.Name {
		t.drop(DropMisdirected)
		return
	}
	name := ""
	source := t.table.namedBytes(p.SourceNode)
	if source != nil {
		name = source.Name
	} else if len(p.SourceNode) > 0 {
		name = string(p.SourceNode)
	}
	answer := t.newPacket()
	if !t.replyTo(&answer.To, &from, p.SourceAddr, p.SourcePort, name) {
		t.unsend()
		return
	}
	ack, start := wire.Ack{SeqNo: p.SeqNo, Payload: payload}, len(t.out.bytes)
	t.out.bytes = ack.Append(t.out.bytes)
	if len(payload) > 0 && len(t.out.bytes)-start > t.cfg.Room.Alone() {
		// Compat: the reference sends what may not arrive, and is suspected.
		t.drop(DropOversize)
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
	t.fill(answer)
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
		t.drop(DropMalformed)
		return false
	}
	if !t.allowedIP(addr) {
		t.drop(DropNotAllowed)
		return false
	}
	to.Name, to.AddrPort = name, netip.AddrPortFrom(addr, port)
	return true
}

// relayPing pings the target of an indirect ping on the asker's behalf (SWIM
// section 3.1: ping-req).
func (t *Turn) relayPing(from Endpoint, i *wire.IndirectPing) {
	target, ok := addressFrom(i.Target, i.Port, t.cfg.DefaultPort)
	if !ok || len(i.Node) > MaxName {
		t.drop(DropMalformed)
		return
	}
	if !t.allowed(target) {
		t.drop(DropNotAllowed)
		return
	}
	var asker Endpoint
	if !t.replyTo(&asker, &from, i.SourceAddr, i.SourcePort, i.SourceNode) {
		return
	}
	if len(t.relays) >= MaxRelays {
		t.drop(DropBusy)
		return
	}
	r := &relay{seq: t.nextSeq(), asked: i.SeqNo, asker: asker, nack: i.Nack, ends: t.now.Add(t.cfg.ProbeTimeout),
		due: newDeadline(dueRelay)}
	r.due.seq = r.seq
	t.relays[r.seq] = r
	if r.nack {
		t.deadlines.set(r.due, t.now.Add(nackAfter(t.cfg.ProbeTimeout)))
	} else {
		t.deadlines.set(r.due, r.ends)
	}
	t.send(Endpoint{Name: i.Node, AddrPort: target.addrPort()}, t.pingOf(r.seq, i.Node))
}

// relayAcked hands the target's ack on to the asker.
func (t *Turn) relayAcked(r *relay) {
	t.forgetRelay(r)
	t.send(r.asker, &wire.Ack{SeqNo: r.asked})
}

// relayDue tells the asker that the target has not answered, if it wants to
// know (Lifeguard section IV-A: nack), and later ends the relay. In between an
// ack is still relayed.
func (t *Turn) relayDue(seq uint32) {
	r := t.relays[seq]
	if !r.nack {
		t.forgetRelay(r)
		return
	}
	r.nack = false
	t.deadlines.set(r.due, r.ends)
	t.send(r.asker, &wire.Nack{SeqNo: r.asked})
}

func (t *Turn) forgetRelay(r *relay) {
	t.deadlines.stop(r.due)
	delete(t.relays, r.seq)
}

// Ping pings an endpoint for the user. Its result, under the sequence number
// returned, is in a later Output.Pings: within ProbeTimeout.
func (t *Turn) Ping(to Endpoint) uint32 {
	p := &ping{seq: t.nextSeq(), began: t.now, expires: newDeadline(duePing)}
	p.expires.seq = p.seq
	t.pings[p.seq] = p
	t.deadlines.set(p.expires, t.now.Add(t.cfg.ProbeTimeout))
	t.send(to, t.pingOf(p.seq, to.Name)).Ping = p.seq
	return p.seq
}

// cancelPing forgets a ping.
func (t *Turn) cancelPing(seq uint32) {
	if p := t.pings[seq]; p != nil {
		t.deadlines.stop(p.expires)
		delete(t.pings, seq)
	}
}

// pingFailed ends a user's ping that could not be sent.
func (t *Turn) pingFailed(seq uint32, err error) {
	if t.pings[seq] != nil {
		t.cancelPing(seq)
		t.out.Pings = append(t.out.Pings, PingResult{Seq: seq, Err: err})
	}
}

func (t *Turn) pingAcked(p *ping) {
	t.cancelPing(p.seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: p.seq, RTT: max(t.now.Sub(p.began), 0), OK: true})
}

func (t *Turn) pingEnded(seq uint32) {
	delete(t.pings, seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: seq})
}
