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
func (c *Core) forgetLater(now time.Time, m *member) {
	c.gone = append(c.gone, goneMember{m.ID, m.since})
	if c.forgetting.index < 0 {
		c.deadlines.set(&c.forgetting, now.Add(c.cfg.GossipToTheDeadTime+1))
	}
}

// forgetGone forgets the members that have been dead or left for long enough.
//
// Compat: the reference forgets itself, too, after it left, and keeps what is
// queued about those it forgot.
func (c *Core) forgetGone(now time.Time) {
	t := &c.table
	n := 0
	for ; n < len(c.gone); n++ {
		g := c.gone[n]
		if t.since(now)-g.since <= c.cfg.GossipToTheDeadTime {
			break
		}
		if m := t.at(g.id); m.Name != "" && m != c.self && m.State.Gone() && m.since == g.since {
			c.forget(m)
		}
	}
	c.gone = slices.Delete(c.gone, 0, n)
	t.leaveOrder()
	c.giveUpLost(now)
	if len(c.gone) == 0 {
		c.gone = nil
		return
	}
	next := t.epoch.Add(c.gone[0].since + c.cfg.GossipToTheDeadTime + 1)
	c.deadlines.set(&c.forgetting, later(next, now.Add(c.cfg.GossipToTheDeadTime/forgetParts)))
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
