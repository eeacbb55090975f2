package swim

import (
	"bytes"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// stepAlive handles an alive message about m, or about an unknown member if m is nil, from a packet. If it is older than a known failure, its sender is told of the failure
// so that the member can refute it.
//
// Compat: the reference drops it silently; the member stays dead here until the news arrives another way.
func (t *Turn) stepAlive(peer *Peer, m *member, a *wire.Alive) {
	from := peer.Endpoint
	if t.applyAlive(peer, m, a) {
		return
	}
	if said, _ := addressFrom(a.Addr, a.Port, t.cfg.DefaultPort); m != nil || !said.same(addressOf(from.AddrPort)) {
		t.answers.toStaleAlive(t, from, a) // else toClaimant has told it
	}
}

// toStaleAlive sends the evidence against a member to the sender of a stale alive message about it.
func (a *answers) toStaleAlive(t *Turn, from Endpoint, alive *wire.Alive) {
	m := t.table.named(alive.Node)
	if m == nil || m == t.table.self || m.Incarnation == 0 || alive.Incarnation > m.Incarnation {
		return
	}
	if m.State == StateAlive || m.State == StateSuspect && !t.table.isAt(m, addressOf(from.AddrPort)) {
		return // old gossip; only the member itself needs to know that it is suspected
	}
	if !a.take(t, &from) {
		return
	}
	if m.State == StateSuspect {
		t.sendAlone(from, &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: t.suspicions.of(m).reporters[0]})
	} else {
		t.sendAlone(from, t.evidenceForOthers(m))
	}
	t.out.Counts.StaleAlives++
}

// evidenceForOthers returns what a member that has m as alive is told of it when it is down here. It may have met a dead member since,
// as where a partition ends, so it is told to suspect it: then m can refute before it is dead there too. A member at our own address
// cannot.
func (c *Core) evidenceForOthers(m *member) wire.Message {
	if m.State == StateDead && !c.table.isAt(c.table.self, c.table.address(m)) {
		return &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name}
	}
	return c.counterEvidence(m, m.Incarnation)
}

// evidenceForOthers is that of a member that may be forgotten.
func (l *failedMember) evidenceForOthers(self string) wire.Message {
	if l.left {
		return l.evidence(self)
	}
	return &wire.Suspect{Incarnation: l.incarnation, Node: l.name, From: self}
}

// counterEvidence returns the message that contradicts an alive message about m, which is down, at an incarnation.
func (c *Core) counterEvidence(m *member, incarnation uint32) wire.Message {
	dead := c.table.deadIncarnation(m)
	switch {
	case m.State == StateLeft:
		return &wire.Dead{Incarnation: m.Incarnation, Node: m.Name, From: m.Name}
	case incarnation > dead: // it was suspected since, but not declared dead
		return &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name}
	default:
		return &wire.Dead{Incarnation: dead, Node: m.Name, From: c.cfg.Name}
	}
}

// evidence returns what is known against a member that may be forgotten, as a message from us.
func (l *failedMember) evidence(self string) wire.Message {
	switch {
	case l.left:
		return &wire.Dead{Incarnation: l.deadIncarnation, Node: l.name, From: l.name}
	case l.incarnation > l.deadIncarnation:
		return &wire.Suspect{Incarnation: l.incarnation, Node: l.name, From: self}
	default:
		return &wire.Dead{Incarnation: l.deadIncarnation, Node: l.name, From: self}
	}
}

// applyAlive handles an alive message or state of a peer about m, or about an unknown member if m is nil. It returns false if
// the message is stale: not newer than what is known.
func (t *Turn) applyAlive(peer *Peer, m *member, a *wire.Alive) bool {
	addr, ok := addressFrom(a.Addr, a.Port, t.cfg.DefaultPort)
	if !ok || a.Node == "" || len(a.Node) > MaxName || len(a.Meta) > MaxMeta || len(a.Zone) > MaxZone {
		t.out.drop(DropMalformed)
		return true
	}
	if a.Node == t.cfg.Name {
		t.local.onAlive(t, addr, a)
		return true
	}
	versions, ok := t.table.usableVersions(m, a.Vsn)
	if !ok {
		t.out.drop(DropVersions)
		return true
	}
	if t.table.isAt(t.table.self, addr) {
		return t.rejectAtOwnAddress(peer, m, a.Node, assertion{addr: addr, versions: versions, incarnation: a.Incarnation})
	}
	isThere := m != nil && t.table.isAt(m, addr)
	if !isThere && !t.cfg.allows(addr) {
		t.out.drop(DropNotAllowed)
		return true
	}
	asserted := assertion{addr: addr, meta: a.Meta, zone: t.cfg.readZone(a.Zone), versions: versions, incarnation: a.Incarnation}
	switch {
	case m == nil:
		return t.applyNewName(peer, a.Node, asserted)
	case !isThere:
		t.applyElsewhere(m, asserted)
	case a.Incarnation <= m.Incarnation:
		t.zones.learn(t, m, asserted)
		return false
	default:
		t.becomeAlive(m, asserted.own(m), 0)
	}
	return true
}

// compare compares an alive message about ourselves with what we are, and refutes it if it differs.
func (l *local) compare(t *Turn, m *member, a *wire.Alive) {
	if a.Incarnation < m.Incarnation {
		return
	}
	if a.Incarnation == m.Incarnation && bytes.Equal(a.Meta, m.Meta) && bytes.Equal(a.Vsn, m.Versions[:]) &&
		(len(t.cfg.readZone(a.Zone)) == 0 || string(a.Zone) == t.cfg.Zone) {
		return // an echo
	}
	l.refute(t, a.Incarnation, a.Node)
}

// becomeAlive makes m alive as asserted, and gossips that.
func (t *Turn) becomeAlive(m *member, asserted assertion, notice uint64) {
	before, oldMeta := m.State, m.Meta
	var evidence *Evidence
	if before != StateAlive {
		evidence = t.recovery(m)
		t.suspicions.drop(t, m)
	}
	if t.table.isAt(m, asserted.addr) {
		t.table.setAddress(m, asserted.addr) // IPv4 addresses have two spellings
	} else {
		t.table.move(m, asserted.addr)
	}
	m.Versions, m.Meta = asserted.versions, asserted.meta
	if t.table.setZone(m, asserted.zone) {
		t.ring.zoneChanged()
	}
	t.table.setIncarnation(m, asserted.incarnation)
	if before != StateAlive {
		m.State, m.since = StateAlive, t.table.since(t.now)
		t.ring.stateChanged(t, m)
	}
	if before.IsDown() && m != t.table.self {
		t.present++
		t.failed.allLeft = false
	}
	if t.table.len() == 1 { // no other member is known
		t.out.finish(notice)
		notice = 0
	}
	t.queue.add(t, m, broadcast{incarnation: asserted.incarnation}, notice)
	t.out.Counts.Alive++
	became := t.changed(m)
	if before == StateSuspect {
		t.out.event(Event{Kind: EventRecover, Member: *became, Evidence: evidence})
	}
	if before.IsDown() {
		t.out.event(Event{Kind: EventJoin, Member: *became, Evidence: evidence})
		if m != t.table.self {
			t.failed.onAlive(t, m.Name)
			t.failed.onAddressTaken(t, asserted.addr)
			t.zones.onUp(t, m)
		}
	} else if !bytes.Equal(oldMeta, m.Meta) {
		t.out.event(Event{Kind: EventUpdate, Member: *became})
	}
}

// refute answers a suspect or dead message about ourselves, or a wrong alive message, with an alive message at a higher
// incarnation (SWIM section 4.2). It counts as a sign of our own ill health.
func (l *local) refute(t *Turn, incarnation uint32, from string) {
	if l.addressChange.begun { // FinishAddressChange announces a higher incarnation
		t.table.self.Incarnation = max(incarnation, t.table.self.Incarnation)
		t.view.update(t, t.table.self)
		return
	}
	t.table.self.Incarnation = nextIncarnation(max(incarnation, t.table.self.Incarnation))
	t.view.update(t, t.table.self)
	if t.cfg.ProbeInterval > 0 { // else nothing would lower it again
		l.penalize(t)
	}
	t.queue.add(t, t.table.self, broadcast{incarnation: t.table.self.Incarnation}, 0)
	t.out.event(Event{Kind: EventRefute, Member: t.Self(), From: from})
}

// penalize raises the health score for a refutation, at most once in a ProbeInterval, as a probe that succeeds lowers it.
//
// Compat: the reference raises it for each, so that four packets a second hold it at its maximum.
func (l *local) penalize(t *Turn) {
	if t.now.Sub(l.penalized) >= t.cfg.ProbeInterval {
		l.penalized = t.now
		t.awareness.apply(1)
	}
}

// stepSuspect handles a suspect message about m, or about an unknown member if m is nil.
func (t *Turn) stepSuspect(from Endpoint, m *member, s *wire.Suspect) {
	if t.isCurrent(m, s.From, s.Incarnation) {
		t.applySuspect(s.Incarnation, m, s.From)
	}
	t.local.answerReporter(t, from, s.Node, s.Incarnation)
}

// stepDead handles a dead message about m, or about an unknown member if m is nil.
func (t *Turn) stepDead(from Endpoint, m *member, d *wire.Dead) {
	if d.From == d.Node {
		t.failed.onLeftWhileFailed(t, d.Node, d.Incarnation)
		t.probation.onLeft(t, d.Node, d.Incarnation)
	}
	if t.isCurrent(m, d.From, d.Incarnation) {
		if d.From == d.Node {
			t.applyLeave(d.Incarnation, m, addressOf(from.AddrPort))
		} else if !t.deadChecks.beginAndGossip(t, &from, m, d) {
			t.applyDead(d.Incarnation, m, d.From)
		}
	} else if d.From == d.Node {
		t.answers.toStaleLeave(t, from, d)
	}
	t.local.answerReporter(t, from, d.Node, d.Incarnation)
}

// toStaleLeave sends the alive message that refutes a leave message to the member from which it came, if another member is
// its subject.
//
// Compat: the reference ignores it. A member that missed the refutation would have the other as left until a push/pull.
func (a *answers) toStaleLeave(t *Turn, from Endpoint, d *wire.Dead) {
	m := t.table.named(d.Node)
	if m == nil || m == t.table.self || m.State != StateAlive || d.Incarnation >= m.Incarnation || t.local.leaving ||
		t.table.located(addressOf(from.AddrPort)) == nil || t.table.isAt(m, addressOf(from.AddrPort)) || !a.take(t, &from) {
		return
	}
	alive := t.table.alive(m, m.Incarnation)
	t.sendAlone(from, &alive)
}

// answerReporter tells the sender of a suspect or dead message about ourselves that it is refuted, now or before. If the
// sender is down here it is sent the evidence too. A sender that is no known member gets no answer.
//
// Compat: the reference gossips the refutation only, and ignores stale messages. A member that missed our refutation would
// hold us suspect, then dead, though we ack each of its probes.
func (l *local) answerReporter(t *Turn, from Endpoint, name string, incarnation uint32) {
	if name != t.cfg.Name || incarnation >= t.table.self.Incarnation || t.table.self.State != StateAlive {
		return
	}
	sender := t.table.located(addressOf(from.AddrPort))
	if sender == nil || !t.answers.take(t, &from) {
		return
	}
	alive := t.table.alive(t.table.self, t.table.self.Incarnation)
	if sender.State.IsDown() && sender != t.table.self {
		t.sendAlone(from, &alive, t.counterEvidence(sender, sender.Incarnation))
		return
	}
	t.sendAlone(from, &alive)
}

// confront sends the member that an ack goes to the evidence against it if it is down here, though it pings us: it refutes
// the evidence at once. An ack that goes to another address than the member's is not followed by any.
//
// Compat: the reference acks and says nothing. A member that others have as left stays so, as it is sent no gossip.
func (t *Turn) confront(to Endpoint) {
	if to.Name == "" || to.Name == t.cfg.Name {
		return
	}
	m, addr := t.table.named(to.Name), addressOf(to.AddrPort)
	if m != nil {
		if m.State.IsDown() && t.table.isAt(m, addr) {
			t.sendAlone(to, t.counterEvidence(m, m.Incarnation))
		}
		return
	}
	if gone := t.failed.recent(t, to.Name); gone != nil && gone.addr.same(addr) {
		t.sendAlone(to, gone.evidence(t.cfg.Name))
	}
}

// isCurrent reports whether a suspect or dead message about m by a reporter is to be applied: m is known, not nil, and not at a higher
// incarnation.
func (t *Turn) isCurrent(m *member, from string, incarnation uint32) bool {
	if len(from) > MaxName {
		t.out.drop(DropMalformed)
		return false
	}
	return m != nil && incarnation >= m.Incarnation
}

// applySuspect handles a suspect message about m by a reporter (SWIM section 4.2).
func (t *Turn) applySuspect(incarnation uint32, m *member, from string) {
	if m == t.table.self {
		if m.State == StateAlive {
			t.local.refute(t, incarnation, from)
		}
		return
	}
	switch m.State {
	case StateLeft:
		return // the others know that it left at this incarnation
	case StateDead:
		// The highest incarnation is stored even if nothing else changes: an older message must not bring the member
		// back. Compat: the reference ignores it.
		t.table.suspectDead(m, incarnation)
		t.failed.raise(t, m)
		return
	}
	newer := incarnation > m.Incarnation
	m.Incarnation = incarnation
	running := t.suspicions.of(m)
	if running != nil && t.origin.findings != nil {
		running.findings = t.origin.findings.clone()
	}
	if running != nil && newer {
		// It refuted the running suspicion, which we missed: this is a new one.
		// Compat: the reference counts it as a confirmation of the running one.
		t.suspicions.drop(t, m)
		t.suspicions.begin(t, m, from)
		t.queue.add(t, m, broadcast{kind: suspectBroadcast, incarnation: m.Incarnation, from: from}, 0)
		t.changed(m)
		return
	}
	if running != nil {
		if running.confirm(from, t.cfg.Name) {
			t.deadlines.set(running.due, later(running.end(), t.now)) // one that ends at once is not late
			t.queue.add(t, m, broadcast{kind: suspectBroadcast, incarnation: m.Incarnation, from: from}, 0)
		}
		return
	}
	if m.State != StateAlive {
		return
	}
	m.State, m.since = StateSuspect, t.table.since(t.now)
	t.ring.stateChanged(t, m)
	t.suspicions.begin(t, m, from)
	t.queue.add(t, m, broadcast{kind: suspectBroadcast, incarnation: m.Incarnation, from: from}, 0)
	t.out.Counts.Suspect++
	t.out.event(Event{Kind: EventSuspect, Member: *t.changed(m), From: from, Evidence: t.suspicions.of(m).evidence(t.now)})
}

// applyDead handles a dead message about m by a reporter; if the reporter is m, it leaves.
func (t *Turn) applyDead(incarnation uint32, m *member, from string) {
	if m == t.table.self {
		if m.State == StateAlive {
			t.local.refute(t, incarnation, from)
		}
		return
	}
	switch m.State {
	case StateDead:
		t.table.setIncarnation(m, incarnation)
		t.failed.raise(t, m)
		if from == m.Name {
			t.markLeft(m, 0)
		}
		return
	case StateLeft:
		return // the others know that it left at this incarnation
	}
	t.markDead(m, incarnation, from, 0)
}

// markDead makes m dead, or left if from is m itself, and gossips that.
func (t *Turn) markDead(m *member, incarnation uint32, from string, notice uint64) {
	verdict := t.verdict(m, from)
	t.suspicions.drop(t, m)
	t.table.setIncarnation(m, incarnation)
	m.since = t.table.since(t.now)
	m.State = StateDead
	if from == m.Name {
		m.State = StateLeft
	}
	t.ring.stateChanged(t, m)
	kind := queue.Named
	if m == t.table.self {
		kind = queue.Urgent // this process may exit soon
	}
	t.queue.push(t, m, kind, broadcast{kind: deadBroadcast, incarnation: incarnation, from: from}, notice)
	t.out.Counts.Dead++
	t.out.event(Event{Kind: EventLeave, Member: *t.changed(m), From: from, Evidence: verdict})
	if m == t.table.self {
		return
	}
	t.present--
	if t.present == 0 {
		t.queue.finishAll(t)
	}
	t.zones.onDown(t, m)
	t.rememberDown(m, verdict)
	if t.present == 0 {
		t.failed.onAlone(t, m)
	}
	t.failed.isolation.update(t)
}

// rememberDown remembers a member that has just become dead or left, and schedules its removal. A dead one is looked for.
func (t *Turn) rememberDown(m *member, verdict *Evidence) {
	if m.State == StateDead {
		t.failed.onFailed(t, m, verdict)
	} else {
		t.failed.remember(t, m, verdict)
	}
	t.reaper.schedule(t, m)
}

// unattributed is the reporter of a suspicion that began with a push/pull: the peer need not have probed the member itself.
//
// Compat: the reference puts its own name there. Peers that repeat one report then confirm it, and its own failed probe does not.
const unattributed = ""

// remove removes m from the table, but not from the probe order.
func (t *Turn) remove(m *member) {
	if t.probe.target == m {
		t.probe.abandon(&t.deadlines)
	}
	t.probe.unhurry(m)
	t.deadChecks.forget(t, m)
	t.ring.removed(t, m)
	t.zones.changed()
	t.queue.remove(t, m) // if it is still queued, there was no member to send it to
	t.out.Forgotten = append(t.out.Forgotten, m.ID)
	t.ackSources.forget(m.ID)
	t.table.remove(m)
}
