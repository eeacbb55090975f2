package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// The part of a packet of gossip that user broadcasts have first. What they leave
// goes to the protocol's broadcasts.
const (
	// userShare is the part of each packet: a quarter.
	userShare = 4

	// wholeOffers is how often they have a whole packet, every eighth, so that one
	// that is larger than their share is not starved.
	wholeOffers = 8
)

// gossipTick sends queued broadcasts to a few members (SWIM section 4.1, but on a timer of its own, Lifeguard section
// III-A). The recently dead are among them, as they may be alive.
func (l *loops) gossipTick(t *Turn) {
	t.out.Counts.GossipRounds++
	if t.NumQueued() == 0 && !t.cfg.HasUserBroadcasts {
		return
	}
	if t.cfg.SelectsTargets && t.cfg.gossipInterval() > 0 {
		t.out.Selections.Gossip = true
		return
	}
	l.gossipTo(t, l.targets(t))
}

// gossipTo sends queued broadcasts to members.
func (l *loops) gossipTo(t *Turn, targets []*member) {
	if !t.cfg.HasUserBroadcasts {
		t.out.bytes = slices.Grow(t.out.bytes, len(targets)*min(int(t.cfg.Room)+t.compressionBudget, t.QueuedBytes()))
	}
	for _, m := range targets {
		packet := t.sendAlone(t.table.endpoint(m))
		if t.cfg.HasUserBroadcasts {
			packet.Room = l.offer(t, t.cfg.roomIn(packet))
			continue // FillGossip does the rest
		}
		t.queue.fill(t, t.out, packet, t.cfg.roomIn(packet)+t.compressionBudget)
		if len(packet.Messages) == 0 {
			t.out.unsend()
			return
		}
	}
}

// targets returns the members of a round of gossip. Without a gossip loop it is the member that is probed.
func (l *loops) targets(t *Turn) []*member {
	if t.cfg.gossipInterval() <= 0 {
		t.chosen = t.chosen[:0]
		if t.probe.target != nil {
			t.chosen = append(t.chosen, t.probe.target)
		}
		return t.chosen
	}
	if t.zones.areActive(t) {
		return t.zones.targets(t)
	}
	return t.choose(t.cfg.GossipNodes, t.isGossipTarget)
}

// isGossipTarget reports whether gossip is sent to m.
func (t *Turn) isGossipTarget(m *member) bool {
	switch m.State {
	case StateAlive, StateSuspect:
		return m != t.table.self
	case StateDead:
		return t.table.age(t.now, m) <= t.cfg.GossipToTheDeadTime
	default:
		return false
	}
}

// gossipWithProbe makes a round of gossip due with a probe if there is no gossip loop, so that user broadcasts are sent at
// all. They have a packet of their own, as a ping does not wait for user code.
func (l *loops) gossipWithProbe(t *Turn) {
	if t.cfg.HasUserBroadcasts && t.cfg.gossipInterval() <= 0 {
		t.deadlines.set(&l.gossip, t.now)
	}
}

// offer returns how many bytes of a packet user broadcasts may have: what queued broadcasts leave, and their share in any
// case.
func (l *loops) offer(t *Turn, room int) int {
	l.offered++
	if l.offered%wholeOffers == 0 {
		return room
	}
	queued := t.QueuedBytes() + t.NumQueued()*wire.CompoundPartOverhead
	return max(room/userShare, min(room, room+t.compressionBudget-queued))
}

// FillGossip adds queued broadcasts to a packet with Room, once the user broadcasts in it are known to take used bytes. The
// packet is one of out, the Output that it was put into.
//
// Compat: the reference puts its own broadcasts first, and starves the user's.
func (t *Turn) FillGossip(out *Output, p *Packet, used int) {
	if r := t.rec; r != nil {
		put(r, &r.calls.FillGossip, callFillGossip{*p, used})
	}
	t.queue.fill(t, out, p, t.cfg.roomIn(p)+t.compressionBudget-used)
	t.rec.fill(p)
}

// choose returns k distinct random eligible members, or all if there are fewer.
func (t *Turn) choose(k int, may func(*member) bool) []*member {
	t.chosen = t.chosen[:0]
	return t.draw(k, t.table.len(), func(i int) *member { return t.table.at(t.table.order[i]) }, may)
}

// draw adds to t.chosen distinct random eligible ones of n members until it has k or all. It first draws at random, in a time that
// does not grow with the cluster while most members are eligible, then scans from a random place so that none is missed. A nil
// member is skipped.
func (t *Turn) draw(k, n int, at func(i int) *member, may func(*member) bool) []*member {
	if k <= 0 || n == 0 {
		return t.chosen
	}
	chosen := t.chosen
	add := func(m *member) {
		if m != nil && !slices.Contains(chosen, m) && may(m) {
			chosen = append(chosen, m)
		}
	}
	for range drawsPerChoice * k {
		if len(chosen) >= k {
			break
		}
		add(at(t.cfg.Rand.IntN(n)))
	}
	if len(chosen) < k {
		from := t.cfg.Rand.IntN(n)
		for i := 0; i < n && len(chosen) < k; i++ {
			add(at((from + i) % n))
		}
	}
	t.chosen = chosen
	return chosen
}

// drawsPerChoice is the number of draws for each wanted member before the scan.
const drawsPerChoice = 3
