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

// forgetLater has a member that is dead or left forgotten once it has been so for
// GossipToTheDeadTime.
//
// Compat: in the reference that takes a round of probes more, which is minutes in
// a large cluster, and never happens without probes.
func (t *Turn) forgetLater(m *member) {
	t.gone = append(t.gone, goneMember{m.ID, m.since})
	if t.forgetting.index < 0 {
		t.deadlines.set(&t.forgetting, t.now.Add(t.cfg.GossipToTheDeadTime+1))
	}
}

// forgetGone forgets the members that have been dead or left for long enough.
//
// Compat: the reference forgets itself, too, after it left, and keeps what is
// queued about those it forgot.
func (t *Turn) forgetGone() {
	n := 0
	for ; n < len(t.gone); n++ {
		g := t.gone[n]
		if t.table.since(t.now)-g.since <= t.cfg.GossipToTheDeadTime {
			break
		}
		if m := t.table.at(g.id); m.Name != "" && m != t.self && m.State.Gone() && m.since == g.since {
			t.forget(m)
		}
	}
	t.gone = slices.Delete(t.gone, 0, n)
	t.table.leaveOrder()
	t.giveUpLost()
	if len(t.gone) == 0 {
		t.gone = nil
		return
	}
	next := t.table.epoch.Add(t.gone[0].since + t.cfg.GossipToTheDeadTime + 1)
	t.deadlines.set(&t.forgetting, later(next, t.now.Add(t.cfg.GossipToTheDeadTime/forgetParts)))
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
