package swim

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Limits of the search for failed members.
const (
	// MaxLost limits the members that are remembered after they failed or left. One
	// more takes the place of the least valuable one: see least.
	MaxLost = 4096

	// latestPerRound is how many failed members are tried in a round, those that
	// failed last. One more is tried: the one that has waited longest.
	latestPerRound = 6

	// maxSkips is for how many rounds a failed member is skipped after it was tried
	// without success, if there are others.
	maxSkips = 1

	// pingsPerRound is how many other failed members are pinged in a round.
	pingsPerRound = 256

	// maxReconnectStretch limits the time between two rounds, in ReconnectIntervals.
	maxReconnectStretch = 16

	// defaultReconnectTimeout is how long a failed member is remembered by default.
	defaultReconnectTimeout = 24 * time.Hour
)

// failedSet holds the members that were declared dead, for as long as they may be on the other side of a partition, even
// after they were removed from the table. A few of them are contacted at a time, and seeds too: both sides of a partition
// that outlasts all timeouts do this, or neither would find the other again.
//
// Many never come back: a crashed process starts again under another name, or not at all. So a member is looked for only if
// it ever answered us, and not once another member has its address. Those that failed last come first; one that was tried
// without success is skipped in the next rounds. In each round the one that has waited longest is tried as well. All others
// are pinged, some in each round, without a name so that any process there answers; an ack makes its address be tried at
// once.
//
// A round is due one ReconnectInterval after a failure, then after twice that and so on, up to as many intervals as a
// quarter of the live members, at least 1 and at most maxReconnectStretch; each time varies by a quarter. So a side of any
// size begins a round at least once per interval. With the default of 30 s a side of n members begins n/4 streams a second
// at first, and later one a second in all; above 64 members each begins one in 69 s.
//
// Members that left are remembered for as long, but not looked for unless all have left: the leave messages may have been
// forged. No assertion that is not newer than the failure or leave brings either back.
type failedSet struct {
	failedIndex
	due     deadline
	rounds  int       // since the set changed
	seeds   bool      // there are addresses of seeds to try
	alone   time.Time // since when no other member is alive
	allLeft bool      // the last other member left, and none is alive

	probed    map[uint32]*failedMember // by the sequence numbers of the pings of the last round
	isolation isolation
}

func newFailedSet() failedSet {
	return failedSet{failedIndex: newFailedIndex(), probed: make(map[uint32]*failedMember), due: unset(dueReconnect),
		isolation: isolation{ends: unset(dueIsolation)}}
}

// HaveSeeds enables StreamSeeds: there are addresses to try when members have failed, or when no other member is known from
// the start.
func (t *Turn) HaveSeeds() {
	if r := t.rec; r != nil {
		put(r, &r.calls.HaveSeeds, callHaveSeeds{})
	}
	t.failed.seeds = true
	if t.present == 0 {
		t.failed.alone = t.now
	}
	if t.present == 0 || t.cfg.KeepAskingSeeds {
		t.failed.scheduleReconnect(t, t.cfg.ReconnectInterval)
	}
}

// HaveNoSeeds disables StreamSeeds.
func (t *Turn) HaveNoSeeds() {
	if r := t.rec; r != nil {
		put(r, &r.calls.HaveNoSeeds, callHaveNoSeeds{})
	}
	t.failed.seeds = false
}

// NumLost returns the number of failed members that are remembered and looked for.
func (c *Core) NumLost() int { return c.failed.len() }

// MayBeUnknown reports whether an address may be that of a member without contact: it is neither our own nor that of a
// member that is alive or has left, unless all have left.
func (c *Core) MayBeUnknown(addr netip.AddrPort) bool {
	a := addressOf(addr)
	m := c.table.located(a)
	return !c.table.isAt(c.table.self, a) && (m == nil || m.State == StateDead || m.State == StateLeft && c.failed.allLeft)
}

// onFailed remembers a member that was just declared dead.
func (f *failedSet) onFailed(t *Turn, m *member, verdict *Evidence) {
	f.isolation.onFailure(t)
	one := f.remember(t, m, verdict)
	if one.replaced {
		return
	}
	one.burst = f.isolation.burst
	if one.counted = m.metInBurst != uint8(f.isolation.burst); one.counted { // else it joined during the burst
		f.isolation.together++
	}
	f.rounds = 0
	f.scheduleReconnect(t, t.cfg.ReconnectInterval)
}

// onAlone notes that the last other member, m, is down. If it left, a round begins soon: all leave messages may be forged.
func (f *failedSet) onAlone(t *Turn, m *member) {
	f.alone = t.now
	if m.State == StateLeft {
		f.allLeft = true
		f.scheduleReconnect(t, min(t.cfg.ReconnectInterval, 2*t.cfg.period()))
	}
}

// isWanted reports whether a member is looked for: one that left only if all have left.
func (f *failedSet) isWanted(one *failedMember) bool {
	return one.sought() || one.left && !one.replaced && f.allLeft
}

// isReplaced reports whether a live member has the address of m: its process was restarted under another name, or is ours.
func (f *failedSet) isReplaced(c *Core, m *member) bool {
	for other := range c.table.locatedAll(c.table.address(m)) {
		if other != m && (!other.State.IsDown() || other == c.table.self) {
			return true
		}
	}
	return false
}

// remember remembers m as it is, with why it is down.
func (f *failedSet) remember(t *Turn, m *member, verdict *Evidence) *failedMember {
	one := &failedMember{name: m.Name, id: m.ID, addr: t.table.address(m), versions: m.Versions, since: m.since, tried: never, pinged: never,
		incarnation: m.Incarnation, deadIncarnation: t.table.deadIncarnation(m),
		left: m.State == StateLeft, replaced: f.isReplaced(t.Core, m), answered: m.answered}
	one.verdict = verdict
	f.drop(f.named(m.Name)) // of its previous failure
	if one.sought() {
		f.replace(f.at(one.addr))
	}
	if len(f.byName) >= MaxLost {
		f.drop(f.least())
	}
	f.add(one)
	return one
}

// raise keeps newer evidence against a member that is down.
func (f *failedSet) raise(t *Turn, m *member) {
	if one := f.named(m.Name); one != nil {
		one.incarnation, one.deadIncarnation = max(one.incarnation, m.Incarnation), max(one.deadIncarnation, t.table.deadIncarnation(m))
	}
}

// recent returns the remembered member with a name, or nil if there is none or it has expired.
func (f *failedSet) recent(t *Turn, name string) *failedMember {
	one := f.named(name)
	if one != nil && f.isExpired(t, one) {
		f.drop(one)
		return nil
	}
	return one
}

// isExpired reports whether ReconnectTimeout has passed since a member failed or left.
func (f *failedSet) isExpired(t *Turn, one *failedMember) bool {
	return t.table.since(t.now)-one.since > f.timeout(t.Core)
}

// drop forgets a member, which may be nil, and reports whether it was looked for.
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

// replace notes that another member has the address of a failed one: that is remembered, but no longer looked for.
func (l *failedSet) replace(one *failedMember) (sought bool) {
	if !l.drop(one) {
		return false
	}
	one.replaced = true
	l.add(one)
	return true
}

// onAlive forgets the member with a name: it is alive, or is not to be remembered.
func (f *failedSet) onAlive(t *Turn, name string) {
	f.onFewer(t, f.drop(f.named(name)))
}

// onFewer hastens the next round if a member that was looked for was found: others may be reachable too.
func (f *failedSet) onFewer(t *Turn, sought bool) {
	if sought && f.len() > 0 {
		f.rounds = 0
		f.scheduleReconnect(t, t.cfg.ReconnectInterval)
	}
	f.isolation.update(t)
}

// onAddressTaken notes that a member is alive at an address, and replaces the one that failed there.
func (f *failedSet) onAddressTaken(t *Turn, addr address) {
	if one := f.at(addr); one != nil {
		f.onFewer(t, f.replace(one))
	}
}

// onLeftWhileFailed notes the leave message of a member that was declared dead.
func (f *failedSet) onLeftWhileFailed(t *Turn, name string, incarnation uint32) {
	one := f.named(name)
	if one == nil || one.left || incarnation < one.incarnation {
		return
	}
	sought := f.drop(one)
	one.left, one.incarnation, one.deadIncarnation = true, incarnation, incarnation
	f.add(one)
	f.onFewer(t, sought)
}

// onAliveElsewhere notes that a peer has a member alive which is dead here. A push/pull with that member tells each side
// what the other believes, and a second one carries the refutations; the first may just have happened.
func (f *failedSet) onAliveElsewhere(t *Turn, name string) {
	one := f.named(name)
	if one == nil || !f.isWanted(one) {
		return
	}
	one.tried, one.failures, one.skips = never, 0, 0
	f.scheduleReconnect(t, min(t.cfg.ReconnectInterval, 2*t.cfg.period()))
}

// scheduleReconnect makes a round due after about d, unless one is due earlier.
func (f *failedSet) scheduleReconnect(t *Turn, d time.Duration) {
	if t.local.leaving || t.cfg.ReconnectInterval <= 0 {
		return
	}
	due := &f.due
	if at := t.now.Add(t.cfg.jitter(d)); due.index < 0 || at.Before(due.at) {
		t.deadlines.set(due, at)
	}
}

// jitter returns d varied by up to a quarter at random.
func (c *Config) jitter(d time.Duration) time.Duration {
	return d - d/4 + time.Duration(c.Rand.Int64N(int64(d/2)+1))
}

// tick begins a round: push/pulls with a few failed members, and with seeds.
func (f *failedSet) tick(t *Turn) {
	f.expire(t)
	tried, wanted := f.next(t.Core)
	for _, one := range tried {
		if !t.dials.take(t.now) {
			break
		}
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

// ping pings members that are not tried in this round, first those that were contacted longest ago.
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
		t.sendAlone(Endpoint{Name: one.name, AddrPort: one.addr.addrPort()}, t.newPing(seq, ""))
	}
}

// onAck tries a failed member from whose address an ack came.
func (f *failedSet) onAck(t *Turn, from *Endpoint, seq uint32) {
	one := f.probed[seq]
	if one != nil && (!isFromHost(one.addr, from) || !from.mayBe(one.name)) {
		t.out.drop(DropStranger)
		return
	}
	delete(f.probed, seq)
	if one != nil && f.named(one.name) == one && f.isWanted(one) && t.dials.take(t.now) {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamReconnect, To: t.table.failedMember(one)})
	}
}

// next returns the members to try in this round, and all that are looked for.
func (f *failedSet) next(c *Core) (next, wanted []*failedMember) {
	for _, one := range f.byName {
		if m := c.table.named(one.name); one.answered && f.isWanted(one) && (m == nil || m.State.IsDown()) {
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

// expire forgets members whose failure or leave was too long ago.
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

// Recognition decides from the states of a peer whether it belongs to our cluster: its address may be that of another
// process by now, which may even have the name that is looked for. The zero value has seen no states.
type Recognition struct {
	With Member // the member that is looked for; zero: none

	there     bool // With is alive at its address
	same      int  // names at their known address
	names     int  // names that failed, at another address
	strangers int  // unknown names
	moved     int  // names that are alive here at another address
}

// Recognize adds states of the peer to a Recognition.
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
				a.moved++
			}
		case m != nil || remembered != nil:
			a.names++
		default:
			a.strangers++
		}
	}
}

// SameCluster reports whether the peer belongs to our cluster: two names are at their known address, or it knows no others
// and has the name of a failed member. One name that two clusters share by coincidence, at an address that passed from one
// to the other, is not enough; nor are all names of two clusters with the same naming scheme, as they are alive at other
// addresses.
func (a *Recognition) SameCluster() bool {
	known := a.same + a.names
	return a.same >= 2 || a.moved == 0 && (known >= 2 || known == 1 && a.strangers == 0)
}

// FoundThere reports whether the member that is looked for is at its address.
func (a *Recognition) FoundThere() bool { return a.there }

// Answered notes that the member at an address answered us on a stream.
func (t *Turn) Answered(addr netip.AddrPort) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Answered, callAnswered{addr})
	}
	if m := t.table.located(addressOf(addr)); m != nil {
		t.ackSources.answeredOnStream(m)
	}
}

// NotThere notes that the address of a failed member belongs to another process, of another cluster: the member is no longer
// looked for.
func (t *Turn) NotThere(lost Member) {
	if r := t.rec; r != nil {
		put(r, &r.calls.NotThere, callNotThere{lost})
	}
	one := t.failed.named(lost.Name)
	switch {
	case one == nil || !one.addr.same(addressOf(lost.Addr)):
	case one.sought():
		t.failed.onFewer(t, t.failed.replace(one))
	default:
		one.replaced = true
	}
}
