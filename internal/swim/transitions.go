package swim

import (
	"bytes"
	"time"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// stepAlive handles an alive message that came in a packet. Whoever sends one
// that is older than a failure we know of is told of the failure, so that the
// member can refute it.
//
// Compat: the reference drops it silently, and the member stays dead to us until
// it hears of that from somebody else.
func (c *Core) stepAlive(now time.Time, from Endpoint, a *wire.Alive) {
	m := c.table.named(a.Node)
	if c.applyAlive(now, m, a) {
		return
	}
	if said, _ := addressFrom(a.Addr, a.Port, c.cfg.DefaultPort); m != nil || !said.same(addressOf(from.AddrPort)) {
		c.answerStale(from, a) // else that is who was challenged
	}
}

// answerStale tells the sender of an alive message that nobody took what we
// know against the member.
func (c *Core) answerStale(from Endpoint, a *wire.Alive) {
	m := c.table.named(a.Node)
	if m == nil || m == c.self || m.Incarnation == 0 || a.Incarnation > m.Incarnation {
		return
	}
	switch m.State {
	case StateDead, StateLeft:
		c.sendAlone(from, c.against(m, a.Incarnation))
	case StateSuspect:
		if !c.table.isAt(m, addressOf(from.AddrPort)) {
			return // gossip of before; only the member itself needs to know
		}
		c.sendAlone(from, &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.suspicion(m).accusers[0]})
	default:
		return
	}
	c.out.Counts.StaleAlives++
}

// against is what we know against the claim that m, which went, is alive at an
// incarnation.
func (c *Core) against(m *member, incarnation uint32) wire.Message {
	dead := c.table.verdict(m)
	switch {
	case m.State == StateLeft:
		return &wire.Dead{Incarnation: m.Incarnation, Node: m.Name, From: m.Name}
	case incarnation > dead: // it was suspected since it came back; nobody found it dead
		return &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name}
	default:
		return &wire.Dead{Incarnation: dead, Node: m.Name, From: c.cfg.Name}
	}
}

// applyAlive takes what an alive message or a state says of m, or of one who is
// not known, and reports whether it was news or else right to ignore; false is
// an alive that came too late.
func (c *Core) applyAlive(now time.Time, m *member, a *wire.Alive) bool {
	addr, ok := addressFrom(a.Addr, a.Port, c.cfg.DefaultPort)
	if !ok || a.Node == "" || len(a.Node) > MaxName || len(a.Meta) > MaxMeta {
		c.drop(DropMalformed)
		return true
	}
	if a.Node == c.cfg.Name {
		c.applyAliveOfSelf(now, addr, a)
		return true
	}
	versions, ok := c.usableVersions(a.Vsn)
	if !ok {
		c.drop(DropVersions)
		return true
	}
	if c.table.isAt(c.self, addr) {
		return c.deny(now, m, a.Node, claim{addr: addr, versions: versions, incarnation: a.Incarnation})
	}
	isThere := m != nil && c.table.isAt(m, addr)
	if !isThere && !c.allowed(addr) {
		c.drop(DropNotAllowed)
		return true
	}
	says := claim{addr: addr, meta: a.Meta, versions: versions, incarnation: a.Incarnation}
	switch {
	case m == nil:
		return c.meet(now, a.Node, says)
	case !isThere:
		c.applyElsewhere(now, m, says)
	case a.Incarnation <= m.Incarnation:
		return false
	default:
		c.becomeAlive(now, m, says.own(m), 0)
	}
	return true
}

// hearOfSelf compares what another says of us with what we are.
func (c *Core) hearOfSelf(m *member, a *wire.Alive) {
	if a.Incarnation < m.Incarnation {
		return
	}
	if a.Incarnation == m.Incarnation && bytes.Equal(a.Meta, m.Meta) && bytes.Equal(a.Vsn, m.Versions[:]) {
		return // an echo
	}
	c.refute(a.Incarnation, a.Node)
}

// becomeAlive makes m what says says it is, and gossips that.
func (c *Core) becomeAlive(now time.Time, m *member, says claim, notice uint64) {
	c.dropSuspicion(m)
	before, oldMeta := m.State, m.Meta
	if c.table.isAt(m, says.addr) {
		c.table.setAddress(m, says.addr) // as it is spelled now
	} else {
		c.table.move(m, says.addr)
	}
	m.Versions, m.Meta = says.versions, says.meta
	c.table.judge(m, says.incarnation)
	if m.State != StateAlive {
		m.State, m.since = StateAlive, c.table.since(now)
	}
	if before.Gone() && m != c.self {
		c.present++
	}
	if c.table.len() == 1 { // nobody is there to hear it
		c.finish(notice)
		notice = 0
	}
	c.broadcast(m, broadcast{incarnation: says.incarnation}, notice)
	c.out.Counts.Alive++
	became := c.changed(m)
	if before == StateSuspect {
		c.event(Event{Kind: EventRecover, Member: *became})
	}
	if before.Gone() {
		c.event(Event{Kind: EventJoin, Member: *became})
		if m != c.self {
			c.found(now, m.Name)
			c.foundAt(now, says.addr)
		}
	} else if !bytes.Equal(oldMeta, m.Meta) {
		c.event(Event{Kind: EventUpdate, Member: *became})
	}
}

// refute answers what from says of us with an alive at an incarnation above
// (SWIM section 4.2), and takes it as a sign of our own ill health.
func (c *Core) refute(incarnation uint32, from string) {
	if c.departed { // Arrive will, at an incarnation above
		c.self.Incarnation = max(incarnation, c.self.Incarnation)
		return
	}
	c.self.Incarnation = nextIncarnation(max(incarnation, c.self.Incarnation))
	if c.cfg.ProbeInterval > 0 { // else nothing would bring it down again
		c.awareness.apply(1)
	}
	c.broadcast(c.self, broadcast{incarnation: c.self.Incarnation}, 0)
	c.event(Event{Kind: EventRefute, Member: c.Self(), From: from})
}

// stepSuspect handles a suspect message.
func (c *Core) stepSuspect(now time.Time, from Endpoint, s *wire.Suspect) {
	if m := c.accused(s.Node, s.From, s.Incarnation); m != nil {
		c.applySuspect(now, s.Incarnation, m, s.From)
	}
	c.answerAccusation(from, s.Node, s.Incarnation)
}

// stepDead handles a dead message.
func (c *Core) stepDead(now time.Time, from Endpoint, d *wire.Dead) {
	if d.From == d.Node {
		c.foundLeft(now, d.Node, d.Incarnation)
	}
	if m := c.accused(d.Node, d.From, d.Incarnation); m != nil {
		c.applyDead(now, d.Incarnation, m, d.From)
	}
	c.answerAccusation(from, d.Node, d.Incarnation)
}

// answerAccusation tells a member that accuses us of what we have refuted, now or
// before, that we have. Others than members are told nothing on their word.
//
// Compat: the reference gossips the refutation only, and ignores what is older. We
// would stay suspect to a member that missed our refutation, and then dead, though
// we ack each of its probes.
func (c *Core) answerAccusation(from Endpoint, name string, incarnation uint32) {
	if name != c.cfg.Name || incarnation >= c.self.Incarnation || c.self.State != StateAlive ||
		c.table.located(addressOf(from.AddrPort)) == nil {
		return
	}
	alive := c.alive(c.self, &broadcast{incarnation: c.self.Incarnation})
	c.sendAlone(from, &alive)
}

// accused returns the member that an accusation is about, or nil if it is not
// to be heard: nobody we know, too old, or one that could not be refuted.
//
// Compat: the reference believes an accusation at MaxIncarnation, and the
// refutation wraps around to 0, which nobody heeds.
func (c *Core) accused(name, from string, incarnation uint32) *member {
	if len(from) > MaxName {
		c.drop(DropMalformed)
		return nil
	}
	m := c.table.named(name)
	if m == nil || incarnation < m.Incarnation {
		return nil
	}
	if incarnation == MaxIncarnation {
		c.drop(DropMaximum)
		return nil
	}
	return m
}

// applySuspect takes an accusation of m by from (SWIM section 4.2).
func (c *Core) applySuspect(now time.Time, incarnation uint32, m *member, from string) {
	if m == c.self {
		if m.State == StateAlive {
			c.refute(incarnation, from)
		}
		return
	}
	switch m.State {
	case StateLeft:
		return // to others it left at the incarnation that we know
	case StateDead:
		// The highest evidence is kept even if nothing else changes: what is older
		// than it must not bring the member back.
		// Compat: the reference forgets it.
		c.table.suspectDead(m, incarnation)
		c.raise(m)
		return
	}
	newer := incarnation > m.Incarnation
	m.Incarnation = incarnation
	running := c.suspicion(m)
	if running != nil && newer {
		// It refuted the suspicion that runs, as we did not hear: this is another.
		// Compat: the reference counts it for the one that runs.
		c.dropSuspicion(m)
		c.beginSuspicion(now, m, from)
		c.broadcastSuspect(m, from)
		c.changed(m)
		return
	}
	if running != nil {
		if running.confirm(from, c.cfg.Name) {
			c.deadlines.set(running.due, running.end())
			c.broadcastSuspect(m, from)
		}
		return
	}
	if m.State != StateAlive {
		return
	}
	m.State, m.since = StateSuspect, c.table.since(now)
	c.beginSuspicion(now, m, from)
	c.broadcastSuspect(m, from)
	c.out.Counts.Suspect++
	c.event(Event{Kind: EventSuspect, Member: *c.changed(m), From: from})
}

// broadcastSuspect gossips that a member is suspected.
func (c *Core) broadcastSuspect(m *member, from string) {
	c.broadcast(m, broadcast{saying: saySuspect, incarnation: m.Incarnation, from: from}, 0)
}

// applyDead takes a declaration by from that m is dead, or by m itself that it
// leaves.
func (c *Core) applyDead(now time.Time, incarnation uint32, m *member, from string) {
	if m == c.self {
		if m.State == StateAlive {
			c.refute(incarnation, from)
		}
		return
	}
	c.dropSuspicion(m)
	switch m.State {
	case StateDead:
		c.table.judge(m, incarnation)
		c.raise(m)
		if from == m.Name {
			c.becomeLeft(now, m, 0)
		}
		return
	case StateLeft:
		return // to others it left at the incarnation that we know
	}
	c.becomeGone(now, m, incarnation, from, 0)
}

// becomeGone makes m dead, or left on its own word, and gossips that.
func (c *Core) becomeGone(now time.Time, m *member, incarnation uint32, from string, notice uint64) {
	c.dropSuspicion(m)
	c.table.judge(m, incarnation)
	m.since = c.table.since(now)
	m.State = StateDead
	if from == m.Name {
		m.State = StateLeft
	}
	kind := queue.Named
	if m == c.self {
		kind = queue.Urgent // we may not be here for long
	}
	c.push(m, kind, broadcast{saying: sayDead, incarnation: incarnation, from: from}, notice)
	c.out.Counts.Dead++
	c.event(Event{Kind: EventLeave, Member: *c.changed(m), From: from})
	if m == c.self {
		return
	}
	c.present--
	if c.present == 0 {
		c.waitNoMore()
	}
	c.rememberGone(now, m)
	c.judgeIsolation(now)
}

// rememberGone sees to it that a member that has just become dead or left is
// looked for, or kept out, and forgotten in time.
func (c *Core) rememberGone(now time.Time, m *member) {
	if m.State == StateDead {
		c.lose(now, m)
	} else {
		c.remember(m)
	}
	c.forgetLater(now, m)
}

// hearsay is whom a suspicion is from that began with what another said in a push/pull: nobody, as whoever said it need not
// have seen anything of it.
//
// Compat: the reference puts its own name there. What many say after one another then confirms what one has seen, and its
// own probe that fails later confirms nothing.
const hearsay = ""

// forget drops all that is known of m, but not its place in the probe order.
func (c *Core) forget(m *member) {
	if c.probe.target == m {
		c.probe.abandon(&c.deadlines)
	}
	c.unqueue(m) // if it is still there, there was nobody to tell it
	c.out.Forgotten = append(c.out.Forgotten, m.ID)
	c.table.remove(m)
}
