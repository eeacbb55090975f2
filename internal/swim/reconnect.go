package swim

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// How a Core looks for members that it lost.
const (
	// MaxLost is how many members that went a Core remembers. One more takes the
	// place of the one that is worth remembering least.
	MaxLost = 4096

	// latestAtOnce is how many lost members are tried in one round, those that were
	// lost latest. One more is tried then: the one that has waited longest.
	latestPerRound = 6

	// maxRests is for how many rounds a lost member that was tried in vain lets
	// others go first.
	maxSkips = 1

	// soundedAtOnce is how many others are pinged in one round.
	pingsPerRound = 256

	// maxReconnectStretch is how many times ReconnectInterval the time between
	// two rounds may become.
	maxReconnectStretch = 16

	// defaultReconnectTimeout is for how long a lost member is remembered if
	// the Config does not say.
	defaultReconnectTimeout = 24 * time.Hour
)

// failedSet holds the members that were declared dead, forgotten by now or not, for
// as long as they may be on the other side of a partition. Whom we lost we try
// to reach, a few at a time, and seeds with them: both sides of a partition that
// outlasts all timeouts do, or else none would find the other again.
//
// Many of them never come back: a process that crashed begins anew under another
// name, or nowhere. So a member is looked for only if it ever answered us, and no
// more once somebody else is at its address; those that were lost latest go
// first, and each that is tried in vain lets others go before it in the next
// rounds. In each round one is tried that would else wait for very long. All
// others are pinged, some at a time, without a name, so that nobody is told that it
// is somebody else: where an ack comes from is tried at once.
//
// A round is due one ReconnectInterval after a loss, then after twice that and
// so on, up to as many as a quarter of us are alive, at least 1 and at most
// maxReconnectStretch; all times a quarter more or less. So however large a
// side is, it begins a round once an interval at least. With the default of
// 30 s a side of n members begins n/4 streams a second at most at first, and then
// one a second in all; above 64 members each begins one in 69 s.
//
// Who left is not looked for, and is remembered for as long: of neither does what
// is not newer than when it went bring it back.
type failedSet struct {
	failedIndex
	due    deadline
	rounds int       // since something changed
	seeds  bool      // there are addresses to try
	alone  time.Time // since when nobody else is alive

	probed    map[uint32]*failedMember // by the sequence numbers of the pings of the last round
	isolation isolation
}

func newFailedSet() failedSet {
	return failedSet{failedIndex: newFailedIndex(), probed: make(map[uint32]*failedMember), due: unset(dueReconnect),
		isolation: isolation{ends: unset(dueIsolation)}}
}

// HaveSeeds tells that there are addresses to try when members are lost, or
// when there is nobody else from the start. StreamSeeds asks for that.
func (t *Turn) HaveSeeds() {
	t.failed.seeds = true
	if t.present == 0 {
		t.failed.alone = t.now
	}
	if t.present == 0 || t.cfg.KeepAskingSeeds {
		t.failed.scheduleReconnect(t, t.cfg.ReconnectInterval)
	}
}

// HaveNoSeeds tells that there are none any more.
func (t *Turn) HaveNoSeeds() { t.failed.seeds = false }

// NumLost is how many members are remembered that were declared dead.
func (c *Core) NumLost() int { return c.failed.len() }

// Seeks reports whether there may be somebody at an address with whom we lost
// contact, or never had it: it is neither ours nor that of a member that is
// alive or left.
func (c *Core) MayBeUnknown(addr netip.AddrPort) bool {
	a := addressOf(addr)
	m := c.table.located(a)
	return !c.table.isAt(c.table.self, a) && (m == nil || m.State == StateDead)
}

// lose remembers that a member was declared dead.
func (f *failedSet) onFailed(t *Turn, m *member) {
	if t.present == 0 {
		f.alone = t.now
	}
	f.isolation.onFailure(t)
	one := f.remember(t, m)
	if one.replaced {
		return
	}
	one.burst = f.isolation.burst
	if one.counted = m.metInBurst != uint8(f.isolation.burst); one.counted { // else it came since that began
		f.isolation.together++
	}
	f.rounds = 0
	f.scheduleReconnect(t, t.cfg.ReconnectInterval)
}

// isReplaced reports whether another member, which is alive, is where m is: its
// process began anew under another name, or is us.
func (f *failedSet) isReplaced(c *Core, m *member) bool {
	for other := range c.table.locatedAll(c.table.address(m)) {
		if other != m && (!other.State.IsDown() || other == c.table.self) {
			return true
		}
	}
	return false
}

// remember remembers m, as it is, and returns what is remembered.
func (f *failedSet) remember(t *Turn, m *member) *failedMember {
	one := &failedMember{name: m.Name, id: m.ID, addr: t.table.address(m), versions: m.Versions, since: m.since, tried: never, pinged: never,
		incarnation: m.Incarnation, deadIncarnation: t.table.deadIncarnation(m),
		left: m.State == StateLeft, replaced: f.isReplaced(t.Core, m), answered: m.answered}
	f.drop(f.named(m.Name)) // as it was when it went before
	if one.sought() {
		f.replace(f.at(one.addr))
	}
	if len(f.byName) >= MaxLost {
		f.drop(f.least())
	}
	f.add(one)
	return one
}

// raise keeps the evidence against a member that went, which is newer by now.
func (f *failedSet) raise(t *Turn, m *member) {
	if one := f.named(m.Name); one != nil {
		one.incarnation, one.deadIncarnation = max(one.incarnation, m.Incarnation), max(one.deadIncarnation, t.table.deadIncarnation(m))
	}
}

// remembered returns the member of a name if it went, and not too long ago, or nil.
func (f *failedSet) recent(t *Turn, name string) *failedMember {
	one := f.named(name)
	if one != nil && f.isExpired(t, one) {
		f.drop(one)
		return nil
	}
	return one
}

// isOver reports whether a member went so long ago that it is not remembered any more.
func (f *failedSet) isExpired(t *Turn, one *failedMember) bool {
	return t.table.since(t.now)-one.since > f.timeout(t.Core)
}

// regain forgets a member, if it is remembered, and reports whether it was missed.
func (l *failedSet) drop(one *failedMember) (sought bool) {
	if one == nil {
		return false
	}
	sought = one.sought()
	l.remove(one)
	if sought {
		l.isolation.drop(one)
	}
	return sought
}

// replace notes that somebody else is where a member was, if it is missed: it is no more, but remembered.
func (l *failedSet) replace(one *failedMember) (sought bool) {
	if !l.drop(one) {
		return false
	}
	one.replaced = true
	l.add(one)
	return true
}

// found notes that the member of a name is alive, or need not be remembered.
func (f *failedSet) onAlive(t *Turn, name string) {
	f.onFewer(t, f.drop(f.named(name)))
}

// missLess notes that a member is missed no more, if one was: others may be found too.
func (f *failedSet) onFewer(t *Turn, sought bool) {
	if sought && f.len() > 0 {
		f.rounds = 0
		f.scheduleReconnect(t, t.cfg.ReconnectInterval)
	}
	f.isolation.update(t)
}

// foundAt notes that a member is alive at an address: whoever was lost there has
// been replaced.
func (f *failedSet) onAddressTaken(t *Turn, addr address) {
	if one := f.at(addr); one != nil {
		f.onFewer(t, f.replace(one))
	}
}

// foundLeft notes that a member said that it leaves, after we lost it.
func (f *failedSet) onLeftWhileFailed(t *Turn, name string, incarnation uint32) {
	one := f.named(name)
	if one == nil || one.left || incarnation < one.incarnation || incarnation == MaxIncarnation {
		return
	}
	sought := f.drop(one)
	one.left, one.incarnation, one.deadIncarnation = true, incarnation, incarnation
	f.add(one)
	f.onFewer(t, sought)
}

// foundByOthers notes that another has a member for alive which we have for
// dead: an exchange with that member tells each side what the other believes,
// and the next one brings the refutations of that. The first may just have
// been.
func (f *failedSet) onAliveElsewhere(t *Turn, name string) {
	one := f.named(name)
	if one == nil || !one.sought() {
		return
	}
	one.tried, one.failures, one.skips = never, 0, 0
	f.scheduleReconnect(t, min(t.cfg.ReconnectInterval, 2*t.cfg.period()))
}

// seekWithin makes a round due in about a time, unless one is due before.
func (f *failedSet) scheduleReconnect(t *Turn, d time.Duration) {
	if t.local.leaving || t.cfg.ReconnectInterval <= 0 {
		return
	}
	due := &f.due
	if at := t.now.Add(t.cfg.jitter(d)); due.index < 0 || at.Before(due.at) {
		t.deadlines.set(due, at)
	}
}

// about returns a time that is a quarter more or less, at random.
func (c *Config) jitter(d time.Duration) time.Duration {
	return d - d/4 + time.Duration(c.Rand.Int64N(int64(d/2)+1))
}

// reconnectTick asks for exchanges with a few lost members, and with seeds.
func (f *failedSet) tick(t *Turn) {
	f.expire(t)
	tried, wanted := f.next(t.Core)
	for _, one := range tried {
		one.tried = t.table.since(t.now)
		one.failures++
		one.skips = min(one.failures, maxSkips) + 1
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamReconnect, To: t.table.failedMember(one)})
	}
	for _, one := range wanted {
		one.skips = max(one.skips-1, 0)
	}
	f.ping(t, wanted)
	alone := t.present == 0 && t.now.Sub(f.alone) <= f.timeout(t.Core)
	most := min(max((t.present+1)/4, 1), maxReconnectStretch)
	switch {
	case len(wanted) > 0 || f.seeds && (alone || f.len() > 0):
	case f.seeds && t.cfg.KeepAskingSeeds:
		most = maxReconnectStretch
	default:
		return
	}
	if f.seeds {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamSeeds})
	}
	f.rounds++
	stretch := min(1<<min(f.rounds, 8), most)
	t.deadlines.set(&f.due, t.now.Add(t.cfg.jitter(time.Duration(stretch)*t.cfg.ReconnectInterval)))
}

// soundOut pings members that are not tried in this round, those first that were
// pinged or tried longest ago.
func (f *failedSet) ping(t *Turn, wanted []*failedMember) {
	clear(f.probed)
	slices.SortFunc(wanted, func(a, b *failedMember) int {
		return cmp.Or(cmp.Compare(max(a.pinged, a.tried), max(b.pinged, b.tried)), cmp.Compare(b.since, a.since), cmp.Compare(a.name, b.name))
	})
	for _, one := range wanted[:min(pingsPerRound, len(wanted))] {
		if one.tried == t.table.since(t.now) {
			break
		}
		one.pinged = t.table.since(t.now)
		seq := t.seq.next()
		f.probed[seq] = one
		t.sendAlone(Endpoint{Name: one.name, AddrPort: one.addr.addrPort()}, t.table.newPing(seq, ""))
	}
}

// sounded has a lost member tried from whose address an ack came.
func (f *failedSet) onAck(t *Turn, seq uint32) {
	one := f.probed[seq]
	delete(f.probed, seq)
	if one != nil && f.named(one.name) == one && one.sought() {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamReconnect, To: t.table.failedMember(one)})
	}
}

// nextLost returns the members to try in this round, and all that are looked for.
func (f *failedSet) next(c *Core) (next, wanted []*failedMember) {
	for _, one := range f.byAddr {
		if m := c.table.named(one.name); one.answered && (m == nil || m.State == StateDead) {
			wanted = append(wanted, one)
		}
	}
	slices.SortFunc(wanted, func(a, b *failedMember) int {
		return cmp.Or(min(a.skips, 1)-min(b.skips, 1), cmp.Compare(b.since, a.since), cmp.Compare(a.name, b.name))
	})
	k := min(latestPerRound, len(wanted))
	next = wanted[:k:k]
	if others := wanted[k:]; len(others) > 0 {
		next = append(next, slices.MinFunc(others, func(a, b *failedMember) int {
			return cmp.Or(cmp.Compare(a.tried, b.tried), cmp.Compare(a.since, b.since), cmp.Compare(a.name, b.name))
		}))
	}
	return next, wanted
}

// giveUpLost forgets those that went too long ago.
func (f *failedSet) expire(t *Turn) {
	for _, one := range f.byName {
		if f.isExpired(t, one) {
			f.drop(one)
		}
	}
	f.isolation.update(t)
}

func (f *failedSet) timeout(c *Core) time.Duration {
	if c.cfg.ReconnectTimeout <= 0 {
		return defaultReconnectTimeout
	}
	return c.cfg.ReconnectTimeout
}

// Acquaintance judges from what another says of members whether it is one of our
// cluster: by now its address may be that of somebody else, who may even have the
// name of the member that we look for. The zero value has heard nothing.
type Recognition struct {
	With Member // who is looked for, if anyone

	there           bool // With is there
	same            int  // names that are, or were when they went, where we know them
	names           int  // names that we lost elsewhere
	strangers       int  // names that we do not know
	counterEvidence int  // names that are alive here, and there at another address
}

// Recognize adds what states say to an Acquaintance.
func (c *Core) Recognize(a *Recognition, states wire.States) {
	for v := (wire.StateView{}); states.Next(&v); {
		addr, ok := addressFrom(v.Addr(), v.Port, c.cfg.DefaultPort)
		if !ok {
			continue
		}
		gone := State(v.State).IsDown()
		name := string(v.Name())
		if !gone && name == a.With.Name && addr.same(addressOf(a.With.Addr)) {
			a.there = true
		}
		m, remembered := c.table.named(name), c.failed.named(name)
		switch {
		case m != nil && c.table.isAt(m, addr), remembered != nil && remembered.addr.same(addr), m == c.table.self && c.local.addressChange.oldAddr.same(addr):
			a.same++
		case m != nil && !m.State.IsDown():
			if !gone {
				a.counterEvidence++
			}
		case m != nil || remembered != nil:
			a.names++
		default:
			a.strangers++
		}
	}
}

// Ours reports whether it is: it knows two of us, or else it is alone and has the
// name of one that we lost. One name that two clusters have by coincidence, at an
// address that was one's and is the other's, makes no acquaintance; nor do all the
// names of two clusters whose members are called alike, as they are alive at other
// addresses.
func (a *Recognition) SameCluster() bool {
	known := a.same + a.names
	return a.same >= 2 || a.counterEvidence == 0 && (known >= 2 || known == 1 && a.strangers == 0)
}

// There reports whether it is whom we look for, by its name and address.
func (a *Recognition) FoundThere() bool { return a.there }

// Answered tells that the member at an address answered us on a stream.
func (t *Turn) Answered(addr netip.AddrPort) {
	if m := t.table.located(addressOf(addr)); m != nil {
		m.answered = true
	}
}

// NotThere tells that somebody else is where a lost member was, who is none of
// ours: it is not looked for any more.
func (t *Turn) NotThere(lost Member) {
	if one := t.failed.at(addressOf(lost.Addr)); one != nil && one.name == lost.Name {
		t.failed.onFewer(t, t.failed.replace(one))
	}
}
