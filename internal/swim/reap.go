package swim

import (
	"slices"
	"time"
)

// goneMember is a member that became dead or left at a time after the table's
// epoch, if it is so still.
type goneMember struct {
	id    ID
	since time.Duration
}

// reaper forgets members that have been dead or left for long enough.
type reaper struct {
	gone []goneMember // in the order in which they went
	due  deadline
}

// forgetLater has a member that is dead or left forgotten once it has been so for
// GossipToTheDeadTime.
//
// Compat: in the reference that takes a round of probes more, which is minutes in
// a large cluster, and never happens without probes.
func (r *reaper) schedule(t *Turn, m *member) {
	r.gone = append(r.gone, goneMember{m.ID, m.since})
	if r.due.index < 0 {
		t.deadlines.set(&r.due, t.now.Add(t.cfg.GossipToTheDeadTime+1))
	}
}

// forgetGone forgets the members that have been dead or left for long enough.
//
// Compat: the reference forgets itself, too, after it left, and keeps what is
// queued about those it forgot.
func (r *reaper) tick(t *Turn) {
	n := 0
	for ; n < len(r.gone); n++ {
		g := r.gone[n]
		if t.table.since(t.now)-g.since <= t.cfg.GossipToTheDeadTime {
			break
		}
		if m := t.table.at(g.id); m.Name != "" && m != t.table.self && m.State.Gone() && m.since == g.since {
			t.forget(m)
		}
	}
	r.gone = slices.Delete(r.gone, 0, n)
	t.table.leaveOrder()
	t.failed.expire(t)
	if len(r.gone) == 0 {
		r.gone = nil
		return
	}
	next := t.table.epoch.Add(r.gone[0].since + t.cfg.GossipToTheDeadTime + 1)
	t.deadlines.set(&r.due, later(next, t.now.Add(t.cfg.GossipToTheDeadTime/forgetParts)))
}

// forgetParts is how many times members are forgotten in a GossipToTheDeadTime, at
// most: each time takes a look at all that are known.
const forgetParts = 64

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
