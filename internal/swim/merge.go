package swim

import (
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// How many states of a push/pull are merged while others wait, such as acks: for some hundred microseconds at most.
const (
	statesAtOnce = 256
	newsAtOnce   = 128 // of them that change anything, so that what is said of these is still at hand when it is told
)

// Merge takes the next states of a push/pull out of states, at most statesAtOnce of them, and keeps no reference to their
// memory. A member that the peer calls dead is only suspected, so that it can refute.
func (c *Core) Merge(now time.Time, states *wire.States) {
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
		if m == nil && !news && State(v.State) == StateAlive {
			c.expectNews(1 + states.Len())
			news = true
		}
		c.mergeState(now, m, &v)
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

// mergeState takes a state of m, or of an unknown member if m is nil.
func (c *Core) mergeState(now time.Time, m *member, v *wire.StateView) {
	name := ""
	if m != nil {
		name = m.Name
	} else {
		name = c.keep(v.Name())
	}
	switch State(v.State) {
	case StateAlive:
		if !c.applyAlive(now, m, &wire.Alive{Incarnation: v.Incarnation, Node: name, Addr: v.Addr(), Port: v.Port,
			Meta: v.Meta(), Vsn: v.Vsn()}) {
			c.foundByOthers(now, name)
		}
	case StateLeft:
		c.foundLeft(now, name, v.Incarnation)
		if m := c.accused(name, name, v.Incarnation); m != nil {
			c.applyDead(now, v.Incarnation, m, name)
		}
	case StateSuspect, StateDead:
		if m := c.accused(name, hearsay, v.Incarnation); m != nil {
			c.applySuspect(now, v.Incarnation, m, hearsay)
		}
	default:
		c.drop(DropMalformed)
	}
}
