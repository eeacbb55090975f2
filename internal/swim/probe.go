package swim

import (
	"bytes"
	"math/rand/v2"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// probe is our own failure detection of one member at a time (SWIM section
// 3.1, with Lifeguard's nacks and stretched interval):
//
//	idle --tick--> direct --pingTimeout or send failed--> indirect --time is up--> idle
//	                  |                                       |
//	                  +---ack: success, a round-trip time     +---ack: success
//
// It lasts for ProbeInterval, stretched by our health, or for two ProbeTimeouts
// if that is longer, so that both halves have time for an answer.
//
// Compat: in the reference it ends with the interval, so that there are no
// indirect pings if ProbeTimeout is as long.
//
// A tick during a probe begins another one at its end; several ticks begin one.
type probe struct {
	tick    deadline // the next probe
	timeout deadline // end of the direct half
	end     deadline // end of the probe

	target        *member // nil: idle
	incarnation   uint32  // of the target at the start
	seq           uint32
	began         time.Time
	ends          time.Time
	indirect      bool      // the direct half is over
	dialled       time.Time // when our stream was begun
	opened        bool      // our stream was opened, or that of a helper
	refusers      []ID      // members whose streams were refused
	helpers       []ID      // that were asked
	answers       []answer  // of helpers
	waited        time.Duration
	unsent        string // the error, if our ping could not be sent
	stream        Result // of ours
	streamError   string
	foreignAck    bool // an ack came from another address
	asked         int  // number of helpers that were asked first
	wantedNacks   int
	nacks         int
	streamAnswers bool // the target acked on a stream
	missedTick    bool
	urgent        *member // is probed next; nil: none
}

func newProbe() probe {
	return probe{tick: unset(dueProbe), timeout: unset(dueProbeTimeout), end: unset(dueProbeEnd)}
}

// start begins a probe of the next member, unless one is running.
func (p *probe) start(t *Turn) {
	if p.target != nil {
		p.missedTick = true
		return
	}
	if m := p.next(t); m != nil {
		p.begin(t, m)
	}
}

// hurry begins a probe of m, or makes m the next one if a probe is running, unless this member does not probe.
func (p *probe) hurry(t *Turn, m *member) {
	if t.cfg.ProbeInterval > 0 {
		p.urgent = m
		p.start(t)
	}
}

// unhurry makes m not the next one, if it is.
func (p *probe) unhurry(m *member) {
	if p.urgent == m {
		p.urgent = nil
	}
}

// next returns the next member to probe: the urgent one, or that of the probe order, which is alive or suspect, or nil after one round.
func (p *probe) next(t *Turn) *member {
	if m := p.urgent; m != nil {
		if p.urgent = nil; t.table.isPresent(m) {
			return m
		}
	}
	if m := t.zones.nextProbe(t); m != nil {
		return m
	}
	for range t.table.len() + 1 {
		if t.table.unprobed == 0 {
			t.table.shuffle(t.cfg.Rand)
		}
		t.table.unprobed--
		m := t.table.at(t.table.order[t.table.unprobed])
		if t.table.isPresent(m) {
			return m
		}
	}
	return nil
}

// begin pings m. A suspect is sent its suspicion in the same packet, so that it can refute (Lifeguard section IV-C, Buddy
// System).
func (p *probe) begin(t *Turn, m *member) {
	interval := t.awareness.stretch(t.cfg.ProbeInterval)
	if interval > t.cfg.ProbeInterval {
		t.out.Counts.DegradedProbes++
	}
	p.target, p.incarnation = m, m.Incarnation
	p.seq = t.seq.next()
	p.began, p.ends = t.now, t.now.Add(max(interval, 2*t.cfg.ProbeTimeout))
	p.indirect, p.opened, p.streamAnswers, p.foreignAck = false, false, false, false
	p.helpers, p.refusers, p.answers = p.helpers[:0], p.refusers[:0], p.answers[:0]
	p.waited, p.unsent, p.stream, p.streamError = 0, "", ResultNone, ""
	p.wantedNacks, p.nacks = 0, 0
	t.deadlines.set(&p.timeout, t.now.Add(t.pingTimeout()))
	t.deadlines.set(&p.end, p.ends)

	var packet *Packet
	if m.State == StateAlive {
		packet = t.send(t.table.endpoint(m), t.newPing(p.seq, m.Name))
	} else {
		packet = t.sendAlone(t.table.endpoint(m), t.newPing(p.seq, m.Name),
			&wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: t.cfg.Name})
	}
	packet.Ping = p.seq
	t.loops.gossipWithProbe(t)
}

// newPing returns a ping to the member with a name.
func (t *Turn) newPing(seq uint32, name string) *wire.Ping {
	p := t.pingOf(seq, name)
	return &p
}

func (t *Turn) pingOf(seq uint32, name string) wire.Ping {
	self := t.table.self
	return wire.Ping{
		SeqNo:      seq,
		Node:       name,
		SourceAddr: t.table.ip(self),
		SourcePort: self.port,
		SourceNode: self.Name,
		View:       t.view.inPing(t),
	}
}

// sequenceNumbers are those of our pings. From one that was seen the next one cannot be guessed, to forge its ack.
//
// Compat: the reference counts from 1.
type sequenceNumbers struct {
	last uint32
	rand *rand.Rand
	rec  *Recorder // nil: none
}

// maxSequenceStep is the greatest difference of two consecutive sequence numbers. It takes 130,000 pings until one is used again.
const maxSequenceStep = 1 << 16

// next returns the next sequence number, which is never 0.
func (s *sequenceNumbers) next() uint32 {
	s.last += 1 + s.rand.Uint32N(maxSequenceStep)
	if s.last == 0 {
		s.last = 1
	}
	s.last = s.rec.sequence(s.last)
	return s.last
}

// SendFailed reports that our ping with a sequence number could not be sent. A probe goes on with its indirect part at once;
// a user's ping ends with the error.
//
// Compat: in the reference a probe ends without a result unless the error is of package net, so that a dead member is never
// noticed over other transports.
func (t *Turn) SendFailed(seq uint32, err error) {
	if r := t.rec; r != nil {
		put(r, &r.calls.SendFailed, callSendFailed{seq, err})
	}
	t.probe.noteUnsent(t, seq, err)
	if t.probe.isDirect(t.Core, seq) {
		t.probe.goIndirect(t)
		return
	}
	t.pings.fail(t, seq, err)
}

// isDirect reports whether a probe is waiting for the ack to this direct ping.
func (p *probe) isDirect(c *Core, seq uint32) bool {
	return p.target != nil && p.seq == seq && !p.indirect
}

// StreamPingDone reports that the target of a probe or a check answered a ping on a stream.
func (t *Turn) StreamPingDone(seq uint32) {
	if r := t.rec; r != nil {
		put(r, &r.calls.StreamPingDone, callStreamPingDone{seq})
	}
	if t.probe.target != nil && t.probe.seq == seq {
		t.probe.streamAnswers, t.probe.stream = true, ResultAcked
		t.ackSources.answeredOnStream(t.probe.target)
	}
	if k := t.checks.asking[seq]; k != nil {
		k.streamAnswers = true
	}
}

// onPingTimeout goes on after the time of a direct ping, or of a stream.
func (p *probe) onPingTimeout(t *Turn) {
	if p.indirect {
		p.endSilent(t)
		return
	}
	p.goIndirect(t)
}

// goIndirect asks other members to ping the target, and tries a stream.
func (p *probe) goIndirect(t *Turn) {
	t.deadlines.stop(&p.timeout)
	p.indirect, p.waited = true, t.now.Sub(p.began)
	m := p.target
	target := t.table.snapshot(m)
	p.wantedNacks = question{seq: p.seq, members: t.cfg.IndirectChecks}.ask(t, m, &target, &p.helpers)
	p.asked = len(p.helpers)
	p.dialled = t.now
	if t.pingOnStream(m, &target, p.seq, p.ends) {
		p.stream = ResultSilent // until it is known
	}
	if t.cfg.Detector.SilenceTimeout > 0 {
		t.deadlines.set(&p.timeout, p.dialled.Add(t.pingTimeout()))
	}
}

// endSilent ends a probe before its time, if Detector.SilenceTimeout lets silence count early: each helper sent a nack, so that our
// network works, and our stream was not opened within the time of a ping. A target whose stream was opened has all the time.
func (p *probe) endSilent(t *Turn) {
	if t.cfg.Detector.SilenceTimeout > 0 && p.wantedNacks > 0 && p.nacks == p.wantedNacks && p.asked == p.wantedNacks && !p.opened &&
		t.now.Sub(p.dialled) >= t.pingTimeout() {
		p.fail(t, 0)
	}
}

// question is what other members are asked about a member: to ping it, for our ping of a sequence number.
type question struct {
	seq     uint32
	members int  // number of members to ask
	dial    bool // to try a stream too
}

// extend moves the end of a probe.
func (p *probe) extend(t *Turn, by time.Duration) {
	p.ends = p.ends.Add(by)
	t.deadlines.set(&p.end, p.ends)
}

// ask asks other members to ping m at the address in target, and adds them to asked. It returns how many of them
// send a nack if m does not answer.
func (q question) ask(t *Turn, m *member, target *Member, asked *[]ID) (nacks int) {
	ip := addressOf(target.Addr)
	for _, h := range q.helpers(t, m) {
		*asked = append(*asked, h.ID)
		nack := h.Versions.PMax() >= protocolNack
		if nack {
			nacks++
		}
		t.send(t.table.endpoint(h), &wire.IndirectPing{
			SeqNo:      q.seq,
			Target:     ip.bytes(),
			Port:       ip.port,
			Node:       m.Name,
			Nack:       nack,
			SourceAddr: t.table.ip(t.table.self),
			SourcePort: t.table.self.port,
			SourceNode: t.cfg.Name,
			Dial:       q.dial,
		})
	}
	return nacks
}

// helpers returns the members to ask about m. If they are to try streams, those that are known to do that have precedence.
func (q question) helpers(t *Turn, m *member) []*member {
	canHelp := func(h *member) bool { return h != t.table.self && h != m && h.State == StateAlive }
	if t.zones.areActive(t) && t.table.isSameZone(m) {
		chosen := t.choose(q.members, func(h *member) bool { return canHelp(h) && t.table.isSameZone(h) && (!q.dial || h.extended()) })
		if len(chosen) == q.members {
			return chosen
		}
	}
	if q.dial {
		chosen := t.choose(q.members, func(h *member) bool { return canHelp(h) && h.extended() })
		if len(chosen) == q.members {
			return chosen
		}
	}
	return t.choose(q.members, canHelp)
}

// pingOnStream puts out a ping of m on a stream, to the address in target, unless packets travel on streams too. It reports whether it
// did.
func (t *Turn) pingOnStream(m *member, target *Member, seq uint32, ends time.Time) bool {
	return !t.cfg.PacketsAreStreams && t.out.tryStream(m, target, seq, ends)
}

// tryStream is pingOnStream to find out whether the host refuses streams, which packets on streams do not tell.
func (o *Output) tryStream(m *member, target *Member, seq uint32, ends time.Time) bool {
	if m.Versions.PMax() < protocolStreamPing {
		return false
	}
	o.Streams = append(o.Streams, Stream{Kind: StreamPing, To: *target, Seq: seq, Deadline: ends})
	return true
}

// onTimeout ends a probe without an ack.
func (p *probe) onTimeout(t *Turn) {
	m := p.target
	if p.foreignAck {
		t.ackSources.relearn(m)
	}
	if p.streamAnswers {
		evidence := p.tellUnanswered(t)
		t.suspicions.noteAck(m)
		t.out.event(Event{Kind: EventStreamOnly, Member: t.table.snapshot(m), Evidence: evidence})
		p.finish(t, -1)
		return
	}
	if m.State.IsDown() && t.cfg.Extensions { // by the word of others, which we received
		p.tellUnanswered(t)
		p.finish(t, 0)
		return
	}
	// Nacks distinguish a failure of the target from our own: a helper that sends
	// one is alive and reaches us.
	delta := 1
	if p.wantedNacks > 0 {
		delta = max(p.wantedNacks-p.nacks, 0)
	}
	p.fail(t, delta)
}

// fail ends a probe whose target did not answer.
func (p *probe) fail(t *Turn, delta int) {
	m := p.target
	evidence := p.tellUnanswered(t)
	t.out.event(Event{Kind: EventProbeFailed, Member: t.table.snapshot(m), Evidence: evidence})
	t.origin = origin{findings: evidence.Findings}
	if p.incarnation >= m.Incarnation {
		t.applySuspect(m.Incarnation, m, t.cfg.Name)
		t.suspicions.lead(t, m, p.refusers)
	}
	p.finish(t, delta)
}

// finish makes the probe idle, or begins the overdue one.
func (p *probe) finish(t *Turn, delta int) {
	t.awareness.apply(delta)
	t.out.Probes = append(t.out.Probes, t.now.Sub(p.began))
	t.deadlines.stop(&p.timeout)
	t.deadlines.stop(&p.end)
	p.target = nil
	if p.missedTick {
		p.missedTick = false
		p.start(t)
	}
}

// abandon makes the probe idle without a result: its target is removed.
func (p *probe) abandon(deadlines *deadlines) {
	deadlines.stop(&p.timeout)
	deadlines.stop(&p.end)
	p.target, p.missedTick = nil, false
}

// acked handles an ack: to our probe, a relayed ping, a user's ping, a check, or a ping of a failed member.
func (t *Turn) acked(from Endpoint, a *wire.Ack) {
	if a.SeqNo == 0 {
		t.ring.onBeat(t, &from, a)
		return
	}
	if p := &t.probe; p.target != nil && p.seq == a.SeqNo {
		switch {
		case t.ackSources.isFrom(t, p.target, &from):
			t.view.note(p.target, a.View)
			t.view.compare(t, p.target, a.View)
		case !t.ackSources.anyFrom(t, p.helpers, &from):
			p.foreignAck = true
			t.out.drop(DropStranger)
			return
		default:
			p.note(t, &from, ResultAcked)
		}
		p.target.answered = true
		t.suspicions.noteAck(p.target)
		if !p.noteRoundTrip(t, &from, a) && p.indirect {
			p.tellUnanswered(t)
		}
		p.finish(t, -1)
		return
	}
	if r := t.relays[a.SeqNo]; r != nil {
		t.relays.onAck(t, &from, r)
		return
	}
	if p := t.pings[a.SeqNo]; p != nil {
		t.pings.onAck(t, &from, p)
		return
	}
	if one := t.probation.bySeq[a.SeqNo]; one != nil {
		t.probation.onAck(t, &from, one)
		return
	}
	if k := t.checks.asking[a.SeqNo]; k != nil {
		t.checks.onAck(t, k, from)
		return
	}
	if r := t.rounds[a.SeqNo]; r != nil {
		r.onAck(t, &from)
		return
	}
	if c := t.deadChecks.asking(a.SeqNo); c != nil {
		t.deadChecks.onAck(t, &from, c)
		return
	}
	if k := t.checks.claimants[a.SeqNo]; k != nil {
		t.checks.onClaimantAck(t, k, from)
		return
	}
	t.failed.onAck(t, &from, a.SeqNo)
}

// noteRoundTrip measures the round trip of an ack, unless it was relayed by a helper. One that comes while helpers are asked
// is that of the target if it comes from its address. It reports whether the ack counts as one of a direct ping.
func (p *probe) noteRoundTrip(t *Turn, from *Endpoint, a *wire.Ack) bool {
	took := max(t.now.Sub(p.began), 0)
	if p.indirect && (!from.AddrPort.IsValid() || !t.table.isAt(p.target, addressOf(from.AddrPort))) {
		return false
	}
	t.roundTrips.note(took)
	if p.indirect && (!t.cfg.Detector.AdaptiveTimeout || took >= t.cfg.ProbeTimeout) {
		return false
	}
	t.out.event(Event{Kind: EventPingComplete, Member: t.table.snapshot(p.target), RTT: took, Payload: bytes.Clone(a.Payload)})
	return true
}

// nacked handles a nack of a helper: it reached us, but not the target.
func (t *Turn) nacked(from *Endpoint, n *wire.Nack) {
	if p := &t.probe; p.target != nil && p.seq == n.SeqNo {
		p.nacks = min(p.nacks+1, p.wantedNacks)
		p.note(t, from, resultOf(n))
		if p.onEvidence(t, from, n.Evidence); p.target != nil {
			p.endSilent(t)
		}
		return
	}
	if r := t.rounds[n.SeqNo]; r != nil {
		r.onNack(t, from, n)
	}
}
