package swim

import (
	"bytes"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Step handles an indirect ping, an ack or a nack from a packet, and keeps no reference to it. Pings go to StepPing;
// alive, suspect and dead messages to StepGossip.
func (t *Turn) Step(from Endpoint, message wire.Message) {
	if r := t.rec; r != nil {
		r.putStep(&from, message)
	}
	t.origin = origin{}
	switch m := message.(type) {
	case *wire.IndirectPing:
		t.relays.begin(t, from, m)
	case *wire.Ack:
		t.acked(from, m)
	case *wire.Nack:
		t.nacked(&from, m)
	}
}

// StepGossip handles an alive, suspect or dead message that arrived in a packet, and keeps no reference to its memory. Most
// such messages are stale, which takes one look-up in the table.
func (t *Turn) StepGossip(from Endpoint, v *wire.GossipView) {
	if r := t.rec; r != nil {
		r.putStepGossip(&from, v)
	}
	m := t.table.namedBytes(v.Node)
	if m != nil && t.table.isStale(m, v) {
		return
	}
	t.stepGossip(from, m, v)
}

// stepGossip handles a message about m, or about an unknown member if m is nil, which need not be stale.
func (t *Turn) stepGossip(from Endpoint, m *member, v *wire.GossipView) {
	name := ""
	if m != nil {
		name = m.Name
	} else {
		name = t.cfg.keep(v.Node)
	}
	var at address
	if v.Kind == wire.TypeAlive { // others have no address, and the view that of an earlier message
		at, _ = addressFrom(v.Addr, v.Port, t.cfg.DefaultPort)
	}
	peer := t.senderOf(from, m)
	if !t.incarnations.believes(t, &peer, m, name, v.Kind, v.Incarnation, at) {
		return
	}
	t.origin = origin{cause: CauseGossip, sender: from}
	switch v.Kind {
	case wire.TypeAlive:
		t.stepAlive(&peer, m, &wire.Alive{Incarnation: v.Incarnation, Node: name, Addr: v.Addr, Port: v.Port, Meta: v.Meta, Vsn: v.Vsn,
			Zone: v.Zone})
	case wire.TypeSuspect:
		t.stepSuspect(from, m, &wire.Suspect{Incarnation: v.Incarnation, Node: name, From: t.nameOf(v.From)})
	case wire.TypeDead:
		t.stepDead(from, m, &wire.Dead{Incarnation: v.Incarnation, Node: name, From: t.nameOf(v.From)})
	}
}

// isStale reports whether a message about a member changes nothing and needs no answer. It may return false for some
// of these.
func (t *table) isStale(m *member, v *wire.GossipView) bool {
	if v.Incarnation > m.Incarnation || m == t.self {
		return false
	}
	switch v.Kind {
	case wire.TypeAlive: // already alive at this address
		return m.State == StateAlive && v.Port == m.port && bytes.Equal(v.Addr, t.ip(m)) &&
			len(v.Meta) <= MaxMeta && !t.isNewZone(m, v.Zone) && t.areUsable(m, v.Vsn)
	case wire.TypeSuspect: // refuted since
		return v.Incarnation < m.Incarnation && len(v.From) <= MaxName
	case wire.TypeDead: // refuted since, and not the member's own leave message
		return v.Incarnation < m.Incarnation && len(v.From) <= MaxName && string(v.From) != m.Name
	}
	return false
}

// nameOf returns a name in a message as a string to keep: the member's own, if it is known.
func (c *Core) nameOf(name []byte) string {
	if m := c.table.namedBytes(name); m != nil {
		return m.Name
	}
	return c.cfg.keep(name)
}

// keep returns the string to keep for the name of an unknown member in a message.
func (c *Config) keep(name []byte) string {
	if c.Keep == nil {
		return string(name)
	}
	return c.Keep(name)
}
