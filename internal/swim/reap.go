package swim

import (
	"slices"
	"time"
)

// downMember is a member that became dead or left at a time after the epoch of the table.
type downMember struct {
	id    ID
	since time.Duration
}

// reaper removes members from the table when they have been dead or left for GossipToTheDeadTime.
type reaper struct {
	down []downMember // in the order in which they became so
	due  deadline
}

// schedule schedules the removal of a member that is dead or left.
//
// Compat: in the reference that takes another round of probes, which is minutes in a large cluster, and never happens
// without probes.
func (r *reaper) schedule(t *Turn, m *member) {
	r.down = append(r.down, downMember{m.ID, m.since})
	if r.due.index < 0 {
		t.deadlines.set(&r.due, t.now.Add(t.cfg.GossipToTheDeadTime+1))
	}
}

// tick removes the members that are due.
//
// Compat: the reference removes itself too after it left, and keeps the broadcasts about those that it removed.
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

// forgetParts limits how often members are removed in a GossipToTheDeadTime, as each
// time scans the whole table.
const forgetParts = 64

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
