package swim

import "time"

// gossipTick sends what is queued to a few members (SWIM section 4.1, but on a
// timer of its own, Lifeguard section III-A). The recently dead are among
// them: they may not be.
func (c *Core) gossipTick(now time.Time) {
	c.out.Counts.GossipRounds++
	if c.queue.Len() == 0 && !c.cfg.HasUserBroadcasts {
		return
	}
	targets := c.choose(c.cfg.GossipNodes, func(m *member) bool {
		switch m.State {
		case StateAlive, StateSuspect:
			return m != c.self
		case StateDead:
			return c.table.age(now, m) <= c.cfg.GossipToTheDeadTime
		default:
			return false
		}
	})
	for _, m := range targets {
		packet := c.sendAlone(m.endpoint())
		left := c.fill(packet)
		if c.cfg.HasUserBroadcasts {
			packet.Room = left
		} else if len(packet.Messages) == 0 {
			c.out.Packets = c.out.Packets[:len(c.out.Packets)-1]
			return
		}
	}
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
