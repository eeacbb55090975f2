package swim

import (
	"bytes"
	"math"
	"time"

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
func (c *Core) usableVersions(vsn []byte) (Versions, bool) {
	v, ok := versionsOf(vsn)
	return v, ok && v[0] > 0 && v.goWith(c.self.Versions)
}

// saysVersions reports whether version bytes can be m's; mostly they are what we know.
func (c *Core) saysVersions(m *member, vsn []byte) bool {
	if bytes.Equal(vsn, m.Versions[:]) {
		return true
	}
	_, ok := c.usableVersions(vsn)
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
func (c *Core) applyAliveOfSelf(now time.Time, addr address, a *wire.Alive) {
	switch {
	case c.self.State.Gone():
	case len(a.Vsn) >= 3 && (a.Vsn[0] == 0 || a.Vsn[0] > a.Vsn[1]):
		c.drop(DropVersions)
	case c.wasOurs(addr, a.Incarnation):
		c.remindOfMove(now)
	case c.table.isAt(c.self, addr):
		c.hearOfSelf(c.self, a)
	case !c.allowed(addr):
		c.drop(DropNotAllowed)
	default:
		says := claim{addr: addr, meta: a.Meta, incarnation: a.Incarnation}
		says.versions, _ = versionsOf(a.Vsn)
		c.contest(now, c.self, says)
	}
}

// meet takes a claim of a name that is not known. As applyAlive, it reports false
// if the claim is old: not newer than when the member went, as we remember.
func (c *Core) meet(now time.Time, name string, says claim) bool {
	gone := c.remembered(now, name)
	switch {
	case says.incarnation == 0: // nobody begins there
		c.drop(DropMalformed)
	case !c.canPing(name):
		c.drop(DropOversize)
	case gone != nil && says.incarnation <= gone.incarnation:
		c.challenge(c.recall(now, gone), says)
		return false
	default:
		c.becomeAlive(now, c.add(name, says), says.own(&member{}), 0)
	}
	return true
}

// add makes a member that is dead of a name that is not known.
func (c *Core) add(name string, says claim) *member {
	m := c.table.add(name, says.addr, c.cfg.Rand.IntN)
	m.State, m.Versions, m.met = StateDead, says.versions, uint8(c.losses.episode)
	return m
}

// canPing reports whether a ping of a member of a name fits into a packet.
//
// Compat: the reference takes it for a member, and then for dead, over and over.
func (c *Core) canPing(name string) bool {
	start := len(c.out.bytes)
	c.out.bytes = c.pingOf(math.MaxUint32, name).Append(c.out.bytes)
	size := len(c.out.bytes) - start
	c.out.bytes = c.out.bytes[:start]
	return size <= c.cfg.PacketSize-wire.ChecksumSize
}

// deny takes a claim that another is at our own address. It is not: it was there
// before us, and what we hear is old. It is dead, as the others are told. What
// claims that again, at whatever incarnation, changes no more than that: who says
// so is told, as of one that died. As applyAlive, it reports false then.
//
// Compat: the reference makes it a member, which takes until a probe of it fails.
func (c *Core) deny(now time.Time, m *member, name string, says claim) bool {
	if says.incarnation == MaxIncarnation {
		c.drop(DropMaximum)
		return true
	}
	if gone := c.remembered(now, name); m == nil && gone != nil {
		m = c.recall(now, gone)
	}
	switch {
	case m == nil:
		m = c.add(name, says)
		c.beGone(now, m, StateDead, says.incarnation)
		c.remember(m)
		c.broadcast(m, broadcast{saying: sayDead, incarnation: says.incarnation, from: c.cfg.Name}, 0)
		c.out.Counts.Dead++
		return true
	case !c.table.isAt(m, says.addr): // it is known elsewhere
		return true
	case !m.State.Gone(): // it was there before we moved
		c.becomeGone(now, m, max(m.Incarnation, says.incarnation), c.cfg.Name, 0)
		return true
	}
	if says.incarnation > m.Incarnation {
		c.table.judge(m, says.incarnation)
		c.raise(m)
	}
	return false
}

// recall makes a member known again that went and was forgotten, as it was: somebody
// has it for alive still, and is told so in the next exchange of states.
func (c *Core) recall(now time.Time, gone *lost) *member {
	m := c.add(gone.name, claim{addr: gone.addr, versions: gone.versions})
	m.answered = gone.answered
	if gone.left {
		c.beGone(now, m, StateLeft, gone.verdict)
	} else {
		c.beGone(now, m, StateDead, gone.verdict)
		c.table.suspectDead(m, gone.incarnation)
	}
	return m
}

// beGone makes a member that was not known one that is dead or has left. To those
// that hear of events it never was there.
func (c *Core) beGone(now time.Time, m *member, state State, incarnation uint32) {
	c.table.judge(m, incarnation)
	m.State, m.since = state, c.table.since(now)
	c.forgetLater(now, m)
	c.changed(m)
}

// applyElsewhere takes a claim that a member is at another address than it is known at.
func (c *Core) applyElsewhere(now time.Time, m *member, says claim) {
	switch {
	case m.State == StateLeft && says.incarnation <= m.Incarnation:
		c.challenge(m, says)
	case m.State == StateLeft || c.mayReclaim(now, m):
		before := c.table.snapshot(m)
		c.becomeAlive(now, m, says.own(m), 0)
		c.event(Event{Kind: EventMoved, Member: c.table.snapshot(m), Other: &before})
	case c.contest(now, m, says):
		c.takeOver(now, m, says.clone())
	}
}

// challenge tells who says to be at an address, under the name of m, which went,
// what we know against that: if it is there it refutes that, at once, and what is
// old does not bring it back.
//
// Compat: the reference gives the name of a member that left to any claim, and
// that of one that it has forgotten.
func (c *Core) challenge(m *member, says claim) {
	c.sendAlone(Endpoint{Name: m.Name, AddrPort: says.addr.addrPort()}, c.against(m, says.incarnation))
	c.out.Counts.StaleAlives++
}

// mayReclaim reports whether a member has been dead for so long that its name may
// come back at another address.
func (c *Core) mayReclaim(now time.Time, m *member) bool {
	return m.State == StateDead && c.cfg.DeadNodeReclaimTime > 0 && c.table.age(now, m) > c.cfg.DeadNodeReclaimTime
}
