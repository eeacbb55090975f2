package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Core is one node's membership protocol. See the package's comment.
type Core struct {
	cfg       Config
	table     table
	deadlines deadlines
	queue     broadcasts

	compressionBudget int // bytes of gossip in a packet beyond Config.Room

	chosen    []*member       // scratch of choose
	present   int             // others that are alive or suspect
	seq       sequenceNumbers // of pings
	awareness awareness

	loops      loops
	probe      probe
	relays     relays
	pings      pings
	suspicions suspicions
	failed     failedSet
	reaper     reaper
	checks     checks
	local      local

	turn Turn // the one under way
}

// local is what this member is to others; its row of the table is table.self.
type local struct {
	leaving       bool
	addressChange addressChange
}

// Turn is the right to change a Core, from Begin to End: only a Turn has the methods that do. There is one at a time, and it
// must not be used after End.
type Turn struct {
	*Core
	now time.Time
	out *Output
}

// Begin begins a turn at now. What there is to do is put into out, which is emptied first; it is complete after End.
func (c *Core) Begin(now time.Time, out *Output) *Turn {
	if c.turn.out != nil {
		panic("swim: Begin before End")
	}
	out.reset()
	c.turn = Turn{Core: c, now: now, out: out}
	return &c.turn
}

// End ends the turn.
func (t *Turn) End() {
	t.out.Health = t.awareness.score
	t.out.Wakeup = t.loops.nextWakeup(t)
	t.out = nil
}

// New returns a Core that knows no member, not even itself, until Announce or Introduce. Its loops begin with Start.
func New(cfg Config) *Core {
	return &Core{
		cfg:        cfg,
		table:      newTable(),
		seq:        sequenceNumbers(cfg.Rand.Uint32()),
		awareness:  awareness{max: cfg.AwarenessMaxMultiplier},
		loops:      loops{gossip: unset(dueGossip), pushPull: unset(duePushPull)},
		probe:      newProbe(),
		relays:     make(relays),
		pings:      make(pings),
		suspicions: make(suspicions),
		failed:     newFailedSet(),
		reaper:     reaper{due: unset(dueForget)},
		checks:     newChecks(),
	}
}

// Start sets the loops going: each begins at a random phase of its interval, but
// for gossip, which begins with a probe.
func (t *Turn) Start() {
	t.loops.start(t, &t.probe.tick, t.cfg.ProbeInterval)
	t.loops.startGossip(t)
	t.loops.start(t, &t.loops.pushPull, t.cfg.PushPullInterval)
}

// SetCompressionBudget sets how many bytes a packet of gossip may carry beyond Config.Room, since it is compressed
// before it is sent; 0 at the start. No single message is larger than that, and user broadcasts have no part in it.
func (t *Turn) SetCompressionBudget(bytes int) { t.compressionBudget = bytes }

// Introduce tells the Core what we are, and nobody else: until Announce we
// count as a member that has left.
func (t *Turn) Introduce(addr netip.AddrPort, meta []byte, versions Versions) {
	t.local.initSelf(t, addr, meta, versions)
	t.changed(t.table.self)
}

// beSomebody has the Core know itself.
func (l *local) initSelf(t *Turn, addr netip.AddrPort, meta []byte, versions Versions) {
	t.table.self = t.table.add(t.cfg.Name, addressOf(addr), t.cfg.Rand.IntN)
	t.table.self.Meta, t.table.self.Versions, t.table.self.State = meta, versions, StateLeft
}

// Announce makes known what we are, at a new incarnation: at the start, and
// after each change of our address, metadata or versions. The notice, unless
// 0, is in Output.Finished when that has been sent or was replaced. While
// leaving, nothing is announced and the notice is finished at once; during a
// move what we are is announced by Arrive, and the notice finished at once.
//
// Compat: in the reference who then waits for it does so in vain.
func (t *Turn) Announce(addr netip.AddrPort, meta []byte, versions Versions, notice uint64) {
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
		addr: addressOf(addr), meta: meta, versions: versions,
		incarnation: nextIncarnation(t.table.self.Incarnation),
	}, notice)
}

// finish has the driver told that nobody need wait for a notice.
func (o *Output) finish(notice uint64) {
	if notice != 0 {
		o.Finished = append(o.Finished, notice)
	}
}

// Tick does all that is due at now.
func (t *Turn) Tick() {
	t.loops.skipMissedRounds(t)
	for d := t.deadlines.pop(t.now); d != nil; d = t.deadlines.pop(t.now) {
		switch d.kind {
		case dueProbe:
			t.loops.again(t, d, t.cfg.ProbeInterval)
			t.probe.start(t)
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
			t.probe.goIndirect(t)
		case dueProbeEnd:
			t.probe.onTimeout(t)
		case dueSuspicion:
			t.suspicions.onTimeout(t, d.member)
		case dueRelay:
			t.relays.onDue(t, d.seq)
		case duePing:
			t.pings.onTimeout(t, d.seq)
		}
	}
}

// Member returns what is known of the member of a name.
func (c *Core) Member(name string) (Member, bool) {
	m := c.table.named(name)
	if m == nil {
		return Member{}, false
	}
	return c.table.snapshot(m), true
}

// Self returns what the Core is known as. It is valid after Announce or Introduce.
func (c *Core) Self() Member { return c.table.snapshot(c.table.self) }

// NumKnown is how many members are known, the dead and left included.
func (c *Core) NumKnown() int { return c.table.len() }

// NumTimers is how many deadlines are set.
func (c *Core) NumTimers() int { return len(c.deadlines.heap) }

// Leaving reports whether Leave was called.
func (c *Core) Leaving() bool { return c.local.leaving }

// isPresent reports whether m is another that is alive or suspect.
func (t *table) isPresent(m *member) bool { return m != t.self && !m.State.IsDown() }

// AnyAlive reports whether anyone but us is alive or suspect.
func (c *Core) AnyAlive() bool { return c.present > 0 }

// ReadsChecksums reports whether an endpoint is a known member, by its name or
// else its address, that understands checksums.
func (c *Core) ReadsChecksums(to Endpoint) bool { return c.table.readsChecksums(&to) }

func (t *table) readsChecksums(to *Endpoint) bool {
	var m *member
	if to.Name != "" {
		m = t.named(to.Name)
	}
	if m == nil {
		m = t.located(addressOf(to.AddrPort))
	}
	return m.readsChecksums()
}

// readsChecksums reports whether m, or nobody if it is nil, understands
// checksums.
func (m *member) readsChecksums() bool { return m != nil && m.Versions.PMax() >= ProtocolChecksum }

// Protocol versions from which on a member understands a thing.
const (
	protocolStreamPing = 3
	protocolNack       = 4
	ProtocolChecksum   = 5
)

func (o *Output) event(e Event) { o.Events = append(o.Events, e) }

func (o *Output) drop(why Drop) { o.Counts.Drops[why]++ }

// changed publishes m as it now is, and returns that until there is another change.
func (t *Turn) changed(m *member) *Member {
	t.out.Changed = append(t.out.Changed, t.table.snapshot(m))
	return &t.out.Changed[len(t.out.Changed)-1]
}

// allowed reports whether an address may be a member's, or be sent to on a
// peer's word.
func (c *Config) allows(a address) bool { return c.allowsIP(a.addr()) }

func (c *Config) allowsIP(a netip.Addr) bool {
	return c.Allowed == nil || c.Allowed(a.Unmap())
}

// send puts a packet with one message, and whatever broadcasts fit beside it,
// into the output.
func (t *Turn) send(to Endpoint, message wire.Message) *Packet {
	p := t.sendAlone(to, message)
	t.queue.fill(t, t.out, p, t.cfg.roomIn(p))
	return p
}

// sendAlone puts a packet with the given messages and nothing else into the
// output. What does not fit beside the first message goes in packets of its
// own, before the one that is returned.
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

// compose puts a packet with the given messages into the output.
func (t *Turn) compose(to Endpoint, messages []wire.Message) *Packet {
	p := t.out.newPacket()
	p.To = to
	for _, m := range messages {
		t.out.put(p, m)
	}
	p.Checksum = t.table.readsChecksums(&p.To)
	return p
}

// newPacket puts a packet with nothing in it into the output.
func (o *Output) newPacket() *Packet {
	o.Packets = append(o.Packets, Packet{})
	return &o.Packets[len(o.Packets)-1]
}

// put adds a message to the last packet of the output.
func (o *Output) put(p *Packet, m wire.Message) {
	start := len(o.bytes)
	o.bytes = m.Append(o.bytes)
	o.end(p, start)
}

// unsend takes the last packet out of the output.
func (o *Output) unsend() {
	last := len(o.Packets) - 1
	o.Packets[last] = Packet{}
	o.Packets = o.Packets[:last]
}

// roomIn returns how many bytes a packet has left for messages, each with wire.CompoundPartOverhead; less than 0 if it is too large
// already.
func (c *Config) roomIn(p *Packet) int { return c.Room.Left(p.Messages, p.Checksum) }

// endpoint is where m is reached.
func (t *table) endpoint(m *member) Endpoint {
	return Endpoint{Name: m.Name, AddrPort: t.addrPort(m)}
}
