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

// NextWakeup returns when Tick has something to do, if ever. Rounds of gossip with nothing to send are left out, and all
// rounds while no other member is known. It has to be called after each change; a loop that goes on then has its rounds at
// the times that it would have had.
func (c *Core) NextWakeup(now time.Time) (time.Time, bool) {
	if resting := c.restingLoops(); resting != c.resting {
		c.passOver(now)
		c.resting = resting
	}
	return c.deadlines.nextBut(c.resting)
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
func (c *Core) passOver(now time.Time) {
	if c.resting == 0 {
		return
	}
	if interval := c.gossipInterval(); interval > 0 {
		c.passOverLoop(now, &c.gossip, interval)
	}
	c.passOverLoop(now, &c.probe.tick, c.cfg.ProbeInterval)
	c.passOverLoop(now, &c.pushPull, c.cfg.PushPullInterval)
}

func (c *Core) passOverLoop(now time.Time, loop *deadline, interval time.Duration) {
	if late := now.Sub(loop.at); c.resting.has(loop.kind) && loop.index >= 0 && late >= 0 {
		missed := late/interval + 1
		c.deadlines.set(loop, loop.at.Add(missed*interval))
	}
}

// gossipTick sends what is queued to a few members (SWIM section 4.1, but on a
// timer of its own, Lifeguard section III-A). The recently dead are among
// them: they may not be.
func (c *Core) gossipTick(now time.Time) {
	c.out.Counts.GossipRounds++
	if c.NumQueued() == 0 && !c.cfg.HasUserBroadcasts {
		return
	}
	targets := c.gossipTargets(now)
	if !c.cfg.HasUserBroadcasts {
		c.out.bytes = slices.Grow(c.out.bytes, len(targets)*min(c.cfg.PacketSize+c.compressionBudget, c.QueuedBytes()))
	}
	for _, m := range targets {
		packet := c.sendAlone(c.endpoint(m))
		if c.cfg.HasUserBroadcasts {
			packet.Room = c.offer(c.roomIn(packet))
			continue // the driver asks for the rest: FillGossip
		}
		c.fillIn(c.out, packet, c.roomIn(packet)+c.compressionBudget)
		if len(packet.Messages) == 0 {
			c.unsend()
			return
		}
	}
}

// gossipTargets returns the members of a round of gossip. Without rounds of their
// own user broadcasts go to the member that is probed.
func (c *Core) gossipTargets(now time.Time) []*member {
	if c.gossipInterval() <= 0 {
		c.chosen = c.chosen[:0]
		if c.probe.target != nil {
			c.chosen = append(c.chosen, c.probe.target)
		}
		return c.chosen
	}
	return c.choose(c.cfg.GossipNodes, func(m *member) bool {
		switch m.State {
		case StateAlive, StateSuspect:
			return m != c.self
		case StateDead:
			return c.table.age(now, m) <= c.cfg.GossipToTheDeadTime
		default:
			return false
		}
	})
}

// gossipWithProbe makes a round of gossip due with a probe if there are no others:
// then user broadcasts would not be sent at all. They have a packet of their own,
// as a ping does not wait for the user.
func (c *Core) gossipWithProbe(now time.Time) {
	if c.cfg.HasUserBroadcasts && c.gossipInterval() <= 0 {
		c.deadlines.set(&c.gossip, now)
	}
}

// beginGossip sets the rounds of gossip going so that one falls on the first probe,
// and with intervals that are multiples on every one: a process that wakes once for
// both takes less.
func (c *Core) beginGossip(now time.Time) {
	interval := c.gossipInterval()
	if interval <= 0 || c.probe.tick.index < 0 {
		c.begin(now, &c.gossip, interval)
		return
	}
	c.deadlines.set(&c.gossip, now.Add(interval+c.probe.tick.at.Sub(now)%interval))
}

// offer is how many of the bytes of a packet user broadcasts may have: what is
// queued leaves free, and their share in any case.
func (c *Core) offer(room int) int {
	c.offered++
	if c.offered%wholeOffers == 0 {
		return room
	}
	queued := c.QueuedBytes() + c.NumQueued()*wire.CompoundPartOverhead
	return max(room/userShare, min(room, room+c.compressionBudget-queued))
}

// FillGossip adds queued broadcasts to a packet with Room for user broadcasts,
// once the driver knows how many bytes of that room they take. The packet is
// one of out, the Output that it came in.
//
// Compat: the reference's own broadcasts come first, and starve the user's.
func (c *Core) FillGossip(out *Output, p *Packet, used int) {
	c.fillIn(out, p, c.roomIn(p)+c.compressionBudget-used)
}

// MaxBroadcast is the size of the largest message that is gossiped if a packet
// may have so many bytes.
func MaxBroadcast(room int) int {
	return wire.LargestPart(room)
}

// pushPullTick asks for an exchange of states with a random member.
func (c *Core) pushPullTick() {
	peers := c.choose(1, func(m *member) bool { return m != c.self && m.State == StateAlive })
	for _, m := range peers {
		c.out.Streams = append(c.out.Streams, Stream{Kind: StreamPushPull, To: c.table.snapshot(m)})
	}
}

// choose returns k distinct random members that may be chosen, or all of them
// if there are fewer. It draws at random first, which takes a time that does
// not grow with the cluster while most members may be chosen, then goes
// through all from a random place on, so that none is missed.
func (c *Core) choose(k int, may func(*member) bool) []*member {
	n := c.table.len()
	if k <= 0 || n == 0 {
		return nil
	}
	chosen := c.chosen[:0]
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
		add(c.table.at(c.table.order[c.cfg.Rand.IntN(n)]))
	}
	if len(chosen) < k {
		from := c.cfg.Rand.IntN(n)
		for i := 0; i < n && len(chosen) < k; i++ {
			add(c.table.at(c.table.order[(from+i)%n]))
		}
	}
	c.chosen = chosen
	return chosen
}

// drawsPerChoice is how often a random member is drawn for each one wanted
// before all are gone through.
const drawsPerChoice = 3
