package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// relay is a ping on behalf of another member.
type relay struct {
	seq    uint32 // of our ping
	asked  uint32 // the asker's sequence number
	asker  Endpoint
	target address
	nack   bool // the asker wants a nack, and has not got one

	evidence uint8 // of the nack: the outcome of our stream
	ends     time.Time
	due      *deadline // when the nack is to be sent, or the relay ends
}

// relays are the running relays by the sequence number of our ping.
type relays map[uint32]*relay

// nackAfter returns when a nack is sent if there is no ack: after 80 % of ProbeTimeout, or our pingTimeout if that is less, so
// that it reaches the asker before its timeout (Lifeguard section IV-A).
//
// Compat: the reference sends it when all of the time has passed, too late for a healthy asker, so that each probe of a dead
// member counts against the prober's health.
func (r relays) nackAfter(t *Turn) time.Duration { return min(t.cfg.ProbeTimeout*4/5, t.pingTimeout()) }

// ping is a ping for the user.
type ping struct {
	seq     uint32
	to      Endpoint
	began   time.Time
	expires *deadline
}

// pings are the running ones by sequence number.
type pings map[uint32]*ping

// StepPing acks a ping with the user's payload, and keeps no reference to its memory. A ping for another name is not
// answered.
func (t *Turn) StepPing(from Endpoint, p *wire.PingView, payload []byte) {
	if r := t.rec; r != nil {
		r.putStepPing(&from, p, payload)
	}
	if len(p.Node) > 0 && string(p.Node) != t.cfg.Name {
		t.out.drop(DropMisdirected)
		return
	}
	sender, source := addressOf(from.AddrPort), t.table.namedBytes(p.SourceNode)
	isSource := source != nil && t.table.isAt(source, sender)
	if isSource {
		source.answered = true // it exists
		t.view.note(source, p.View)
	}
	name := ""
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
	known := isSource && answer.To.AddrPort == from.AddrPort
	if !known && (source == nil || answer.To.AddrPort.IsValid() && !t.table.isAt(source, addressOf(answer.To.AddrPort))) {
		source = t.table.otherAt(&answer.To)
	}
	if source == nil {
		to := answer.To
		t.out.ackStranger(answer, p.SeqNo)
		t.confront(to)
		return
	}
	ack, start := wire.Ack{SeqNo: p.SeqNo, Payload: payload, View: t.view.inAck(t, p.View)}, len(t.out.bytes)
	t.out.bytes = ack.Append(t.out.bytes)
	if len(payload) > 0 && len(t.out.bytes)-start > t.cfg.Room.Alone() {
		// Compat: the reference sends it all, and is suspected if the packet is lost.
		t.out.drop(DropOversize)
		ack.Payload = nil
		t.out.bytes = ack.Append(t.out.bytes[:start])
	}
	t.out.end(answer, start)
	answer.Features = t.table.featuresOf(source)
	if known || !from.AddrPort.IsValid() || t.table.isAt(source, sender) {
		t.queue.fill(t, t.out, answer, t.cfg.roomIn(answer))
	}
	if source.State.IsDown() {
		t.confront(answer.To)
	}
}

// ackStranger completes the packet with the ack for a sender that is no known member: one that has just joined, or anyone. It
// is never longer than the ping, and nothing goes with it.
//
// Compat: the reference adds queued broadcasts, which count as sent, and the payload.
func (o *Output) ackStranger(answer *Packet, seqNo uint32) {
	if seqNo == 0 { // no member sends it, and the ping may lack it
		o.unsend()
		o.drop(DropMalformed)
		return
	}
	start := len(o.bytes)
	o.bytes = wire.AppendBareAck(o.bytes, seqNo)
	o.end(answer, start)
}

// PingedByMember reports whether the ack of a ping goes to a known member, and may have a payload.
func (c *Core) PingedByMember(from Endpoint, p *wire.PingView) bool {
	if source, ok := netip.AddrFromSlice(p.SourceAddr); ok && p.SourcePort > 0 {
		if c.table.otherAt(&Endpoint{AddrPort: netip.AddrPortFrom(source, p.SourcePort)}) != nil {
			return true
		}
	}
	if from.AddrPort.IsValid() {
		return c.table.otherAt(&from) != nil
	}
	return c.table.namedBytes(p.SourceNode) != nil
}

// otherAt returns the known member, other than ourselves, at an endpoint: by its address or, without one, by its name. It
// returns nil if there is none.
func (t *table) otherAt(at *Endpoint) *member {
	var m *member
	if at.AddrPort.IsValid() {
		m = t.located(addressOf(at.AddrPort))
	} else if at.Name != "" {
		m = t.named(at.Name)
	}
	if m == t.self {
		return nil
	}
	return m
}

// replyTo sets the destination of a reply: the source that the ping names, if that is the sender of the packet or a known
// member, or else the sender. It reports false if the source is not allowed, or if the sender asks for too many packets to
// others. A member behind a NAT sends from another address than its own.
//
// Compat: the reference sends it to any source.
func (t *Turn) replyTo(to, from *Endpoint, ip []byte, port uint16, name string) bool {
	to.Name, to.AddrPort, to.Text = name, from.AddrPort, from.Text
	if len(ip) == 0 || port == 0 {
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
	source := netip.AddrPortFrom(addr, port)
	if source != from.AddrPort && from.AddrPort.IsValid() && !addressOf(source).same(addressOf(from.AddrPort)) {
		if t.table.otherAt(&Endpoint{AddrPort: source}) == nil {
			return true
		}
		if !t.answers.take(t, from) {
			return false
		}
	}
	to.AddrPort, to.Text = source, ""
	return true
}

// begin pings the target of an indirect ping, which must be a known member, on behalf of the asker (SWIM section 3.1:
// ping-req).
//
// Compat: the reference pings any address.
func (r relays) begin(t *Turn, from Endpoint, i *wire.IndirectPing) {
	addr, ok := addressFrom(i.Target, i.Port, t.cfg.DefaultPort)
	if !ok || len(i.Node) > MaxName {
		t.out.drop(DropMalformed)
		return
	}
	if !t.cfg.allows(addr) {
		t.out.drop(DropNotAllowed)
		return
	}
	to := Endpoint{Name: i.Node, AddrPort: addr.addrPort()}
	target := t.table.otherAt(&to)
	evidence := r.evidenceAgainst(t, target, i.Node, addr)
	if target == nil && evidence == nil {
		t.out.drop(DropStranger)
		return
	}
	var asker Endpoint
	if !t.answers.take(t, &from) || !t.replyTo(&asker, &from, i.SourceAddr, i.SourcePort, i.SourceNode) {
		return
	}
	if evidence != nil && t.table.otherAt(&asker) != nil {
		t.sendAlone(asker, evidence)
	}
	if target == nil {
		return
	}
	if len(r) >= MaxRelays {
		t.out.drop(DropBusy)
		return
	}
	one := &relay{seq: t.seq.next(), asked: i.SeqNo, asker: asker, target: addr, nack: i.Nack, ends: t.now.Add(t.cfg.ProbeTimeout),
		due: newDeadline(dueRelay)}
	one.due.seq = one.seq
	r[one.seq] = one
	if one.nack {
		t.deadlines.set(one.due, t.now.Add(r.nackAfter(t)))
	} else {
		t.deadlines.set(one.due, one.ends)
	}
	t.send(to, t.newPing(one.seq, i.Node))
	if i.Dial && target.Name == i.Node {
		r.dial(t, one, target)
	}
}

// evidenceAgainst returns what is known against a member that is down or was forgotten since. A member that asks for a ping of it has
// missed that.
//
// Compat: the reference only pings. Its member finds out by itself, when its own suspicion ends.
func (r relays) evidenceAgainst(t *Turn, m *member, name string, addr address) wire.Message {
	switch {
	case !t.cfg.Extensions:
	case m != nil:
		if m.State.IsDown() && m.Name == name {
			return t.evidenceForOthers(m)
		}
	default:
		if gone := t.failed.recent(t, name); gone != nil && gone.addr.same(addr) {
			return gone.evidenceForOthers(t.cfg.Name)
		}
	}
	return nil
}

// onAck relays the ack of the target to the asker.
func (r relays) onAck(t *Turn, from *Endpoint, one *relay) {
	if m := t.table.located(one.target); m != nil && !t.ackSources.isFrom(t, m, from) {
		t.out.drop(DropStranger)
		return
	}
	r.remove(t, one)
	t.send(one.asker, &wire.Ack{SeqNo: one.asked})
}

// onDue sends a nack to an asker that wants one (Lifeguard section IV-A), and later ends the relay. In between an ack is
// still relayed.
func (r relays) onDue(t *Turn, seq uint32) {
	one := r[seq]
	if !one.nack {
		r.remove(t, one)
		return
	}
	one.nack = false
	t.deadlines.set(one.due, one.ends)
	t.send(one.asker, &wire.Nack{SeqNo: one.asked, Evidence: one.evidence})
	r.probeToo(t, one)
}

// probeToo probes a target that did not answer us either, unless we are late, if the asker is of the reference: that suspects it later than we can,
// and leads no suspicion (corroboration.go).
func (r relays) probeToo(t *Turn, one *relay) {
	asker, target := t.table.otherAt(&one.asker), t.table.located(one.target)
	if t.cfg.Detector.Corroborate && t.lateness.at(t.now) == 0 && asker != nil && !asker.extended() && target != nil && t.table.isPresent(target) {
		t.probe.hurry(t, target)
	}
}

func (r relays) remove(t *Turn, one *relay) {
	t.deadlines.stop(one.due)
	delete(r, one.seq)
}

// Ping pings an endpoint for the user. The result is in the Output.Pings of a later turn, within ProbeTimeout, under the
// returned sequence number.
func (t *Turn) Ping(to Endpoint) uint32 {
	if r := t.rec; r != nil {
		r.putPing(&to)
	}
	p := &ping{seq: t.seq.next(), to: to, began: t.now, expires: newDeadline(duePing)}
	p.expires.seq = p.seq
	t.pings[p.seq] = p
	t.deadlines.set(p.expires, t.now.Add(t.cfg.ProbeTimeout))
	t.send(to, t.newPing(p.seq, to.Name)).Ping = p.seq
	return p.seq
}

// remove removes a ping.
func (p pings) remove(t *Turn, seq uint32) {
	if one := p[seq]; one != nil {
		t.deadlines.stop(one.expires)
		delete(p, seq)
	}
}

// fail ends a ping that could not be sent.
func (p pings) fail(t *Turn, seq uint32, err error) {
	if p[seq] != nil {
		p.remove(t, seq)
		t.out.Pings = append(t.out.Pings, PingResult{Seq: seq, Err: err})
	}
}

func (p pings) onAck(t *Turn, from *Endpoint, one *ping) {
	if m := t.table.otherAt(&one.to); m != nil && !t.ackSources.isFrom(t, m, from) ||
		m == nil && one.to.AddrPort.IsValid() && !isFromHost(addressOf(one.to.AddrPort), from) {
		t.out.drop(DropStranger)
		return
	}
	p.remove(t, one.seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: one.seq, RTT: max(t.now.Sub(one.began), 0), OK: true})
}

func (p pings) onTimeout(t *Turn, seq uint32) {
	delete(p, seq)
	t.out.Pings = append(t.out.Pings, PingResult{Seq: seq})
}
