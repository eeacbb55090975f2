package swim

import (
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Merge takes the states of a push/pull. A member that another calls dead is
// only suspected, so that it can refute.
func (c *Core) Merge(now time.Time, states []wire.PushNodeState) {
	for i := range states {
		c.mergeState(now, c.table.named(states[i].Name), &states[i])
	}
}

// How many states of a push/pull are merged while others wait, such as acks: for some hundred microseconds at most.
const (
	statesAtOnce = 256
	newsAtOnce   = 128 // of them that change anything, so that what is said of these is still at hand when it is told
)

// MergeRead is Merge of the next states as they were read, at most as many as are merged at once.
func (c *Core) MergeRead(now time.Time, states *wire.States) {
	var v wire.StateView
	var names sequence
	news := false
	enough := len(c.out.Changed) + newsAtOnce
	for i := 0; i < statesAtOnce && len(c.out.Changed) < enough && states.Next(&v); i++ {
		m := c.table.following(v.Name(), &names)
		if m != nil && c.knowsAlive(m, &v) {
			c.foundByOthers(now, m.Name)
			continue
		}
		var name string
		switch {
		case m != nil:
			name = m.Name
		case State(v.State) == StateAlive:
			name = string(v.Name())
			if !news {
				c.expectNews(1 + states.Len())
				news = true
			}
		default:
			name = string(v.Name())
		}
		s := v.Named(name)
		c.mergeState(now, m, &s)
	}
}

// knowsAlive reports whether a state says that m is alive, which is right but
// no news: most states are like that.
func (c *Core) knowsAlive(m *member, v *wire.StateView) bool {
	if State(v.State) != StateAlive || v.Incarnation > m.Incarnation || m == c.self || len(v.Meta()) > MaxMeta ||
		!c.saysVersions(m, v.Vsn()) {
		return false
	}
	addr, ok := addressFrom(v.Addr(), v.Port, c.cfg.DefaultPort)
	return ok && c.table.isAt(m, addr)
}

// expectNews makes room at once for so many new members, and for what is told of those that are merged at once.
func (c *Core) expectNews(n int) {
	c.table.reserve(n)
	c.queue.reserve(c.table.len() + n)
	c.out.Events = slices.Grow(c.out.Events, min(n, newsAtOnce))
	c.out.Changed = slices.Grow(c.out.Changed, min(n, newsAtOnce))
}

// mergeState takes a state of m, or of one who is not known.
func (c *Core) mergeState(now time.Time, m *member, s *wire.PushNodeState) {
	switch State(s.State) {
	case StateAlive:
		if !c.applyAlive(now, m, &wire.Alive{Incarnation: s.Incarnation, Node: s.Name, Addr: s.Addr, Port: s.Port,
			Meta: s.Meta, Vsn: s.Vsn}) {
			c.foundByOthers(now, s.Name)
		}
	case StateLeft:
		c.foundLeft(now, s.Name, s.Incarnation)
		if m := c.accused(s.Name, s.Name, s.Incarnation); m != nil {
			c.applyDead(now, s.Incarnation, m, s.Name)
		}
	case StateSuspect, StateDead:
		if m := c.accused(s.Name, hearsay, s.Incarnation); m != nil {
			c.applySuspect(now, s.Incarnation, m, hearsay)
		}
	default:
		c.drop(DropMalformed)
	}
}
