package swim

import (
	"bytes"
	"math"

	"github.com/e3431adc/memberlist/internal/wire"
)

// claim is what an alive message or a state says of a member.
type assertion struct {
	addr        address
	meta        []byte
	versions    Versions
	incarnation uint32
}

// own is the claim with metadata that may be kept: that of m if it is the same.
func (s assertion) own(m *member) assertion {
	if bytes.Equal(s.meta, m.Meta) && (s.meta == nil) == (m.Meta == nil) {
		s.meta = m.Meta
	} else {
		s.meta = bytes.Clone(s.meta)
	}
	return s
}

// usableVersions reads the version bytes of an alive, and reports whether the
// member that they are of and we understand what the other speaks. Such a member
// is none of ours, and nobody is told of it.
//
// Compat: the reference takes it, and what it then tells of it in exchanges of
// states makes all its members refuse these, with whomever.
func (t *table) usableVersions(vsn []byte) (Versions, bool) {
	v, ok := versionsOf(vsn)
	return v, ok && v[0] > 0 && v.goWith(t.self.Versions)
}

// saysVersions reports whether version bytes can be m's; mostly they are what we know.
func (t *table) saysVersions(m *member, vsn []byte) bool {
	if bytes.Equal(vsn, m.Versions[:]) {
		return true
	}
	_, ok := t.usableVersions(vsn)
	return ok
}

// goWith reports whether two members understand what the other speaks, of the
// protocol and of the delegate's.
func (v Versions) goWith(w Versions) bool {
	for part := range 2 {
		if !v.Understands(w, part) || !w.Understands(v, part) {
			return false
		}
	}
	return true
}

// Understands reports whether a member of versions v understands what one of w
// speaks, of a part: the protocol (0) or the delegate's (1).
func (v Versions) Understands(w Versions, part int) bool {
	low, high, speaks := v[3*part], v[3*part+1], w[3*part+2]
	return low <= speaks && speaks <= high
}

// applyAliveOfSelf takes what another says of us.
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
		asserted := assertion{addr: addr, meta: a.Meta, incarnation: a.Incarnation}
		asserted.versions, _ = versionsOf(a.Vsn)
		t.checks.challenge(t, t.table.self, asserted)
	}
}

// meet takes a claim of a name that is not known. As applyAlive, it reports false
// if the claim is old: not newer than when the member went, as we remember.
func (t *Turn) applyNewName(name string, asserted assertion) bool {
	gone := t.failed.recent(t, name)
	switch {
	case asserted.incarnation == 0: // nobody begins there
		t.out.drop(DropMalformed)
	case !t.canPing(name):
		t.out.drop(DropOversize)
	case gone != nil && asserted.incarnation <= gone.incarnation:
		t.answerClaimant(t.restore(gone), asserted)
		return false
	default:
		t.becomeAlive(t.add(name, asserted), asserted.own(&member{}), 0)
	}
	return true
}

// add makes a member that is dead of a name that is not known.
func (t *Turn) add(name string, asserted assertion) *member {
	m := t.table.add(name, asserted.addr, t.cfg.Rand.IntN)
	m.State, m.Versions, m.metInBurst = StateDead, asserted.versions, uint8(t.failed.isolation.burst)
	return m
}

// canPing reports whether a ping of a member of a name fits into a packet.
//
// Compat: the reference takes it for a member, and then for dead, over and over.
func (t *Turn) canPing(name string) bool {
	start := len(t.out.bytes)
	t.out.bytes = t.table.newPing(math.MaxUint32, name).Append(t.out.bytes)
	size := len(t.out.bytes) - start
	t.out.bytes = t.out.bytes[:start]
	return size <= t.cfg.Room.Alone()
}

// deny takes a claim that another is at our own address. It is not: it was there
// before us, and what we hear is old. It is dead, as the others are told. What
// claims that again, at whatever incarnation, changes no more than that: who says
// so is told, as of one that died. As applyAlive, it reports false then.
//
// Compat: the reference makes it a member, which takes until a probe of it fails.
func (t *Turn) rejectAtOwnAddress(m *member, name string, asserted assertion) bool {
	if asserted.incarnation == MaxIncarnation {
		t.out.drop(DropMaximum)
		return true
	}
	if gone := t.failed.recent(t, name); m == nil && gone != nil {
		m = t.restore(gone)
	}
	switch {
	case m == nil:
		m = t.add(name, asserted)
		t.initDown(m, StateDead, asserted.incarnation)
		t.failed.remember(t, m)
		t.queue.add(t, m, broadcast{kind: deadBroadcast, incarnation: asserted.incarnation, from: t.cfg.Name}, 0)
		t.out.Counts.Dead++
		return true
	case !t.table.isAt(m, asserted.addr): // it is known elsewhere
		return true
	case !m.State.IsDown(): // it was there before we moved
		t.markDead(m, max(m.Incarnation, asserted.incarnation), t.cfg.Name, 0)
		return true
	}
	if asserted.incarnation > m.Incarnation {
		t.table.setIncarnation(m, asserted.incarnation)
		t.failed.raise(t, m)
	}
	return false
}

// recall makes a member known again that went and was forgotten, as it was: somebody
// has it for alive still, and is told so in the next exchange of states.
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

// beGone makes a member that was not known one that is dead or has left. To those
// that hear of events it never was there.
func (t *Turn) initDown(m *member, state State, incarnation uint32) {
	t.table.setIncarnation(m, incarnation)
	m.State, m.since = state, t.table.since(t.now)
	t.reaper.schedule(t, m)
	t.changed(m)
}

// applyElsewhere takes a claim that a member is at another address than it is known at.
func (t *Turn) applyElsewhere(m *member, asserted assertion) {
	switch {
	case m.State == StateLeft && asserted.incarnation <= m.Incarnation:
		t.answerClaimant(m, asserted)
	case m.State == StateLeft || t.canReclaim(m):
		before := t.table.snapshot(m)
		t.becomeAlive(m, asserted.own(m), 0)
		t.out.event(Event{Kind: EventMoved, Member: t.table.snapshot(m), Other: &before})
	case t.checks.challenge(t, m, asserted):
		t.takeOver(m, asserted.clone())
	}
}

// challenge tells who says to be at an address, under the name of m, which went,
// what we know against that: if it is there it refutes that, at once, and what is
// old does not bring it back.
//
// Compat: the reference gives the name of a member that left to any claim, and
// that of one that it has forgotten.
func (t *Turn) answerClaimant(m *member, asserted assertion) {
	t.sendAlone(Endpoint{Name: m.Name, AddrPort: asserted.addr.addrPort()}, t.counterEvidence(m, asserted.incarnation))
	t.out.Counts.StaleAlives++
}

// mayReclaim reports whether a member has been dead for so long that its name may
// come back at another address.
func (t *Turn) canReclaim(m *member) bool {
	return m.State == StateDead && t.cfg.DeadNodeReclaimTime > 0 && t.table.age(t.now, m) > t.cfg.DeadNodeReclaimTime
}
