package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// How many states of a push/pull are merged in a turn, while acks and others wait: some hundred microseconds at most.
const (
	statesAtOnce = 256
	newsAtOnce   = 128 // of them that change anything, so that these are still in the CPU's caches when they are put out
)

// Merge removes the next states of a push/pull with a peer from states, at most statesAtOnce, and merges them. It keeps no
// reference to their memory. A member that the peer has as dead is only suspected, so that it can refute; but see
// Peer.OfDifferences.
func (t *Turn) Merge(peer *Peer, states *wire.States) {
	var v wire.StateView
	var names sequence
	news := false
	enough := len(t.out.Changed) + newsAtOnce
	for i := 0; i < statesAtOnce && len(t.out.Changed) < enough && states.Next(&v); i++ {
		m := t.table.following(v.Name(), &names)
		if m != nil && t.table.knowsAlive(m, &v, t.cfg.DefaultPort) {
			t.failed.onAliveElsewhere(t, m.Name)
			continue
		}
		if m == nil && !news && !peer.stranger && State(v.State) == StateAlive {
			t.expectNews(1 + states.Len())
			news = true
		}
		if !peer.differences || m == nil || !t.believeVerdict(m, &v) {
			t.mergeState(peer, m, &v)
		}
	}
}

// knowsAlive reports whether a state has m alive as it is known already, which is so for most states.
func (t *table) knowsAlive(m *member, v *wire.StateView, defaultPort uint16) bool {
	if State(v.State) != StateAlive || v.Incarnation > m.Incarnation || m == t.self || len(v.Meta()) > MaxMeta ||
		!t.saysVersions(m, v.Vsn()) {
		return false
	}
	addr, ok := addressFrom(v.Addr(), v.Port, defaultPort)
	return ok && t.isAt(m, addr)
}

// expectNews makes room for n new members, and for the events of those that are merged in this turn.
func (t *Turn) expectNews(n int) {
	t.table.reserve(n)
	t.queue.reserve(t.table.len() + n)
	t.out.Events = slices.Grow(t.out.Events, min(n, newsAtOnce))
	t.out.Changed = slices.Grow(t.out.Changed, min(n, newsAtOnce))
}

// mergeState merges a state of m, or of an unknown member if m is nil.
func (t *Turn) mergeState(peer *Peer, m *member, v *wire.StateView) {
	name := ""
	if m != nil {
		name = m.Name
	} else {
		name = t.cfg.keep(v.Name())
	}
	kind := wire.TypeAlive
	if State(v.State) != StateAlive {
		kind = wire.TypeDead
	}
	at, _ := addressFrom(v.Addr(), v.Port, t.cfg.DefaultPort)
	if !t.believes(peer, m, name, kind, v.Incarnation, at) {
		return
	}
	switch State(v.State) {
	case StateAlive:
		if !t.applyAlive(peer, m, &wire.Alive{Incarnation: v.Incarnation, Node: name, Addr: v.Addr(), Port: v.Port,
			Meta: v.Meta(), Vsn: v.Vsn()}) {
			t.failed.onAliveElsewhere(t, name)
		}
	case StateLeft:
		t.failed.onLeftWhileFailed(t, name, v.Incarnation)
		t.probation.onLeft(t, name, v.Incarnation)
		if m := t.subject(name, name, v.Incarnation); m != nil {
			t.applyLeave(v.Incarnation, m, address{})
		}
	case StateSuspect, StateDead:
		if m := t.subject(name, unattributed, v.Incarnation); m != nil {
			t.applySuspect(v.Incarnation, m, unattributed)
		}
	default:
		t.out.drop(DropMalformed)
	}
}
