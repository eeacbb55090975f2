package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// What user broadcasts are offered of a packet of gossip, whatever else is
// queued. What they leave goes to the protocol's own.
const (
	// userShare is the part of each packet that they have first: a quarter.
	userShare = 4

	// wholeOffers is how often they have a whole packet first, so that one that
	// is larger than their share is not starved: every eighth.
	wholeOffers = 8
)

// gossipTick sends what is queued to a few members (SWIM section 4.1, but on a
// timer of its own, Lifeguard section III-A). The recently dead are among
// them: they may not be.
func (l *loops) gossipTick(t *Turn) {
	t.out.Counts.GossipRounds++
	if t.NumQueued() == 0 && !t.cfg.HasUserBroadcasts {
		return
	}
	targets := l.targets(t)
	if !t.cfg.HasUserBroadcasts {
		t.out.bytes = slices.Grow(t.out.bytes, len(targets)*min(int(t.cfg.Room)+t.compressionBudget, t.QueuedBytes()))
	}
	for _, m := range targets {
		packet := t.sendAlone(t.table.endpoint(m))
		if t.cfg.HasUserBroadcasts {
			packet.Room = l.offer(t, t.cfg.roomIn(packet))
			continue // the driver asks for the rest: FillGossip
		}
		t.queue.fill(t, t.out, packet, t.cfg.roomIn(packet)+t.compressionBudget)
		if len(packet.Messages) == 0 {
			t.out.unsend()
			return
		}
	}
}

// gossipTargets returns the members of a round of gossip. Without rounds of their
// own user broadcasts go to the member that is probed.
func (l *loops) targets(t *Turn) []*member {
	if t.cfg.gossipInterval() <= 0 {
		t.chosen = t.chosen[:0]
		if t.probe.target != nil {
			t.chosen = append(t.chosen, t.probe.target)
		}
		return t.chosen
	}
	return t.choose(t.cfg.GossipNodes, func(m *member) bool {
		switch m.State {
		case StateAlive, StateSuspect:
			return m != t.table.self
		case StateDead:
			return t.table.age(t.now, m) <= t.cfg.GossipToTheDeadTime
		default:
			return false
		}
	})
}

// gossipWithProbe makes a round of gossip due with a probe if there are no others:
// then user broadcasts would not be sent at all. They have a packet of their own,
// as a ping does not wait for the user.
func (l *loops) gossipWithProbe(t *Turn) {
	if t.cfg.HasUserBroadcasts && t.cfg.gossipInterval() <= 0 {
		t.deadlines.set(&l.gossip, t.now)
	}
}

// offer is how many of the bytes of a packet user broadcasts may have: what is
// queued leaves free, and their share in any case.
func (l *loops) offer(t *Turn, room int) int {
	l.offered++
	if l.offered%wholeOffers == 0 {
		return room
	}
	queued := t.QueuedBytes() + t.NumQueued()*wire.CompoundPartOverhead
	return max(room/userShare, min(room, room+t.compressionBudget-queued))
}

// FillGossip adds queued broadcasts to a packet with Room for user broadcasts,
// once the driver knows how many bytes of that room they take. The packet is
// one of out, the Output that it came in.
//
// Compat: the reference's own broadcasts come first, and starve the user's.
func (t *Turn) FillGossip(out *Output, p *Packet, used int) {
	t.queue.fill(t, out, p, t.cfg.roomIn(p)+t.compressionBudget-used)
}

// choose returns k distinct random members that may be chosen, or all of them
// if there are fewer. It draws at random first, which takes a time that does
// not grow with the cluster while most members may be chosen, then goes
// through all from a random place on, so that none is missed.
func (t *Turn) choose(k int, may func(*member) bool) []*member {
	n := t.table.len()
	if k <= 0 || n == 0 {
		return nil
	}
	chosen := t.chosen[:0]
	add := func(m *member) {
		for _, other := range chosen {
			if other == m {
				return
			}
		}
		if may(m) {
			chosen = append(chosen, m)
		}
	}
	for range drawsPerChoice * k {
		if len(chosen) == k {
			break
		}
		add(t.table.at(t.table.order[t.cfg.Rand.IntN(n)]))
	}
	if len(chosen) < k {
		from := t.cfg.Rand.IntN(n)
		for i := 0; i < n && len(chosen) < k; i++ {
			add(t.table.at(t.table.order[(from+i)%n]))
		}
	}
	t.chosen = chosen
	return chosen
}

// drawsPerChoice is how often a random member is drawn for each one wanted
// before all are gone through.
const drawsPerChoice = 3
