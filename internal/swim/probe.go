package swim

import (
	"bytes"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// probe is our own failure detection of one member at a time (SWIM section
// 3.1, with Lifeguard's nacks and stretched interval):
//
//	idle --tick--> direct --ProbeTimeout or send failed--> indirect --time is up--> idle
//	                  |                                        |
//	                  +---ack: success, a round-trip time      +---ack: success
//
// It lasts for ProbeInterval, stretched by our health, or for two ProbeTimeouts
// if that is longer: each half has the time that an answer may take.
//
// Compat: in the reference it ends with the interval, so that there are no
// indirect pings if ProbeTimeout is as long.
//
// A tick while a probe is under way is made up for when that ends, once.
type probe struct {
	tick    deadline // the next probe is due
	timeout deadline // the direct ping's time is up
	end     deadline // the probe's time is up

	target        *member // nil: idle
	incarnation   uint32  // of the target at the start
	seq           uint32
	began         time.Time
	ends          time.Time
	indirect      bool // the direct ping's time was up
	wantedNacks   int
	nacks         int
	streamAnswers bool // the target answered a ping on a stream
	missedTick    bool
}

func (p *probe) init() {
	p.tick, p.timeout, p.end = unset(dueProbe), unset(dueProbeTimeout), unset(dueProbeEnd)
}

// probeTick begins a probe, unless one is under way.
func (c *Core) probeTick(now time.Time) {
	if c.probe.target != nil {
		c.probe.missedTick = true
		return
	}
	if m := c.nextToProbe(); m != nil {
		c.beginProbe(now, m)
	}
}

// nextToProbe goes on in the probe order to a member that may be probed, for
// at most one round.
func (c *Core) nextToProbe() *member {
	for range c.table.len() + 1 {
		if c.table.unprobed == 0 {
			c.table.shuffle(c.cfg.Rand)
		}
		c.table.unprobed--
		m := c.table.at(c.table.order[c.table.unprobed])
		if c.isPresent(m) {
			return m
		}
	}
	return nil
}

// beginProbe pings m. A suspect is told by the same packet that it is one, so
// that it can refute (Lifeguard section IV-C, Buddy System).
func (c *Core) beginProbe(now time.Time, m *member) {
	interval := c.awareness.stretch(c.cfg.ProbeInterval)
	if interval > c.cfg.ProbeInterval {
		c.out.Counts.DegradedProbes++
	}
	p := &c.probe
	p.target, p.incarnation = m, m.Incarnation
	p.seq = c.nextSeq()
	p.began, p.ends = now, now.Add(max(interval, 2*c.cfg.ProbeTimeout))
	p.indirect, p.streamAnswers = false, false
	p.wantedNacks, p.nacks = 0, 0
	c.deadlines.set(&p.timeout, now.Add(c.cfg.ProbeTimeout))
	c.deadlines.set(&p.end, p.ends)

	var packet *Packet
	if m.State == StateAlive {
		packet = c.send(c.endpoint(m), c.pingOf(p.seq, m.Name))
	} else {
		packet = c.sendAlone(c.endpoint(m), c.pingOf(p.seq, m.Name),
			&wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name})
	}
	packet.Ping = p.seq
	c.gossipWithProbe(now)
}

// pingOf makes a ping for a member of a name.
func (c *Core) pingOf(seq uint32, name string) *wire.Ping {
	return &wire.Ping{
		SeqNo:      seq,
		Node:       name,
		SourceAddr: c.table.ip(c.self),
		SourcePort: c.self.port,
		SourceNode: c.cfg.Name,
	}
}

// nextSeq returns a sequence number for a ping; never 0.
func (c *Core) nextSeq() uint32 {
	c.seq++
	if c.seq == 0 {
		c.seq = 1
	}
	return c.seq
}

// SendFailed tells that our ping of a sequence number could not be sent, for
// whatever reason: there will be no ack of it. A probe goes on with its indirect
// part at once; a user's ping ends with the error.
//
// Compat: in the reference a probe ends without a result unless the error is of
// package net, so that a dead member is never noticed over other transports.
func (c *Core) SendFailed(seq uint32, err error) {
	if c.probesDirectly(seq) {
		c.probeIndirectly()
		return
	}
	c.pingFailed(seq, err)
}

// probesDirectly reports whether a probe waits for the ack of this ping.
func (c *Core) probesDirectly(seq uint32) bool {
	return c.probe.target != nil && c.probe.seq == seq && !c.probe.indirect
}

// StreamPingDone tells that the target of a probe or a check answered a ping on
// a stream.
func (c *Core) StreamPingDone(seq uint32) {
	if c.probe.target != nil && c.probe.seq == seq {
		c.probe.streamAnswers = true
		c.probe.target.answered = true
	}
	if k := c.checks.asking[seq]; k != nil {
		k.streamAnswers = true
	}
}

// probeIndirectly asks others to ping the target, and tries a stream.
func (c *Core) probeIndirectly() {
	p := &c.probe
	c.deadlines.stop(&p.timeout)
	p.indirect = true
	m := p.target
	target := c.table.snapshot(m)
	c.event(Event{Kind: EventUnanswered, Member: target})
	p.wantedNacks = c.pingThroughOthers(m, &target, p.seq, p.ends)
}

// pingThroughOthers asks others to ping m where target says, and for a ping on a
// stream. It returns how many will say so if they reach us and not m.
func (c *Core) pingThroughOthers(m *member, target *Member, seq uint32, ends time.Time) (nacks int) {
	ip := addressOf(target.Addr)
	helpers := c.choose(c.cfg.IndirectChecks, func(h *member) bool {
		return h != c.self && h != m && h.State == StateAlive
	})
	for _, h := range helpers {
		nack := h.Versions.PMax() >= protocolNack
		if nack {
			nacks++
		}
		c.send(c.endpoint(h), &wire.IndirectPing{
			SeqNo:      seq,
			Target:     ip.bytes(),
			Port:       ip.port,
			Node:       m.Name,
			Nack:       nack,
			SourceAddr: c.table.ip(c.self),
			SourcePort: c.self.port,
			SourceNode: c.cfg.Name,
		})
	}
	if m.Versions.PMax() >= protocolStreamPing {
		c.out.Streams = append(c.out.Streams, Stream{Kind: StreamPing, To: *target, Seq: seq, Deadline: ends})
	}
	return nacks
}

// probeEnded judges a probe that nobody acked.
func (c *Core) probeEnded(now time.Time) {
	p := &c.probe
	m := p.target
	if p.streamAnswers {
		c.event(Event{Kind: EventStreamOnly, Member: c.table.snapshot(m)})
		c.endProbe(now, -1)
		return
	}
	// Nacks tell the target's failure from our own: helpers that nack are
	// alive and reach us.
	delta := 1
	if p.wantedNacks > 0 {
		delta = max(p.wantedNacks-p.nacks, 0)
	}
	c.event(Event{Kind: EventProbeFailed, Member: c.table.snapshot(m)})
	if p.incarnation >= m.Incarnation {
		c.applySuspect(now, m.Incarnation, m, c.cfg.Name)
	}
	c.endProbe(now, delta)
}

// endProbe makes the probe idle, or begins the one that is overdue.
func (c *Core) endProbe(now time.Time, delta int) {
	p := &c.probe
	c.awareness.apply(delta)
	c.out.Probes = append(c.out.Probes, now.Sub(p.began))
	c.deadlines.stop(&p.timeout)
	c.deadlines.stop(&p.end)
	p.target = nil
	if p.missedTick {
		p.missedTick = false
		c.probeTick(now)
	}
}

// abandon makes the probe idle without a verdict: its target is forgotten.
func (p *probe) abandon(deadlines *deadlines) {
	deadlines.stop(&p.timeout)
	deadlines.stop(&p.end)
	p.target, p.missedTick = nil, false
}

// acked handles an ack: of our probe, of a ping we made for another, or of a
// user's ping.
func (c *Core) acked(now time.Time, from Endpoint, a *wire.Ack) {
	if p := &c.probe; p.target != nil && p.seq == a.SeqNo {
		p.target.answered = true
		if !p.indirect {
			c.event(Event{Kind: EventPingComplete, Member: c.table.snapshot(p.target), RTT: max(now.Sub(p.began), 0),
				Payload: bytes.Clone(a.Payload)})
		}
		c.endProbe(now, -1)
		return
	}
	if r := c.relays[a.SeqNo]; r != nil {
		c.relayAcked(r)
		return
	}
	if p := c.pings[a.SeqNo]; p != nil {
		c.pingAcked(now, p)
		return
	}
	if k := c.checks.asking[a.SeqNo]; k != nil {
		c.checkAnswered(now, k, from)
		return
	}
	if k := c.checks.claims[a.SeqNo]; k != nil {
		c.claimantAnswered(k, from)
		return
	}
	c.sounded(a.SeqNo)
}

// nacked counts a helper's word that it reached us but not the target.
func (c *Core) nacked(n *wire.Nack) {
	if p := &c.probe; p.target != nil && p.seq == n.SeqNo && p.nacks < p.wantedNacks {
		p.nacks++
	}
}
