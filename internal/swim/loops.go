package swim

import "time"

// loops are the rounds of gossip and of push/pulls, and the set of idle loops, which may include that of probes.
type loops struct {
	gossip   deadline
	pushPull deadline
	idle     deadlineKinds // loops whose rounds are skipped
	offered  int           // number of gossip packets with room for user broadcasts
}

// nextWakeup returns when Tick has something to do, or zero. It ignores rounds of gossip with nothing to send, and all
// rounds while no other member is known. When a loop is idle no more its rounds are at the times that they would have had.
func (l *loops) nextWakeup(t *Turn) time.Time {
	if resting := l.idleLoops(t.Core); resting != l.idle {
		l.skipMissedRounds(t)
		l.idle = resting
	}
	return t.deadlines.nextBut(l.idle)
}

const (
	gossipLoop deadlineKinds = 1 << dueGossip
	allLoops   deadlineKinds = 1<<dueProbe | 1<<dueGossip | 1<<duePushPull
)

// idleLoops returns the loops that have nothing to do.
func (l *loops) idleLoops(c *Core) deadlineKinds {
	switch {
	case c.table.len() < 2:
		return allLoops
	case c.NumQueued() == 0 && !c.cfg.HasUserBroadcasts:
		return gossipLoop
	default:
		return 0
	}
}

// skipMissedRounds skips the rounds of idle loops that were due before now.
func (l *loops) skipMissedRounds(t *Turn) {
	if l.idle == 0 {
		return
	}
	if interval := t.cfg.gossipInterval(); interval > 0 {
		l.skip(t, &l.gossip, interval)
	}
	l.skip(t, &t.probe.tick, t.cfg.ProbeInterval)
	l.skip(t, &l.pushPull, t.cfg.PushPullInterval)
}

func (l *loops) skip(t *Turn, loop *deadline, interval time.Duration) {
	if late := t.now.Sub(loop.at); l.idle.has(loop.kind) && loop.index >= 0 && late >= 0 {
		sought := late/interval + 1
		t.deadlines.set(loop, loop.at.Add(sought*interval))
	}
}

// start sets a loop going at a random phase of its interval.
func (l *loops) start(t *Turn, d *deadline, interval time.Duration) {
	if interval > 0 {
		phase := time.Duration(t.cfg.Rand.Int64N(int64(interval)))
		t.deadlines.set(d, t.now.Add(interval+phase))
	}
}

// again sets the next deadline of a loop. Missed rounds collapse into one. While this member is late, so do those of twice that time:
// half of its work may be its own rounds, the rest is for what others send.
func (l *loops) again(t *Turn, d *deadline, interval time.Duration) {
	if late := t.lateness.at(t.now); late > 0 {
		rounds := t.now.Add(2*late).Sub(d.at)/interval + 1
		t.deadlines.set(d, d.at.Add(rounds*interval))
		return
	}
	next := d.at.Add(interval)
	if !next.After(t.now) {
		next = t.now.Add(interval)
	}
	t.deadlines.set(d, next)
}

// gossipInterval returns the interval of the gossip loop, or 0 if there is none.
func (c *Config) gossipInterval() time.Duration {
	if c.GossipNodes <= 0 {
		return 0
	}
	return c.GossipInterval
}

// startGossip starts the gossip loop so that one round coincides with the first probe, and, with intervals that are
// multiples, one with each: a process that wakes once for both needs less CPU time.
func (l *loops) startGossip(t *Turn) {
	interval := t.cfg.gossipInterval()
	if interval <= 0 || t.probe.tick.index < 0 {
		l.start(t, &l.gossip, interval)
		return
	}
	t.deadlines.set(&l.gossip, t.now.Add(interval+t.probe.tick.at.Sub(t.now)%interval))
}

// pushPullTick puts out push/pulls with random members.
func (l *loops) pushPullTick(t *Turn) {
	if t.cfg.SelectsTargets {
		t.out.Selections.PushPull = true
		return
	}
	if t.zones.areActive(t) {
		l.pushPullWith(t, t.zones.choose(t, t.cfg.pushPullNodes(), t.table.isPushPullPeer))
		return
	}
	l.pushPullWith(t, t.choose(t.cfg.pushPullNodes(), t.table.isPushPullPeer))
}

// isPushPullPeer reports whether this member exchanges states with m periodically.
func (t *table) isPushPullPeer(m *member) bool { return m != t.self && m.State == StateAlive }

// pushPullNodes returns the number of members to exchange states with at each interval.
func (c *Config) pushPullNodes() int { return max(c.PushPullNodes, 1) }

func (l *loops) pushPullWith(t *Turn, peers []*member) {
	for _, m := range peers {
		kind := StreamPushPull
		if m.extended() && t.cfg.Extensions {
			kind = StreamDifferences
		}
		t.out.Streams = append(t.out.Streams, Stream{Kind: kind, To: t.table.snapshot(m)})
	}
}
