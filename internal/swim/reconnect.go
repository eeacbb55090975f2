package swim

import (
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
	byName map[string]*lost
	order  []*lost
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

// lost is a member as it was known when it was declared dead, less its metadata.
type lost struct {
	Member
	tried   time.Time // zero: not yet
	episode uint32
	index   int // in losses.order
}

func newLosses() losses {
	return losses{due: unset(dueReconnect)}
}

// add remembers a member in place of what was remembered under its name.
func (l *losses) add(m Member) {
	l.remove(m.Name)
	m.Meta = nil
	one := &lost{Member: m, episode: l.episode, index: len(l.order)}
	if l.byName == nil {
		l.byName = make(map[string]*lost)
	}
	l.byName[m.Name] = one
	l.order = append(l.order, one)
	l.together++
}

// remove forgets the member of a name, and reports whether it was lost.
func (l *losses) remove(name string) bool {
	one := l.byName[name]
	if one == nil {
		return false
	}
	delete(l.byName, name)
	last := len(l.order) - 1
	l.order[one.index] = l.order[last]
	l.order[one.index].index = one.index
	l.order[last] = nil
	l.order = l.order[:last]
	if one.episode == l.episode {
		l.together--
	}
	return true
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
func (c *Core) NumLost() int { return len(c.losses.order) }

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
	if len(l.order) >= MaxLost {
		l.remove(l.order[c.cfg.Rand.IntN(len(l.order))].Name)
	}
	l.add(c.table.snapshot(m))
	l.rounds = 0
	c.seekWithin(now, c.cfg.ReconnectInterval)
}

// found notes that the member of a name is alive, or need not be looked for.
func (c *Core) found(now time.Time, name string) {
	l := &c.losses
	if l.remove(name) && len(l.order) > 0 {
		l.rounds = 0
		c.seekWithin(now, c.cfg.ReconnectInterval)
	}
	c.judgeIsolation()
}

// foundLeft notes that a member said that it leaves, after we lost it.
func (c *Core) foundLeft(now time.Time, name string, incarnation uint32) {
	if one := c.losses.byName[name]; one != nil && incarnation >= one.Incarnation {
		c.found(now, name)
	}
}

// foundByOthers notes that another has a member for alive which we have for
// dead: an exchange with that member tells each side what the other believes,
// and the next one brings the refutations of that. The first may just have
// been.
func (c *Core) foundByOthers(now time.Time, name string) {
	one := c.losses.byName[name]
	if one == nil || c.cfg.ProbeInterval <= 0 {
		return
	}
	one.tried = time.Time{}
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
	for range min(reconnectsAtOnce, len(l.order)) {
		one := c.nextLost()
		one.tried = now
		c.out.Streams = append(c.out.Streams, Stream{Kind: StreamReconnect, To: one.Member})
	}
	alone := c.present == 0 && now.Sub(l.alone) <= c.reconnectTimeout()
	most := min(max((c.present+1)/4, 1), maxReconnectStretch)
	switch {
	case len(l.order) > 0 || l.seeds && alone:
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
	order := c.losses.order
	from := c.cfg.Rand.IntN(len(order))
	next := order[from]
	for i := range order {
		if one := order[(from+i)%len(order)]; one.tried.Before(next.tried) {
			next = one
		}
	}
	return next
}

// giveUpLost forgets those who were lost too long ago.
func (c *Core) giveUpLost(now time.Time) {
	l := &c.losses
	for i := len(l.order) - 1; i >= 0; i-- {
		if one := l.order[i]; now.Sub(one.Since) > c.reconnectTimeout() {
			l.remove(one.Name)
		}
	}
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
	isolated := l.together > c.present+1 || c.present == 0 && len(l.order) > 0
	if isolated == l.isolated || c.leaving {
		return
	}
	l.isolated = isolated
	kind := EventWhole
	if isolated {
		kind = EventIsolated
	}
	c.event(Event{Kind: kind, Member: c.Self(), Count: len(l.order)})
}
