package swim

import (
	"bytes"
	"math"

	"github.com/e3431adc/memberlist/internal/wire"
)

// assertion is what an alive message or a push/pull state asserts about a member.
type assertion struct {
	addr        address
	meta        []byte
	zone        []byte // empty: none
	versions    Versions
	incarnation uint32
}

// own returns the assertion with metadata that may be kept: that of m if it is the same.
func (s assertion) own(m *member) assertion {
	if bytes.Equal(s.meta, m.Meta) && (s.meta == nil) == (m.Meta == nil) {
		s.meta = m.Meta
	} else {
		s.meta = bytes.Clone(s.meta)
	}
	return s
}

// usableVersions reads the version bytes of an alive message about m, or about an unknown member if m is nil. It reports whether that
// member and we understand what the other speaks, as for those that m is known with. A member with which that is not so is ignored
// and passed on to no other.
//
// Compat: the reference takes it; its members then refuse every push/pull that mentions it.
func (t *table) usableVersions(m *member, vsn []byte) (Versions, bool) {
	if m != nil && bytes.Equal(vsn, m.Versions[:]) {
		return m.Versions, true
	}
	v, ok := versionsOf(vsn)
	return v, ok && v[0] > 0 && v.goWith(t.self.Versions)
}

// areUsable reports whether the version bytes of an alive message about m are usable.
func (t *table) areUsable(m *member, vsn []byte) bool {
	_, ok := t.usableVersions(m, vsn)
	return ok
}

// goWith reports whether two members understand what the other speaks, of the protocol and of the delegate's.
func (v Versions) goWith(w Versions) bool {
	for part := range 2 {
		if !v.Understands(w, part) || !w.Understands(v, part) {
			return false
		}
	}
	return true
}

// Understands reports whether a member with versions v understands one with versions w. The part is 0 for the protocol, 1
// for the delegate's protocol.
func (v Versions) Understands(w Versions, part int) bool {
	low, high, speaks := v[3*part], v[3*part+1], w[3*part+2]
	return low <= speaks && speaks <= high
}

// onAlive handles an alive message or state about ourselves.
func (l *local) onAlive(t *Turn, addr address, a *wire.Alive) {
	switch {
	case t.table.self.State.IsDown():
	case len(a.Vsn) >= 3 && (a.Vsn[0] == 0 || a.Vsn[0] > a.Vsn[1]):
		t.out.drop(DropVersions)
	case l.addressChange.isFormerSelf(t.Core, addr, a.Incarnation):
		l.addressChange.remind(t)
	case t.table.isAt(t.table.self, addr):
		l.compare(t, t.table.self, a)
	case !t.cfg.allows(addr):
		t.out.drop(DropNotAllowed)
	default:
		asserted := assertion{addr: addr, meta: a.Meta, zone: a.Zone, incarnation: a.Incarnation}
		asserted.versions, _ = versionsOf(a.Vsn)
		t.checks.challenge(t, t.table.self, asserted)
	}
}

// applyNewName handles an assertion of a peer about an unknown name. As applyAlive, it returns false if the assertion is stale: not
// newer than the remembered failure or leave of that member.
func (t *Turn) applyNewName(peer *Peer, name string, asserted assertion) bool {
	gone := t.failed.recent(t, name)
	switch {
	case asserted.incarnation == 0: // no member begins at 0
		t.out.drop(DropMalformed)
	case !t.canPing(name):
		t.out.drop(DropOversize)
	case gone != nil && asserted.incarnation <= gone.incarnation && gone.incarnation <= maxFirst: // else it could not refute
		t.answers.toClaimant(t, t.restore(gone), asserted)
		return false
	case (gone == nil || !gone.answered) && !peer.vouches(t):
		t.probation.begin(t, peer, name, asserted)
	default:
		t.becomeAlive(t.add(name, asserted), asserted.own(&member{}), 0)
	}
	return true
}

// add adds an unknown name to the table, as dead.
func (t *Turn) add(name string, asserted assertion) *member {
	t.probation.end(t, t.probation.byName[name])
	m := t.table.add(name, asserted.addr, t.cfg.Rand.IntN)
	m.State, m.Versions, m.metInBurst = StateDead, asserted.versions, uint8(t.failed.isolation.burst)
	return m
}

// canPing reports whether a ping to a member of this name fits into a packet.
//
// Compat: the reference takes it for a member, and declares it dead over and over.
func (t *Turn) canPing(name string) bool {
	start := len(t.out.bytes)
	ping := t.pingOf(math.MaxUint32, name)
	if ping.View != 0 {
		ping.View = math.MaxUint64
	}
	t.out.bytes = ping.Append(t.out.bytes)
	size := len(t.out.bytes) - start
	t.out.bytes = t.out.bytes[:start]
	return size <= t.cfg.Room.Alone()
}

// rejectAtOwnAddress handles an assertion that another member is at our own address. It is stale: that member was there
// before us. It is dead to us, and the others are told so. Repeating the assertion, at whatever incarnation, changes nothing
// more: its sender gets the evidence, as for any member that failed. As applyAlive, it returns false then. What a stranger asserts
// of an unknown name is ignored.
//
// Compat: the reference makes it a member until a probe of it fails.
func (t *Turn) rejectAtOwnAddress(peer *Peer, m *member, name string, asserted assertion) bool {
	if asserted.incarnation == MaxIncarnation {
		t.out.drop(DropMaximum)
		return true
	}
	if gone := t.failed.recent(t, name); m == nil && gone != nil {
		m = t.restore(gone)
	}
	switch {
	case m == nil && peer.stranger:
		t.out.drop(DropUnconfirmed)
		return true
	case m == nil:
		m = t.add(name, asserted)
		t.initDown(m, StateDead, asserted.incarnation)
		t.failed.remember(t, m, nil)
		t.queue.add(t, m, broadcast{kind: deadBroadcast, incarnation: asserted.incarnation, from: t.cfg.Name}, 0)
		t.out.Counts.Dead++
		return true
	case !t.table.isAt(m, asserted.addr): // it is known at another address
		return true
	case !m.State.IsDown(): // it was there before our address changed
		t.origin.cause = CauseReplaced
		t.markDead(m, max(m.Incarnation, asserted.incarnation), t.cfg.Name, 0)
		return true
	}
	if asserted.incarnation > m.Incarnation {
		t.table.setIncarnation(m, asserted.incarnation)
		t.failed.raise(t, m)
	}
	return false
}

// restore puts a removed member back into the table as it was remembered: another member still has it as alive, and gets the
// evidence with the next push/pull.
func (t *Turn) restore(gone *failedMember) *member {
	m := t.add(gone.name, assertion{addr: gone.addr, versions: gone.versions})
	m.answered = gone.answered
	if gone.left {
		t.initDown(m, StateLeft, gone.deadIncarnation)
	} else {
		t.initDown(m, StateDead, gone.deadIncarnation)
		t.table.suspectDead(m, gone.incarnation)
	}
	return m
}

// initDown makes a new row of the table dead or left, without an event: subscribers never knew the member.
func (t *Turn) initDown(m *member, state State, incarnation uint32) {
	t.table.setIncarnation(m, incarnation)
	m.State, m.since = state, t.table.since(t.now)
	t.reaper.schedule(t, m)
	t.changed(m)
}

// applyElsewhere handles an assertion that a member is at another address than the known one.
func (t *Turn) applyElsewhere(m *member, asserted assertion) {
	switch {
	case m.State == StateLeft && asserted.incarnation <= m.Incarnation:
		t.answers.toClaimant(t, m, asserted)
	case m.State == StateLeft || t.canReclaim(m):
		before := t.table.snapshot(m)
		t.becomeAlive(m, asserted.own(m), 0)
		t.out.event(Event{Kind: EventMoved, Member: t.table.snapshot(m), Other: &before})
	case t.checks.challenge(t, m, asserted):
		t.checks.takeOver(t, m, asserted.clone())
	}
}

// toClaimant sends the evidence against m, which is down, to the address where an assertion says that it is alive. If m
// is there it refutes the evidence at once, and a stale assertion does not bring it back.
//
// Compat: the reference gives the name of a member that left or was forgotten to any claimant.
func (a *answers) toClaimant(t *Turn, m *member, asserted assertion) {
	if !a.takeClaimant(t, asserted.addr) {
		return
	}
	messages := []wire.Message{t.counterEvidence(m, asserted.incarnation)}
	if t.table.self.Incarnation > maxFirst { // it may not know us, as others cannot introduce us
		alive := t.table.alive(t.table.self, t.table.self.Incarnation)
		messages = append([]wire.Message{&alive}, messages...)
	}
	t.sendAlone(Endpoint{Name: m.Name, AddrPort: asserted.addr.addrPort()}, messages...)
	t.out.Counts.StaleAlives++
}

// canReclaim reports whether a member has been dead for so long that its name may come back at another address.
func (t *Turn) canReclaim(m *member) bool {
	return m.State == StateDead && t.cfg.DeadNodeReclaimTime > 0 && t.table.age(t.now, m) > t.cfg.DeadNodeReclaimTime
}
