package swim

import (
	"bytes"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Hear handles what a message of a packet says of a member as Step does, and
// keeps nothing of the rumor's memory. Most rumors are old: for those it takes
// one look at the table.
func (c *Core) Hear(now time.Time, from Endpoint, r *wire.Rumor) {
	name := ""
	if m := c.table.namedBytes(r.Node); m == nil {
		name = string(r.Node)
	} else if c.isOld(m, r) {
		return
	} else {
		name = m.Name
	}
	switch r.Kind {
	case wire.TypeAlive:
		c.stepAlive(now, from, &wire.Alive{Incarnation: r.Incarnation, Node: name, Addr: r.Addr, Port: r.Port, Meta: r.Meta, Vsn: r.Vsn})
	case wire.TypeSuspect:
		c.stepSuspect(now, from, &wire.Suspect{Incarnation: r.Incarnation, Node: name, From: c.nameOf(r.From)})
	case wire.TypeDead:
		c.stepDead(now, from, &wire.Dead{Incarnation: r.Incarnation, Node: name, From: c.nameOf(r.From)})
	}
}

// isOld reports whether nothing can come of what a rumor says of a member, not
// even an answer. It may miss some of those.
func (c *Core) isOld(m *member, r *wire.Rumor) bool {
	if r.Incarnation > m.Incarnation || m == c.self {
		return false
	}
	switch r.Kind {
	case wire.TypeAlive: // of one that is, where it is
		return m.State == StateAlive && r.Port == m.port && bytes.Equal(r.Addr, c.table.ip(m)) &&
			len(r.Meta) <= MaxMeta && c.saysVersions(m, r.Vsn)
	case wire.TypeSuspect: // refuted
		return r.Incarnation < m.Incarnation && len(r.From) <= MaxName
	case wire.TypeDead: // likewise, and no farewell
		return r.Incarnation < m.Incarnation && len(r.From) <= MaxName && string(r.From) != m.Name
	}
	return false
}

// nameOf returns a name of a message as a string that may be kept.
func (c *Core) nameOf(name []byte) string {
	if string(name) == c.accuser {
		return c.accuser
	}
	if m := c.table.namedBytes(name); m != nil {
		return m.Name
	}
	return string(name)
}
