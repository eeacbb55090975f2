package swim

import "time"

// loops are the rounds of gossip and of push/pulls, and which loops, that of probes among them, are idle.
type loops struct {
	gossip   deadline
	pushPull deadline
	idle     deadlineKinds // loops whose rounds are skipped
	offered  int           // packets of gossip with room for user broadcasts, so far
}

// nextWakeup returns when Tick has something to do; zero: never. Rounds of gossip with nothing to send are left out, and all
// rounds while no other member is known. A loop that goes on later has its rounds at the times that it would have had.
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

// restingLoops is which loops have nothing to do.
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

// passOver skips the rounds that were due before now while there was nothing to
// do.
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

// again sets a loop's deadline anew. Rounds that were missed collapse into
// one.
func (l *loops) again(t *Turn, d *deadline, interval time.Duration) {
	next := d.at.Add(interval)
	if !next.After(t.now) {
		next = t.now.Add(interval)
	}
	t.deadlines.set(d, next)
}

// gossipInterval is 0 when there is no gossip.
func (c *Config) gossipInterval() time.Duration {
	if c.GossipNodes <= 0 {
		return 0
	}
	return c.GossipInterval
}

// beginGossip sets the rounds of gossip going so that one falls on the first probe,
// and with intervals that are multiples on every one: a process that wakes once for
// both takes less.
func (l *loops) startGossip(t *Turn) {
	interval := t.cfg.gossipInterval()
	if interval <= 0 || t.probe.tick.index < 0 {
		l.start(t, &l.gossip, interval)
		return
	}
	t.deadlines.set(&l.gossip, t.now.Add(interval+t.probe.tick.at.Sub(t.now)%interval))
}

// pushPullTick asks for an exchange of states with a random member.
func (l *loops) pushPullTick(t *Turn) {
	peers := t.choose(1, func(m *member) bool { return m != t.table.self && m.State == StateAlive })
	for _, m := range peers {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamPushPull, To: t.table.snapshot(m)})
	}
}
