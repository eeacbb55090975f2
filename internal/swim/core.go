package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Core is the membership protocol of one member. See the package comment.
type Core struct {
	cfg       Config
	table     table
	deadlines deadlines
	queue     broadcasts
	view      view

	compressionBudget int // bytes of gossip in a packet beyond Config.Room

	chosen     []*member       // scratch of choose
	present    int             // others that are alive or suspect
	seq        sequenceNumbers // of pings
	awareness  awareness
	roundTrips roundTrips
	lateness   lateness

	loops          loops
	probe          probe
	relays         relays
	answers        answers
	ackSources     ackSources
	dials          dialLimit
	requestedDials dialLimit // of streams that others ask for
	incarnations   incarnations
	pings          pings
	suspicions     suspicions
	rounds         rounds
	ring           ring
	zones          zones
	deadChecks     deadChecks
	failed         failedSet
	probation      probation
	doubts         doubts
	reaper         reaper
	checks         checks
	local          local

	turn Turn      // the current one
	rec  *Recorder // nil: none
}

// local is the state of this member itself; its row of the table is table.self.
type local struct {
	leaving       bool
	addressChange addressChange
	penalized     time.Time // when a refutation last raised the health score
}

// Turn allows to change a Core, from Begin to End; whatever changes a Core is a method of Turn. A Core has one Turn at a
// time, which must not be used after End.
type Turn struct {
	*Core
	now    time.Time
	out    *Output
	origin origin
}

// Begin begins a turn at now. The results go to out, which is emptied first; it is complete after End.
func (c *Core) Begin(now time.Time, out *Output) *Turn {
	if c.turn.out != nil {
		panic("swim: Begin before End")
	}
	out.reset()
	c.turn = Turn{Core: c, now: now, out: out}
	c.rec.begin(now)
	return &c.turn
}

// End ends the turn.
func (t *Turn) End() {
	t.out.Health = t.awareness.score
	t.out.Wakeup = t.loops.nextWakeup(t)
	t.rec.end(t.out)
	t.out = nil
}

// New returns a Core that knows no member, not even itself, until Announce or Introduce. Its loops begin with Start.
func New(cfg Config) *Core {
	c := new(Core)
	random := cfg.Rand
	if cfg.Recorder != nil {
		cfg.Recorder.attach(c, &cfg)
	}
	*c = Core{
		cfg:        cfg,
		rec:        cfg.Recorder,
		table:      newTable(),
		ring:       newRing(cfg.Name),
		seq:        sequenceNumbers{last: cfg.Rand.Uint32(), rand: random, rec: cfg.Recorder},
		awareness:  awareness{max: cfg.AwarenessMaxMultiplier},
		loops:      loops{gossip: unset(dueGossip), pushPull: unset(duePushPull)},
		probe:      newProbe(),
		relays:     make(relays),
		pings:      make(pings),
		ackSources: newAckSources(),
		suspicions: make(suspicions),
		rounds:     make(rounds),
		failed:     newFailedSet(),
		probation:  newProbation(),
		reaper:     reaper{due: unset(dueForget)},
		checks:     newChecks(),
	}
	return c
}

// Start starts the loops, each at a random phase of its interval, except that gossip coincides with probes.
func (t *Turn) Start() {
	if r := t.rec; r != nil {
		put(r, &r.calls.Start, callStart{})
	}
	t.loops.start(t, &t.probe.tick, t.cfg.ProbeInterval)
	t.loops.startGossip(t)
	t.loops.start(t, &t.loops.pushPull, t.cfg.PushPullInterval)
}

// SetCompressionBudget sets how many bytes a packet of gossip may carry beyond Config.Room, since it is compressed
// before it is sent; 0 at the start. No single message is larger than that, and user broadcasts have no part in it.
func (t *Turn) SetCompressionBudget(bytes int) {
	if r := t.rec; r != nil && bytes != t.compressionBudget {
		put(r, &r.calls.SetCompressionBudget, callSetCompressionBudget{bytes})
	}
	t.compressionBudget = bytes
}

// Introduce sets what this member is without gossiping it: until Announce it counts as one that has left.
func (t *Turn) Introduce(addr netip.AddrPort, meta []byte, versions Versions) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Introduce, callIntroduce{addr, meta, versions})
	}
	t.local.initSelf(t, addr, meta, versions)
	t.changed(t.table.self)
}

// initSelf adds this member to the table.
func (l *local) initSelf(t *Turn, addr netip.AddrPort, meta []byte, versions Versions) {
	t.table.self = t.table.add(t.cfg.Name, addressOf(addr), t.cfg.Rand.IntN)
	t.table.self.Meta, t.table.self.Versions, t.table.self.State = meta, versions, StateLeft
}

// Announce gossips this member's address, metadata and versions at a new incarnation: at the start, and after each change.
// The notice, unless 0, is in Output.Finished when that has been sent or was replaced. While leaving, nothing is announced
// and the notice finishes at once; during a change of the address FinishAddressChange announces, and the notice finishes at
// once.
//
// Compat: in the reference a caller waits for it until its timeout.
func (t *Turn) Announce(addr netip.AddrPort, meta []byte, versions Versions, notice uint64) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Announce, callAnnounce{addr, meta, versions, notice})
	}
	if t.local.leaving {
		t.out.finish(notice)
		return
	}
	if t.table.self == nil {
		t.local.initSelf(t, addr, meta, versions)
	}
	if t.local.addressChange.begun {
		t.local.addressChange.announceLater(t, meta, versions, notice)
		return
	}
	t.becomeAlive(t.table.self, assertion{
		addr: addressOf(addr), meta: meta, zone: t.cfg.ownZone(), versions: versions,
		incarnation: nextIncarnation(t.table.self.Incarnation),
	}, notice)
}

// finish puts out that a notice, unless 0, need not be waited for.
func (o *Output) finish(notice uint64) {
	if notice != 0 {
		o.Finished = append(o.Finished, notice)
	}
}

// Tick does all that is due.
func (t *Turn) Tick() {
	if r := t.rec; r != nil {
		put(r, &r.calls.Tick, callTick{})
	}
	t.loops.skipMissedRounds(t)
	for d := t.deadlines.pop(t.now); d != nil; d = t.deadlines.pop(t.now) {
		t.rec.spend(t)
		t.origin = origin{}
		t.lateness.note(t, t.now.Sub(d.at))
		if t.lateness.postpone(t, d) {
			continue
		}
		switch d.kind {
		case dueProbe:
			t.loops.again(t, d, t.cfg.ProbeInterval)
			if t.ring.tick(t) {
				t.probe.start(t)
			}
		case dueGossip:
			if interval := t.cfg.gossipInterval(); interval > 0 {
				t.loops.again(t, d, interval)
			}
			t.loops.gossipTick(t)
		case duePushPull:
			t.loops.again(t, d, pushPullInterval(t.cfg.PushPullInterval, t.table.len()))
			t.loops.pushPullTick(t)
		case dueCheck:
			t.checks.onDue(t, d.check)
		case dueReconnect:
			t.failed.tick(t)
		case dueForget:
			t.reaper.tick(t)
		case dueIsolation:
			t.failed.isolation.onDue(t)
		case dueProbeTimeout:
			t.probe.onPingTimeout(t)
		case dueProbeEnd:
			t.probe.onTimeout(t)
		case dueSuspicion:
			t.suspicions.onTimeout(t, d.member)
		case dueRound:
			t.suspicions.of(d.member).lead.begin(t)
		case dueDeadCheck:
			t.deadChecks.onDue(t, d.seq)
		case dueRelay:
			t.relays.onDue(t, d.seq)
		case dueBeat:
			t.ring.onDue(t)
		case dueNewcomer:
			t.probation.onTimeout(t, d.seq)
		case duePing:
			t.pings.onTimeout(t, d.seq)
		}
	}
}

// Member returns the known member with a name.
func (c *Core) Member(name string) (Member, bool) {
	m := c.table.named(name)
	if m == nil {
		return Member{}, false
	}
	return c.table.snapshot(m), true
}

// Self returns this member. It is valid after Announce or Introduce.
func (c *Core) Self() Member { return c.table.snapshot(c.table.self) }

// NumKnown returns the number of known members, dead and left ones included.
func (c *Core) NumKnown() int { return c.table.len() }

// NumTimers returns the number of deadlines that are set.
func (c *Core) NumTimers() int { return len(c.deadlines.heap) }

// Leaving reports whether Leave was called.
func (c *Core) Leaving() bool { return c.local.leaving }

// isPresent reports whether m is another member and is alive or suspect.
func (t *table) isPresent(m *member) bool { return m != t.self && !m.State.IsDown() }

// NumPresent returns the number of other members that are alive or suspect.
func (c *Core) NumPresent() int { return c.present }

// AnyAlive reports whether any other member is alive or suspect.
func (c *Core) AnyAlive() bool { return c.present > 0 }

// Features returns what is known of an endpoint, if it is a known member by its name or else its address.
func (c *Core) Features(to Endpoint) wire.Features { return c.table.features(&to) }

func (t *table) features(to *Endpoint) wire.Features {
	var m *member
	if to.Name != "" {
		m = t.named(to.Name)
	}
	if m == nil {
		m = t.located(addressOf(to.AddrPort))
	}
	return t.featuresOf(m)
}

// featuresOf returns what is known of m, which may be nil. No version says that a member reads Snappy, and one that does not would
// lose every message: it has sent some itself, or knows the extensions of this library.
func (t *table) featuresOf(m *member) (f wire.Features) {
	if m == nil {
		return 0
	}
	if m.Versions.PMax() >= ProtocolChecksum {
		f |= wire.FeatureChecksum
	}
	if m.snappy || m.extended() {
		f |= wire.FeatureSnappy
	}
	if t.isSameZone(m) {
		f |= wire.FeatureSameZone
	}
	return f
}

// NoteFeatures notes what the member at an address has shown to read, in an answer on a stream to it.
func (t *Turn) NoteFeatures(from netip.AddrPort, f wire.Features) {
	if r := t.rec; r != nil {
		put(r, &r.calls.NoteFeatures, callNoteFeatures{from, f})
	}
	if m := t.table.located(addressOf(from)); m != nil && f.Has(wire.FeatureSnappy) {
		m.snappy = true
	}
}

// The protocol versions that introduced a feature.
const (
	protocolStreamPing = 3
	protocolNack       = 4
	ProtocolChecksum   = 5
)

func (o *Output) event(e Event) { o.Events = append(o.Events, e) }

func (o *Output) drop(why Drop) { o.Counts.Drops[why]++ }

// changed puts out m as it now is. The result is valid until the next change.
func (t *Turn) changed(m *member) *Member {
	t.view.update(t, m)
	t.zones.changed()
	t.out.Changed = append(t.out.Changed, t.table.snapshot(m))
	return &t.out.Changed[len(t.out.Changed)-1]
}

// allows reports whether a member may have an address, and whether packets may be sent there on a peer's word.
func (c *Config) allows(a address) bool { return c.allowsIP(a.addr()) }

func (c *Config) allowsIP(a netip.Addr) bool {
	return c.Allowed == nil || c.Allowed(a.Unmap())
}

// send puts out a packet with one message and, if it goes to a known member, the queued broadcasts that fit beside it.
func (t *Turn) send(to Endpoint, message wire.Message) *Packet {
	p := t.sendAlone(to, message)
	if t.table.otherAt(&p.To) != nil {
		t.queue.fill(t, t.out, p, t.cfg.roomIn(p))
	}
	return p
}

// sendAlone puts out a packet with the given messages and no others. Those that do not fit beside the first go in packets of
// their own, before the one that is returned.
func (t *Turn) sendAlone(to Endpoint, messages ...wire.Message) *Packet {
	p := t.compose(to, messages)
	if len(messages) < 2 || t.cfg.roomIn(p) >= 0 {
		return p
	}
	t.out.unsend()
	for _, m := range messages[1:] {
		t.compose(to, []wire.Message{m})
	}
	return t.compose(to, messages[:1])
}

// compose puts out a packet with the given messages.
func (t *Turn) compose(to Endpoint, messages []wire.Message) *Packet {
	p := t.out.newPacket()
	p.To = to
	for _, m := range messages {
		t.out.put(p, m)
	}
	p.Features = t.table.features(&p.To)
	return p
}

// newPacket adds an empty packet.
func (o *Output) newPacket() *Packet {
	o.Packets = append(o.Packets, Packet{})
	return &o.Packets[len(o.Packets)-1]
}

// put adds a message to the last packet.
func (o *Output) put(p *Packet, m wire.Message) {
	start := len(o.bytes)
	o.bytes = m.Append(o.bytes)
	o.end(p, start)
}

// unsend removes the last packet.
func (o *Output) unsend() {
	last := len(o.Packets) - 1
	o.Packets[last] = Packet{}
	o.Packets = o.Packets[:last]
}

// roomIn returns how many bytes a packet has left for messages, each with wire.CompoundPartOverhead; less than 0 if it is too large
// already.
func (c *Config) roomIn(p *Packet) int { return c.Room.Left(p.Messages, p.Features) }

// endpoint returns the name and address of m.
func (t *table) endpoint(m *member) Endpoint {
	return Endpoint{Name: m.Name, AddrPort: t.addrPort(m)}
}
