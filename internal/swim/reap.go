package swim

import (
	"slices"
	"time"
)

// goneMember is a member that became dead or left at a time after the table's
// epoch, if it is so still.
type downMember struct {
	id    ID
	since time.Duration
}

// reaper forgets members that have been dead or left for long enough.
type reaper struct {
	down []downMember // in the order in which they went
	due  deadline
}

// forgetLater has a member that is dead or left forgotten once it has been so for
// GossipToTheDeadTime.
//
// Compat: in the reference that takes a round of probes more, which is minutes in
// a large cluster, and never happens without probes.
func (r *reaper) schedule(t *Turn, m *member) {
	r.down = append(r.down, downMember{m.ID, m.since})
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
	for ; n < len(r.down); n++ {
		g := r.down[n]
		if t.table.since(t.now)-g.since <= t.cfg.GossipToTheDeadTime {
			break
		}
		if m := t.table.at(g.id); m.Name != "" && m != t.table.self && m.State.IsDown() && m.since == g.since {
			t.remove(m)
		}
	}
	r.down = slices.Delete(r.down, 0, n)
	t.table.leaveOrder()
	t.failed.expire(t)
	if len(r.down) == 0 {
		r.down = nil
		return
	}
	next := t.table.epoch.Add(r.down[0].since + t.cfg.GossipToTheDeadTime + 1)
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
