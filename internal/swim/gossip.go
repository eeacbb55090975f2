package swim

import (
	"slices"
	"time"

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

// nextWakeup returns when Tick has something to do; zero: never. Rounds of gossip with nothing to send are left out, and all
// rounds while no other member is known. A loop that goes on later has its rounds at the times that it would have had.
func (t *Turn) nextWakeup() time.Time {
	if resting := t.restingLoops(); resting != t.resting {
		t.passOver()
		t.resting = resting
	}
	return t.deadlines.nextBut(t.resting)
}

const (
	gossipLoop deadlineKinds = 1 << dueGossip
	allLoops   deadlineKinds = 1<<dueProbe | 1<<dueGossip | 1<<duePushPull
)

// restingLoops is which loops have nothing to do.
func (c *Core) restingLoops() deadlineKinds {
	switch {
	case c.table.len() < 2:
		return allLoops
	case c.NumQueued() == 0 && !c.cfg.HasUserBroadcasts:
		return gossipLoop
	default:
		return 0
	}
}

// passOver skips the rounds that were due before now while there was nothing to
// do.
func (t *Turn) passOver() {
	if t.resting == 0 {
		return
	}
	if interval := t.gossipInterval(); interval > 0 {
		t.passOverLoop(&t.gossip, interval)
	}
	t.passOverLoop(&t.probe.tick, t.cfg.ProbeInterval)
	t.passOverLoop(&t.pushPull, t.cfg.PushPullInterval)
}

func (t *Turn) passOverLoop(loop *deadline, interval time.Duration) {
	if late := t.now.Sub(loop.at); t.resting.has(loop.kind) && loop.index >= 0 && late >= 0 {
		missed := late/interval + 1
		t.deadlines.set(loop, loop.at.Add(missed*interval))
	}
}

// gossipTick sends what is queued to a few members (SWIM section 4.1, but on a
// timer of its own, Lifeguard section III-A). The recently dead are among
// them: they may not be.
func (t *Turn) gossipTick() {
	t.out.Counts.GossipRounds++
	if t.NumQueued() == 0 && !t.cfg.HasUserBroadcasts {
		return
	}
	targets := t.gossipTargets()
	if !t.cfg.HasUserBroadcasts {
		t.out.bytes = slices.Grow(t.out.bytes, len(targets)*min(int(t.cfg.Room)+t.compressionBudget, t.QueuedBytes()))
	}
	for _, m := range targets {
		packet := t.sendAlone(t.endpoint(m))
		if t.cfg.HasUserBroadcasts {
			packet.Room = t.offer(t.roomIn(packet))
			continue // the driver asks for the rest: FillGossip
		}
		t.fillIn(t.out, packet, t.roomIn(packet)+t.compressionBudget)
		if len(packet.Messages) == 0 {
			t.unsend()
			return
		}
	}
}

// gossipTargets returns the members of a round of gossip. Without rounds of their
// own user broadcasts go to the member that is probed.
func (t *Turn) gossipTargets() []*member {
	if t.gossipInterval() <= 0 {
		t.chosen = t.chosen[:0]
		if t.probe.target != nil {
			t.chosen = append(t.chosen, t.probe.target)
		}
		return t.chosen
	}
	return t.choose(t.cfg.GossipNodes, func(m *member) bool {
		switch m.State {
		case StateAlive, StateSuspect:
			return m != t.self
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
func (t *Turn) gossipWithProbe() {
	if t.cfg.HasUserBroadcasts && t.gossipInterval() <= 0 {
		t.deadlines.set(&t.gossip, t.now)
	}
}

// beginGossip sets the rounds of gossip going so that one falls on the first probe,
// and with intervals that are multiples on every one: a process that wakes once for
// both takes less.
func (t *Turn) beginGossip() {
	interval := t.gossipInterval()
	if interval <= 0 || t.probe.tick.index < 0 {
		t.begin(&t.gossip, interval)
		return
	}
	t.deadlines.set(&t.gossip, t.now.Add(interval+t.probe.tick.at.Sub(t.now)%interval))
}

// offer is how many of the bytes of a packet user broadcasts may have: what is
// queued leaves free, and their share in any case.
func (t *Turn) offer(room int) int {
	t.offered++
	if t.offered%wholeOffers == 0 {
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
	t.fillIn(out, p, t.roomIn(p)+t.compressionBudget-used)
}

// pushPullTick asks for an exchange of states with a random member.
func (t *Turn) pushPullTick() {
	peers := t.choose(1, func(m *member) bool { return m != t.self && m.State == StateAlive })
	for _, m := range peers {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamPushPull, To: t.table.snapshot(m)})
	}
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
