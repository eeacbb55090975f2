package swim

import (
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// farewells is how many members a Core that leaves tells so at once, in a packet
// each, beside its gossip. Each of them gossips it on, so that it spreads as if
// it had been known for some rounds.
const farewells = 8

// Leave declares that we leave, and reports whether anyone is there to hear
// it. The notice is in Output.Finished when it has been sent. The Core goes on
// answering. A second Leave does nothing but finish its notice, as does one of
// whom nobody knows.
//
// That we leave goes before all that is queued; several members are told in a
// packet of their own, and one in an exchange of states.
//
// Compat: the reference queues it with all the rest, and tells nobody else.
func (c *Core) Leave(now time.Time, notice uint64) (heard bool) {
	if c.leaving {
		c.finish(notice)
		return false
	}
	c.leaving = true
	c.deadlines.stop(&c.losses.due)
	if c.self.State.Gone() {
		c.finish(notice)
		return false
	}
	c.becomeGone(now, c.self, c.self.Incarnation, c.cfg.Name, notice)
	c.sayFarewell()
	return c.AnyAlive()
}

// Return makes us a member again after Leave, as we were but for a new
// incarnation, and reports whether we had left.
func (c *Core) Return(now time.Time) (left bool) {
	if !c.leaving {
		return false
	}
	c.leaving = false
	if c.self.Incarnation == 0 { // we were never announced
		return true
	}
	c.becomeAliveAt(now, c.table.address(c.self), 0)
	if c.losses.len() > 0 || c.losses.seeds {
		c.seekWithin(now, c.cfg.ReconnectInterval)
	}
	return true
}

// sayFarewell tells a few members directly that we leave. What the user said before
// it goes with that: there is room for it.
func (c *Core) sayFarewell() {
	told := c.choose(farewells, c.isPresent)
	for i, m := range told {
		packet := c.sendAlone(c.endpoint(m), &wire.Dead{Incarnation: c.self.Incarnation, Node: c.cfg.Name, From: c.cfg.Name})
		if c.cfg.HasUserBroadcasts {
			packet.Room = max(c.roomIn(packet), 0)
		}
		if i == 0 && c.cfg.PushPullInterval > 0 { // else there are to be no exchanges
			c.out.Streams = append(c.out.Streams, Stream{Kind: StreamFarewell, To: c.table.snapshot(m)})
		}
	}
}

// becomeLeft makes m, which was found dead, one that left: it said so before, or
// an operator says so in its place. That it is gone has been told.
//
// Compat: the reference goes on taking it for dead.
func (c *Core) becomeLeft(now time.Time, m *member, notice uint64) {
	m.State, m.since = StateLeft, c.table.since(now)
	c.broadcast(m, broadcast{saying: sayDead, incarnation: m.Incarnation, from: m.Name}, notice)
	c.changed(m)
	c.found(now, m.Name)
	c.rememberGone(now, m)
}

// Removal says why a member is not removed, if it is not.
type Removal uint8

// What may come of Forget and ForceLeave.
const (
	Removed       Removal = iota
	RemovedBefore         // it has left already; nothing changes
	NotKnown              // nobody of that name is known
	NotSelf               // it is ourselves
	NotGone               // it is alive or suspect
)

// Forget removes a member that is dead or left from all that is known here, at
// once: it is not gossiped about, nor looked for. Who hears of it again takes it
// for new.
func (c *Core) Forget(now time.Time, name string) Removal {
	m := c.table.named(name)
	switch {
	case name == c.cfg.Name:
		return NotSelf
	case m == nil && c.losses.named(name) == nil:
		return NotKnown
	case m != nil && !m.State.Gone():
		return NotGone
	}
	c.found(now, name)
	if m != nil {
		c.forget(m)
		c.table.leaveOrder()
	}
	return Removed
}

// ForceLeave has the cluster take a member for one that left, on an operator's
// word: a dead one, so that it is not looked for and its name may be used at
// another address. The notice is in Output.Finished when that has been sent.
func (c *Core) ForceLeave(now time.Time, name string, notice uint64) Removal {
	m := c.table.named(name)
	if m != nil && c.isPresent(m) {
		return NotGone
	}
	return c.ForceLeaveAlive(now, name, notice)
}

// ForceLeaveAlive is ForceLeave also of a member that is alive or suspect, which
// is told: those that left are gossiped to no more, and if it is well it is to
// refute.
func (c *Core) ForceLeaveAlive(now time.Time, name string, notice uint64) Removal {
	m := c.table.named(name)
	switch {
	case name == c.cfg.Name:
		return NotSelf
	case m == nil:
		return NotKnown
	case m.State == StateLeft:
		return RemovedBefore
	case m.State == StateDead:
		c.becomeLeft(now, m, notice)
	default:
		c.becomeGone(now, m, m.Incarnation, m.Name, notice)
		c.sendAlone(c.endpoint(m), &wire.Dead{Incarnation: m.Incarnation, Node: m.Name, From: m.Name})
	}
	return Removed
}
