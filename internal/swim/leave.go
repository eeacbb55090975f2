package swim

import (
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// leaveFanout is how many members get our leave message at once, in a packet each,
// beside its gossip. Each gossips it on, so that it spreads as if some rounds had
// passed.
const leaveFanout = 8

// Leave declares that we leave, and reports whether there is a member to receive that. The notice is in Output.Finished when
// it has been sent. The Core goes on answering. A second Leave only finishes its notice, and so does one before Announce.
//
// The leave message precedes all that is queued. Several members get it in a packet of their own, and one in a push/pull.
//
// Compat: the reference queues it behind all the rest, and sends it in gossip only.
func (t *Turn) Leave(notice uint64) (heard bool) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Leave, callLeave{notice})
	}
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
	t.origin.cause = CauseProgram
	t.markDead(t.table.self, t.table.self.Incarnation, t.cfg.Name, notice)
	t.local.sendLeave(t)
	return t.AnyAlive()
}

// Return makes us a member again after Leave, at a new incarnation, and reports whether we had left.
func (t *Turn) Return() (left bool) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Return, callReturn{})
	}
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

// sendLeave sends our leave message to leaveFanout members. Recent user broadcasts have room beside it.
func (l *local) sendLeave(t *Turn) {
	told := t.choose(leaveFanout, t.table.isPresent)
	for i, m := range told {
		packet := t.sendAlone(t.table.endpoint(m), &wire.Dead{Incarnation: t.table.self.Incarnation, Node: t.cfg.Name, From: t.cfg.Name})
		if t.cfg.HasUserBroadcasts {
			packet.Room = max(t.cfg.roomIn(packet), 0)
		}
		if i == 0 && t.cfg.PushPullInterval > 0 { // else push/pulls are disabled
			t.out.Streams = append(t.out.Streams, Stream{Kind: StreamLeave, To: t.table.snapshot(m)})
		}
	}
}

// Limits of the questions to members that others say have left.
const (
	// leaveQuestions is how many members, on average, question a leave message that did not come from its subject. If more
	// members leave within a few protocol periods, each is questioned.
	leaveQuestions = 4

	// maxLeaveQuestions is how many leave messages are questioned for that reason in that time.
	maxLeaveQuestions = 256

	// leavesTogether is that time, in protocol periods.
	leavesTogether = 2
)

// doubts counts the leave messages that did not come from their subjects. Such a message may be forged, and a member that is
// taken for one that left is sent no gossip, from which it could learn of that. So some of those that get the message send
// it to its subject: if that has not left it refutes it within a round trip. A few suffice for one leave, as its refutation
// is gossiped; but gossip does not reach all while many members are taken for ones that left.
type doubts struct {
	began   time.Time
	leaves  int  // since then
	unasked []ID // of the first ones
}

// applyLeave handles a leave message or state about m that came from an address; the zero address is that of no member.
//
// Compat: the reference believes it, and m does not learn of it.
func (t *Turn) applyLeave(incarnation uint32, m *member, from address) {
	before := m.State
	t.applyDead(incarnation, m, m.Name)
	if before != StateLeft && m.State == StateLeft && m != t.table.self && !t.local.leaving && !t.table.isAt(m, from) {
		t.doubts.onLeave(t, m)
	}
}

// onLeave questions m, and the ones before it, or does not.
func (d *doubts) onLeave(t *Turn, m *member) {
	if t.now.Sub(d.began) > leavesTogether*t.cfg.period() {
		d.began, d.leaves, d.unasked = t.now, 0, nil
	}
	d.leaves++
	switch few := d.leaves <= leaveQuestions || d.leaves > maxLeaveQuestions; {
	case !few:
		for _, id := range d.unasked {
			if earlier := t.table.at(id); earlier.Name != "" && earlier.State == StateLeft && earlier != t.table.self {
				d.question(t, earlier)
			}
		}
		d.unasked = nil
		d.question(t, m)
	case t.cfg.Rand.IntN(t.present+1) < leaveQuestions:
		d.question(t, m)
	case d.leaves <= leaveQuestions:
		d.unasked = append(d.unasked, m.ID)
	}
}

// question sends m the evidence that it left.
func (d *doubts) question(t *Turn, m *member) {
	t.sendAlone(t.table.endpoint(m), t.counterEvidence(m, m.Incarnation))
}

// markLeft makes m, which was declared dead, one that left: its leave message arrived late, or an operator says so. There
// was a leave event before.
//
// Compat: the reference keeps it dead.
func (t *Turn) markLeft(m *member, notice uint64) {
	verdict := t.verdict(m, m.Name)
	m.State, m.since = StateLeft, t.table.since(t.now)
	t.queue.add(t, m, broadcast{kind: deadBroadcast, incarnation: m.Incarnation, from: m.Name}, notice)
	t.changed(m)
	t.failed.onAlive(t, m.Name)
	t.rememberDown(m, verdict)
}

// Removal is the outcome of Forget and ForceLeave.
type Removal uint8

// The outcomes of Forget and ForceLeave.
const (
	Removed       Removal = iota
	RemovedBefore         // it has left before; nothing changes
	NotKnown              // no member with that name is known
	NotSelf               // it is this member itself
	NotGone               // it is alive or suspect
)

// Forget removes a member that is dead or has left at once: it is neither gossiped about nor looked for. If it is heard of
// again it counts as new.
func (t *Turn) Forget(name string) Removal {
	if r := t.rec; r != nil {
		put(r, &r.calls.Forget, callForget{name})
	}
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

// ForceLeave declares, for an operator, that a dead member left, so that it is not looked for and its name may be used at
// another address. The notice is in Output.Finished when that has been sent.
func (t *Turn) ForceLeave(name string, notice uint64) Removal {
	m := t.table.named(name)
	if m != nil && t.table.isPresent(m) {
		return NotGone
	}
	return t.ForceLeaveAlive(name, notice)
}

// ForceLeaveAlive is ForceLeave for a member that may also be alive or suspect. Such a member is told, as members that left
// are sent no gossip: if it is well it refutes.
func (t *Turn) ForceLeaveAlive(name string, notice uint64) Removal {
	if r := t.rec; r != nil {
		put(r, &r.calls.ForceLeaveAlive, callForceLeaveAlive{name, notice})
	}
	t.origin.cause = CauseProgram
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
