package swim

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// How a Core looks for members that it lost.
const (
	// MaxLost is how many lost members a Core remembers. One more takes the
	// place of a random one.
	MaxLost = 4096

	// reconnectsAtOnce is how many lost members are tried in one round.
	reconnectsAtOnce = 3

	// maxReconnectStretch is how many times ReconnectInterval the time between
	// two rounds may become.
	maxReconnectStretch = 16

	// defaultReconnectTimeout is for how long a lost member is remembered if
	// the Config does not say.
	defaultReconnectTimeout = 24 * time.Hour
)

// losses are the members that were declared dead, forgotten by now or not, for
// as long as they may be on the other side of a partition. Who left is not
// among them. Whom we lost we try to reach, a few at a time, and seeds with
// them: both sides of a partition that outlasts all timeouts do, or else none
// would find the other again.
//
// A round is due one ReconnectInterval after a loss, then after twice that and
// so on, up to as many as a quarter of us are alive, at least 1 and at most
// maxReconnectStretch; all times a quarter more or less. So however large a
// side is, it begins a round once an interval at least. With the default of
// 30 s a side of n members begins n/10 streams a second at first, and then 0.4
// a second in all; above 64 members each begins one in 160 s.
type losses struct {
	lostMembers
	due    deadline
	rounds int       // since something changed
	seeds  bool      // there are addresses to try
	alone  time.Time // since when nobody else is alive

	// An episode is losses that follow close on each other.
	isolated bool
	episode  uint32
	together int       // lost in this episode, and not found since
	latest   time.Time // loss
}

func newLosses(seed maphash.Seed) losses {
	return losses{lostMembers: lostMembers{seed: seed}, due: unset(dueReconnect)}
}

// regain forgets the member of a name, and reports whether it was lost.
func (l *losses) regain(name string) bool {
	one, ok := l.remove(name)
	if ok && one.episode == l.episode {
		l.together--
	}
	return ok
}

// HaveSeeds tells that there are addresses to try when members are lost, or
// when there is nobody else from the start. StreamSeeds asks for that.
func (c *Core) HaveSeeds(now time.Time) {
	c.losses.seeds = true
	if c.present == 0 {
		c.losses.alone = now
	}
	if c.present == 0 || c.cfg.KeepAskingSeeds {
		c.seekWithin(now, c.cfg.ReconnectInterval)
	}
}

// NumLost is how many members are remembered that were declared dead.
func (c *Core) NumLost() int { return c.losses.len() }

// Isolated reports whether we lost sight of all others, or of most at once: see
// EventIsolated.
func (c *Core) Isolated() bool { return c.losses.isolated }

// Seeks reports whether there may be somebody at an address with whom we lost
// contact, or never had it: it is neither ours nor that of a member that is
// alive or left.
func (c *Core) Seeks(addr netip.AddrPort) bool {
	m := c.table.located(addressOf(addr))
	return m == nil || m.State == StateDead
}

// lose remembers that a member was declared dead.
func (c *Core) lose(now time.Time, m *member) {
	l := &c.losses
	if c.present == 0 {
		l.alone = now
	}
	if !l.isolated && now.Sub(l.latest) > c.episodeGap() {
		l.episode++
		l.together = 0
	}
	l.latest = now
	if l.len() >= MaxLost {
		l.regain(l.all[c.cfg.Rand.IntN(l.len())].name)
	}
	l.regain(m.Name) // as it was when it was lost before
	l.add(lost{name: m.Name, id: m.ID, addr: c.table.address(m), versions: m.Versions, incarnation: m.Incarnation, since: m.since,
		tried: never, episode: l.episode})
	l.together++
	l.rounds = 0
	c.seekWithin(now, c.cfg.ReconnectInterval)
}

// found notes that the member of a name is alive, or need not be looked for.
func (c *Core) found(now time.Time, name string) {
	l := &c.losses
	if l.regain(name) && l.len() > 0 {
		l.rounds = 0
		c.seekWithin(now, c.cfg.ReconnectInterval)
	}
	c.judgeIsolation()
}

// foundLeft notes that a member said that it leaves, after we lost it.
func (c *Core) foundLeft(now time.Time, name string, incarnation uint32) {
	if one := c.losses.named(name); one != nil && incarnation >= one.incarnation {
		c.found(now, name)
	}
}

// foundByOthers notes that another has a member for alive which we have for
// dead: an exchange with that member tells each side what the other believes,
// and the next one brings the refutations of that. The first may just have
// been.
func (c *Core) foundByOthers(now time.Time, name string) {
	one := c.losses.named(name)
	if one == nil || c.cfg.ProbeInterval <= 0 {
		return
	}
	one.tried = never
	c.seekWithin(now, min(c.cfg.ReconnectInterval, 2*c.cfg.ProbeInterval))
}

// seekWithin makes a round due in about a time, unless one is due before.
func (c *Core) seekWithin(now time.Time, d time.Duration) {
	if c.leaving || c.cfg.ReconnectInterval <= 0 {
		return
	}
	due := &c.losses.due
	if at := now.Add(c.about(d)); due.index < 0 || at.Before(due.at) {
		c.deadlines.set(due, at)
	}
}

// about returns a time that is a quarter more or less, at random.
func (c *Core) about(d time.Duration) time.Duration {
	return d - d/4 + time.Duration(c.cfg.Rand.Int64N(int64(d/2)+1))
}

// reconnectTick asks for exchanges with a few lost members, and with seeds.
func (c *Core) reconnectTick(now time.Time) {
	l := &c.losses
	c.giveUpLost(now)
	for range min(reconnectsAtOnce, l.len()) {
		one := c.nextLost()
		one.tried = c.table.since(now)
		c.out.Streams = append(c.out.Streams, Stream{Kind: StreamReconnect, To: c.table.lostMember(one)})
	}
	alone := c.present == 0 && now.Sub(l.alone) <= c.reconnectTimeout()
	most := min(max((c.present+1)/4, 1), maxReconnectStretch)
	switch {
	case l.len() > 0 || l.seeds && alone:
	case l.seeds && c.cfg.KeepAskingSeeds:
		most = maxReconnectStretch
	default:
		return
	}
	if l.seeds {
		c.out.Streams = append(c.out.Streams, Stream{Kind: StreamSeeds})
	}
	l.rounds++
	stretch := min(1<<min(l.rounds, 8), most)
	c.deadlines.set(&l.due, now.Add(c.about(time.Duration(stretch)*c.cfg.ReconnectInterval)))
}

// nextLost is the member that was not tried for the longest time, a random one
// if there are several.
func (c *Core) nextLost() *lost {
	all := c.losses.all
	from := c.cfg.Rand.IntN(len(all))
	next := &all[from]
	for i := range all {
		if one := &all[(from+i)%len(all)]; one.tried < next.tried {
			next = one
		}
	}
	return next
}

// giveUpLost forgets those who were lost too long ago.
func (c *Core) giveUpLost(now time.Time) {
	l := &c.losses
	for i := l.len() - 1; i >= 0; i-- {
		if one := &l.all[i]; c.table.since(now)-one.since > c.reconnectTimeout() {
			l.regain(one.name)
		}
	}
	l.giveBack()
	c.judgeIsolation()
}

func (c *Core) reconnectTimeout() time.Duration {
	if c.cfg.ReconnectTimeout <= 0 {
		return defaultReconnectTimeout
	}
	return c.cfg.ReconnectTimeout
}

// episodeGap is how long after a loss the next one still belongs to it: one
// that is itself cut off finds the others dead probe by probe, and its probes
// slow down.
func (c *Core) episodeGap() time.Duration {
	return 2 * time.Duration(max(c.cfg.AwarenessMaxMultiplier, 1)) * c.cfg.ProbeInterval
}

// judgeIsolation tells when we lose sight of most others, and when that ends.
func (c *Core) judgeIsolation() {
	l := &c.losses
	isolated := l.together > c.present+1 || c.present == 0 && l.len() > 0
	if isolated == l.isolated || c.leaving {
		return
	}
	l.isolated = isolated
	kind := EventWhole
	if isolated {
		kind = EventIsolated
	}
	c.event(Event{Kind: kind, Member: c.Self(), Count: l.len()})
}
