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

	// maxRise is the sum of the greater rises that are believed at once, and in each risePeriod. At that rate it takes 68 hours
	// to use up all incarnations.
	maxRise    = 1 << 20
	risePeriod = maxRise * (time.Minute / maxRise)

	// maxFirst is the highest incarnation at which others may introduce a member.
	maxFirst = 1 << 31

	// maxLeap is the highest incarnation of our own, from an earlier life, that members may remind us of. Above it there is
	// room for maxRise refutations.
	maxLeap = MaxIncarnation - 1 - maxRise
)

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

// believes reports whether a message about m, or about the unknown member with a name if m is nil, may be at an incarnation.
// Where others may not say so m is asked. The address is that in the message, if any.
//
// Compat: the reference believes all, and its member is then at an incarnation above which there is none.
func (t *Turn) believes(from *Peer, m *member, name string, kind wire.Type, incarnation uint32, at address) bool {
	if isLast(incarnation, kind) {
		t.out.drop(DropMaximum)
		return false
	}
	known, first := uint32(0), uint32(maxFirst)
	if m != nil {
		known, first, at = m.Incarnation, 0, t.table.address(m)
	} else if gone := t.failed.named(name); gone != nil {
		known, first, at = gone.incarnation, 0, gone.addr
	}
	if incarnation <= max(known, first) || incarnation-known <= smallRise {
		return true
	}
	if m == t.table.self {
		if t.local.isReminder(t, from, incarnation) || t.takeRise(incarnation-known) {
			return true
		}
	} else if from.isAt(at) || t.takeRise(incarnation-known) {
		return true
	}
	t.out.drop(DropLeap)
	if m != nil && m != t.table.self && t.answers.take(t, &from.Endpoint) {
		t.sendAlone(t.table.endpoint(m), &wire.Suspect{Incarnation: max(known, 1) - 1, Node: m.Name, From: t.cfg.Name}) // it answers
	}
	return false
}

// isReminder reports whether a message about ourselves may be about an earlier life of ours: another member sent it, or it is the
// answer to a push/pull.
func (l *local) isReminder(t *Turn, from *Peer, incarnation uint32) bool {
	if incarnation > maxLeap && incarnation-t.table.self.Incarnation > maxRise {
		return false
	}
	return from.asked || !from.AddrPort.IsValid() || !from.dialled && t.table.otherAt(&from.Endpoint) != nil
}

// takeRise reports whether an incarnation may rise by so much because others say so.
func (t *Turn) takeRise(rise uint32) bool {
	if t.rises.Before(t.now) {
		t.rises = t.now
	}
	after := t.rises.Add(time.Duration(rise) * (risePeriod / maxRise))
	if after.Sub(t.now) > risePeriod {
		return false
	}
	t.rises = after
	return true
}
