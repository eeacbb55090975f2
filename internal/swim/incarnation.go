package swim

import (
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Incarnations only go up, so that one message at a high one, which anybody may send, could leave a member nothing newer to
// announce. Limits of what others may raise an incarnation by; the member itself may announce any.
const (
	// smallRise is a rise that is always believed: a few messages of the member were lost.
	smallRise = 16

	// maxRise is the sum of the greater rises that are believed at once, and in each risePeriod.
	maxRise    = 1 << 20
	risePeriod = maxRise * (time.Minute / maxRise)

	// maxFirst is the highest incarnation at which members may introduce another, or remind us of an earlier life of ours. From
	// there it takes 34 hours of such rises to use up all incarnations.
	maxFirst = 1 << 31

	// maxLeap takes the place of maxFirst if a push/pull that we began says that we are there at our address: that is known from
	// ourselves. Above it there is room for maxRise refutations.
	maxLeap = MaxIncarnation - 1 - maxRise
)

// incarnations decides which incarnations are believed.
type incarnations struct {
	rises time.Time // when the bucket of takeRise is full
}

// isLast reports whether a message of a kind is at an incarnation that leaves nothing newer to say.
func isLast(incarnation uint32, kind wire.Type) bool {
	return incarnation > MaxIncarnation || incarnation == MaxIncarnation && kind != wire.TypeAlive
}

// isAt reports whether a message comes from an address, or on a stream from its host. Transports without IP addresses are
// believed.
func (p *Peer) isAt(at address) bool {
	sender := addressOf(p.AddrPort)
	return !p.AddrPort.IsValid() || sender.same(at) || p.dialled && sender.sameHost(at)
}

// believes reports whether a message about m, or about the unknown member with a name if m is nil, may be at an incarnation. If
// only that member may say so it is asked: it answers with its alive message. The address is that in the message, if any.
//
// Compat: the reference believes all, and its member is then at an incarnation above which there is none.
func (i *incarnations) believes(t *Turn, from *Peer, m *member, name string, kind wire.Type, incarnation uint32, at address) bool {
	if isLast(incarnation, kind) {
		t.out.drop(DropMaximum)
		return false
	}
	if m != nil && incarnation <= maxFirst && (incarnation <= m.Incarnation || incarnation-m.Incarnation <= smallRise) {
		return true
	}
	if m != nil && m == t.table.self {
		return incarnation <= m.Incarnation || incarnation-m.Incarnation <= smallRise || i.mayRemind(t, from, incarnation, at) || i.drop(t)
	}
	known, home := uint32(0), at
	if m != nil {
		known, home = m.Incarnation, t.table.address(m)
	} else if gone := t.failed.named(name); gone != nil {
		known = gone.incarnation
	}
	moved := at.size > 0 && !at.same(home)
	switch {
	case moved && incarnation > maxFirst && !from.isAt(at):
		home = at // a claim to the name may have raised it
	case incarnation <= known, incarnation-known <= smallRise, m == nil && incarnation <= maxFirst && from.isMember(t),
		from.isAt(home) && !moved, i.takeRise(t, incarnation-known):
		return true
	}
	if home.size > 0 && t.cfg.allows(home) && t.answers.takeClaimant(t, home) {
		question := wire.Suspect{Incarnation: max(known, 1) - 1, Node: name, From: t.cfg.Name} // stale
		messages := []wire.Message{&question}
		if m == nil && from.isMember(t) { // it answers members only, and may not know us either
			alive := t.table.alive(t.table.self, t.table.self.Incarnation)
			messages = append(messages, &alive)
		}
		t.sendAlone(Endpoint{Name: name, AddrPort: home.addrPort()}, messages...)
	}
	return i.drop(t)
}

// drop counts a message that is not believed. It returns false.
func (i *incarnations) drop(t *Turn) bool {
	t.out.drop(DropLeap)
	return false
}

// mayRemind reports whether a message about ourselves may be at an incarnation far above our own, from an earlier life.
func (i *incarnations) mayRemind(t *Turn, from *Peer, incarnation uint32, at address) bool {
	asked := from.asked || !from.AddrPort.IsValid()
	return from.isMember(t) && (incarnation <= maxFirst || asked && incarnation <= maxLeap && t.table.isAt(t.table.self, at) ||
		i.takeRise(t, incarnation-t.table.self.Incarnation))
}

// isMember reports whether a message comes from another member, or in a push/pull with one or that we began. Transports without IP
// addresses are believed.
func (p *Peer) isMember(t *Turn) bool {
	if p.asked || !p.AddrPort.IsValid() {
		return true
	}
	return p.dialled && !p.stranger || !p.dialled && t.table.otherAt(&p.Endpoint) != nil
}

// takeRise reports whether an incarnation may rise by so much because others say so.
func (i *incarnations) takeRise(t *Turn, rise uint32) bool {
	if i.rises.Before(t.now) {
		i.rises = t.now
	}
	after := i.rises.Add(time.Duration(rise) * (risePeriod / maxRise))
	if after.Sub(t.now) > risePeriod {
		return false
	}
	i.rises = after
	return true
}
