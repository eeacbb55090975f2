package swim

import (
	"bytes"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Step handles an indirect ping, an ack or a nack that arrived in a packet. The message and what it refers to stay the
// caller's. Pings go to StepPing; alive, suspect and dead messages to StepGossip.
func (c *Core) Step(now time.Time, from Endpoint, message wire.Message) {
	switch m := message.(type) {
	case *wire.IndirectPing:
		c.relayPing(now, from, m)
	case *wire.Ack:
		c.acked(now, from, m)
	case *wire.Nack:
		c.nacked(m)
	}
}

// StepGossip handles an alive, suspect or dead message that arrived in a packet, and keeps no reference to its memory. Most
// such messages are stale; for those it takes one look at the table.
func (c *Core) StepGossip(now time.Time, from Endpoint, v *wire.GossipView) {
	m := c.table.namedBytes(v.Node)
	if m != nil && c.isStale(m, v) {
		return
	}
	name := ""
	if m != nil {
		name = m.Name
	} else {
		name = c.keep(v.Node)
	}
	switch v.Kind {
	case wire.TypeAlive:
		c.stepAlive(now, from, &wire.Alive{Incarnation: v.Incarnation, Node: name, Addr: v.Addr, Port: v.Port, Meta: v.Meta, Vsn: v.Vsn})
	case wire.TypeSuspect:
		c.stepSuspect(now, from, &wire.Suspect{Incarnation: v.Incarnation, Node: name, From: c.nameOf(v.From)})
	case wire.TypeDead:
		c.stepDead(now, from, &wire.Dead{Incarnation: v.Incarnation, Node: name, From: c.nameOf(v.From)})
	}
}

// isStale reports whether a message about a member changes nothing and needs no answer. It may miss some that do neither.
func (c *Core) isStale(m *member, v *wire.GossipView) bool {
	if v.Incarnation > m.Incarnation || m == c.self {
		return false
	}
	switch v.Kind {
	case wire.TypeAlive: // already alive at this address
		return m.State == StateAlive && v.Port == m.port && bytes.Equal(v.Addr, c.table.ip(m)) &&
			len(v.Meta) <= MaxMeta && c.saysVersions(m, v.Vsn)
	case wire.TypeSuspect: // refuted since
		return v.Incarnation < m.Incarnation && len(v.From) <= MaxName
	case wire.TypeDead: // refuted since, and not the member's own word
		return v.Incarnation < m.Incarnation && len(v.From) <= MaxName && string(v.From) != m.Name
	}
	return false
}

// nameOf returns a name in a message as a string to keep: that of the member, if there is one.
func (c *Core) nameOf(name []byte) string {
	if m := c.table.namedBytes(name); m != nil {
		return m.Name
	}
	return c.keep(name)
}

// keep returns the string to keep for the name of an unknown member in a message.
func (c *Core) keep(name []byte) string {
	if c.cfg.Keep == nil {
		return string(name)
	}
	return c.cfg.Keep(name)
}
