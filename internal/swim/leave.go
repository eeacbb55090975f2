package swim

import (
	"github.com/e3431adc/memberlist/internal/wire"
)

// farewells is how many members a Core that leaves tells so at once, in a packet
// each, beside its gossip. Each of them gossips it on, so that it spreads as if
// it had been known for some rounds.
const leaveFanout = 8

// Leave declares that we leave, and reports whether anyone is there to hear
// it. The notice is in Output.Finished when it has been sent. The Core goes on
// answering. A second Leave does nothing but finish its notice, as does one of
// whom nobody knows.
//
// That we leave goes before all that is queued; several members are told in a
// packet of their own, and one in an exchange of states.
//
// Compat: the reference queues it with all the rest, and tells nobody else.
func (t *Turn) Leave(notice uint64) (heard bool) {
	if t.local.leaving {
		t.out.finish(notice)
		return false
	}
	t.local.leaving = true
	t.deadlines.stop(&t.failed.due)
	if t.table.self.State.IsDown() {
		t.out.finish(notice)
		return false
	}
	t.markDead(t.table.self, t.table.self.Incarnation, t.cfg.Name, notice)
	t.local.sendLeave(t)
	return t.AnyAlive()
}

// Return makes us a member again after Leave, as we were but for a new
// incarnation, and reports whether we had left.
func (t *Turn) Return() (left bool) {
	if !t.local.leaving {
		return false
	}
	t.local.leaving = false
	if t.table.self.Incarnation == 0 { // we were never announced
		return true
	}
	t.local.becomeAliveAt(t, t.table.address(t.table.self), 0)
	if t.failed.len() > 0 || t.failed.seeds {
		t.failed.scheduleReconnect(t, t.cfg.ReconnectInterval)
	}
	return true
}

// sayFarewell tells a few members directly that we leave. What the user said before
// it goes with that: there is room for it.
func (l *local) sendLeave(t *Turn) {
	told := t.choose(leaveFanout, t.table.isPresent)
	for i, m := range told {
		packet := t.sendAlone(t.table.endpoint(m), &wire.Dead{Incarnation: t.table.self.Incarnation, Node: t.cfg.Name, From: t.cfg.Name})
		if t.cfg.HasUserBroadcasts {
			packet.Room = max(t.cfg.roomIn(packet), 0)
		}
		if i == 0 && t.cfg.PushPullInterval > 0 { // else there are to be no exchanges
			t.out.Streams = append(t.out.Streams, Stream{Kind: StreamLeave, To: t.table.snapshot(m)})
		}
	}
}

// becomeLeft makes m, which was found dead, one that left: it said so before, or
// an operator says so in its place. That it is gone has been told.
//
// Compat: the reference goes on taking it for dead.
func (t *Turn) markLeft(m *member, notice uint64) {
	m.State, m.since = StateLeft, t.table.since(t.now)
	t.queue.add(t, m, broadcast{kind: deadBroadcast, incarnation: m.Incarnation, from: m.Name}, notice)
	t.changed(m)
	t.failed.onAlive(t, m.Name)
	t.rememberDown(m)
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
func (t *Turn) Forget(name string) Removal {
	m := t.table.named(name)
	switch {
	case name == t.cfg.Name:
		return NotSelf
	case m == nil && t.failed.named(name) == nil:
		return NotKnown
	case m != nil && !m.State.IsDown():
		return NotGone
	}
	t.failed.onAlive(t, name)
	if m != nil {
		t.remove(m)
		t.table.leaveOrder()
	}
	return Removed
}

// ForceLeave has the cluster take a member for one that left, on an operator's
// word: a dead one, so that it is not looked for and its name may be used at
// another address. The notice is in Output.Finished when that has been sent.
func (t *Turn) ForceLeave(name string, notice uint64) Removal {
	m := t.table.named(name)
	if m != nil && t.table.isPresent(m) {
		return NotGone
	}
	return t.ForceLeaveAlive(name, notice)
}

// ForceLeaveAlive is ForceLeave also of a member that is alive or suspect, which
// is told: those that left are gossiped to no more, and if it is well it is to
// refute.
func (t *Turn) ForceLeaveAlive(name string, notice uint64) Removal {
	m := t.table.named(name)
	switch {
	case name == t.cfg.Name:
		return NotSelf
	case m == nil:
		return NotKnown
	case m.State == StateLeft:
		return RemovedBefore
	case m.State == StateDead:
		t.markLeft(m, notice)
	default:
		t.markDead(m, m.Incarnation, m.Name, notice)
		t.sendAlone(t.table.endpoint(m), &wire.Dead{Incarnation: m.Incarnation, Node: m.Name, From: m.Name})
	}
	return Removed
}
