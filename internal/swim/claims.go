package swim

import (
	"bytes"
	"math"

	"github.com/e3431adc/memberlist/internal/wire"
)

// claim is what an alive message or a state says of a member.
type claim struct {
	addr        address
	meta        []byte
	versions    Versions
	incarnation uint32
}

// own is the claim with metadata that may be kept: that of m if it is the same.
func (s claim) own(m *member) claim {
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
	case t.table.self.State.Gone():
	case len(a.Vsn) >= 3 && (a.Vsn[0] == 0 || a.Vsn[0] > a.Vsn[1]):
		t.out.drop(DropVersions)
	case l.addressChange.isFormerSelf(t.Core, addr, a.Incarnation):
		l.addressChange.remind(t)
	case t.table.isAt(t.table.self, addr):
		l.compare(t, t.table.self, a)
	case !t.cfg.allows(addr):
		t.out.drop(DropNotAllowed)
	default:
		says := claim{addr: addr, meta: a.Meta, incarnation: a.Incarnation}
		says.versions, _ = versionsOf(a.Vsn)
		t.checks.challenge(t, t.table.self, says)
	}
}

// meet takes a claim of a name that is not known. As applyAlive, it reports false
// if the claim is old: not newer than when the member went, as we remember.
func (t *Turn) meet(name string, says claim) bool {
	gone := t.failed.recent(t, name)
	switch {
	case says.incarnation == 0: // nobody begins there
		t.out.drop(DropMalformed)
	case !t.canPing(name):
		t.out.drop(DropOversize)
	case gone != nil && says.incarnation <= gone.incarnation:
		t.challenge(t.recall(gone), says)
		return false
	default:
		t.becomeAlive(t.add(name, says), says.own(&member{}), 0)
	}
	return true
}

// add makes a member that is dead of a name that is not known.
func (t *Turn) add(name string, says claim) *member {
	m := t.table.add(name, says.addr, t.cfg.Rand.IntN)
	m.State, m.Versions, m.met = StateDead, says.versions, uint8(t.failed.isolation.episode)
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
func (t *Turn) deny(m *member, name string, says claim) bool {
	if says.incarnation == MaxIncarnation {
		t.out.drop(DropMaximum)
		return true
	}
	if gone := t.failed.recent(t, name); m == nil && gone != nil {
		m = t.recall(gone)
	}
	switch {
	case m == nil:
		m = t.add(name, says)
		t.beGone(m, StateDead, says.incarnation)
		t.failed.remember(t, m)
		t.queue.add(t, m, broadcast{saying: sayDead, incarnation: says.incarnation, from: t.cfg.Name}, 0)
		t.out.Counts.Dead++
		return true
	case !t.table.isAt(m, says.addr): // it is known elsewhere
		return true
	case !m.State.Gone(): // it was there before we moved
		t.becomeGone(m, max(m.Incarnation, says.incarnation), t.cfg.Name, 0)
		return true
	}
	if says.incarnation > m.Incarnation {
		t.table.judge(m, says.incarnation)
		t.failed.raise(t, m)
	}
	return false
}

// recall makes a member known again that went and was forgotten, as it was: somebody
// has it for alive still, and is told so in the next exchange of states.
func (t *Turn) recall(gone *failedMember) *member {
	m := t.add(gone.name, claim{addr: gone.addr, versions: gone.versions})
	m.answered = gone.answered
	if gone.left {
		t.beGone(m, StateLeft, gone.verdict)
	} else {
		t.beGone(m, StateDead, gone.verdict)
		t.table.suspectDead(m, gone.incarnation)
	}
	return m
}

// beGone makes a member that was not known one that is dead or has left. To those
// that hear of events it never was there.
func (t *Turn) beGone(m *member, state State, incarnation uint32) {
	t.table.judge(m, incarnation)
	m.State, m.since = state, t.table.since(t.now)
	t.reaper.schedule(t, m)
	t.changed(m)
}

// applyElsewhere takes a claim that a member is at another address than it is known at.
func (t *Turn) applyElsewhere(m *member, says claim) {
	switch {
	case m.State == StateLeft && says.incarnation <= m.Incarnation:
		t.challenge(m, says)
	case m.State == StateLeft || t.mayReclaim(m):
		before := t.table.snapshot(m)
		t.becomeAlive(m, says.own(m), 0)
		t.out.event(Event{Kind: EventMoved, Member: t.table.snapshot(m), Other: &before})
	case t.checks.challenge(t, m, says):
		t.takeOver(m, says.clone())
	}
}

// challenge tells who says to be at an address, under the name of m, which went,
// what we know against that: if it is there it refutes that, at once, and what is
// old does not bring it back.
//
// Compat: the reference gives the name of a member that left to any claim, and
// that of one that it has forgotten.
func (t *Turn) challenge(m *member, says claim) {
	t.sendAlone(Endpoint{Name: m.Name, AddrPort: says.addr.addrPort()}, t.against(m, says.incarnation))
	t.out.Counts.StaleAlives++
}

// mayReclaim reports whether a member has been dead for so long that its name may
// come back at another address.
func (t *Turn) mayReclaim(m *member) bool {
	return m.State == StateDead && t.cfg.DeadNodeReclaimTime > 0 && t.table.age(t.now, m) > t.cfg.DeadNodeReclaimTime
}
