package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Core is one node's membership protocol. See the package's comment.
type Core struct {
	cfg       Config
	self      *member
	table     table
	deadlines deadlines
	queue     broadcasts

	compressionBudget int // bytes of gossip in a packet beyond Config.Room

	offered   int       // packets of gossip with room for user broadcasts, so far
	chosen    []*member // scratch of choose
	present   int       // others that are alive or suspect
	leaving   bool
	departed  bool          // between Depart and Arrive
	resting   deadlineKinds // loops whose rounds are passed over, nextWakeup
	former    former        // what we were before we moved last
	seq       uint32        // of the last ping
	awareness awareness

	suspicions map[ID]*suspicion // of those whose State is StateSuspect
	probe      probe
	relays     map[uint32]*relay // by the sequence number of our ping
	pings      map[uint32]*ping
	gossip     deadline
	pushPull   deadline
	losses     losses
	gone       []goneMember // in the order in which they went
	forgetting deadline
	checks     checks // of names that others claim

	turn Turn // the one under way
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
	t.out.Wakeup = t.nextWakeup()
	t.out = nil
}

// New returns a Core that knows no member, not even itself, until Announce or Introduce. Its loops begin with Start.
func New(cfg Config) *Core {
	c := &Core{
		cfg:        cfg,
		table:      newTable(),
		seq:        cfg.Rand.Uint32(),
		awareness:  awareness{max: cfg.AwarenessMaxMultiplier},
		suspicions: make(map[ID]*suspicion),
		relays:     make(map[uint32]*relay),
		pings:      make(map[uint32]*ping),
		checks:     newChecks(),
		gossip:     unset(dueGossip),
		pushPull:   unset(duePushPull),
		forgetting: unset(dueForget),
	}
	c.losses = newLosses()
	c.probe.init()
	return c
}

// Start sets the loops going: each begins at a random phase of its interval, but
// for gossip, which begins with a probe.
func (t *Turn) Start() {
	t.begin(&t.probe.tick, t.cfg.ProbeInterval)
	t.beginGossip()
	t.begin(&t.pushPull, t.cfg.PushPullInterval)
}

func (t *Turn) begin(d *deadline, interval time.Duration) {
	if interval > 0 {
		phase := time.Duration(t.cfg.Rand.Int64N(int64(interval)))
		t.deadlines.set(d, t.now.Add(interval+phase))
	}
}

// gossipInterval is 0 when there is no gossip.
func (c *Core) gossipInterval() time.Duration {
	if c.cfg.GossipNodes <= 0 {
		return 0
	}
	return c.cfg.GossipInterval
}

// SetCompressionBudget sets how many bytes a packet of gossip may carry beyond Config.Room, since it is compressed
// before it is sent; 0 at the start. No single message is larger than that, and user broadcasts have no part in it.
func (t *Turn) SetCompressionBudget(bytes int) { t.compressionBudget = bytes }

// Introduce tells the Core what we are, and nobody else: until Announce we
// count as a member that has left.
func (t *Turn) Introduce(addr netip.AddrPort, meta []byte, versions Versions) {
	t.beSomebody(addr, meta, versions)
	t.changed(t.self)
}

// beSomebody has the Core know itself.
func (t *Turn) beSomebody(addr netip.AddrPort, meta []byte, versions Versions) {
	t.self = t.table.add(t.cfg.Name, addressOf(addr), t.cfg.Rand.IntN)
	t.self.Meta, t.self.Versions, t.self.State = meta, versions, StateLeft
}

// Announce makes known what we are, at a new incarnation: at the start, and
// after each change of our address, metadata or versions. The notice, unless
// 0, is in Output.Finished when that has been sent or was replaced. While
// leaving, nothing is announced and the notice is finished at once; during a
// move what we are is announced by Arrive, and the notice finished at once.
//
// Compat: in the reference who then waits for it does so in vain.
func (t *Turn) Announce(addr netip.AddrPort, meta []byte, versions Versions, notice uint64) {
	if t.leaving {
		t.finish(notice)
		return
	}
	if t.self == nil {
		t.beSomebody(addr, meta, versions)
	}
	if t.departed {
		t.announceLater(meta, versions, notice)
		return
	}
	t.becomeAlive(t.self, claim{
		addr: addressOf(addr), meta: meta, versions: versions,
		incarnation: nextIncarnation(t.self.Incarnation),
	}, notice)
}

// finish has the driver told that nobody need wait for a notice.
func (t *Turn) finish(notice uint64) {
	if notice != 0 {
		t.out.Finished = append(t.out.Finished, notice)
	}
}

// Tick does all that is due at now.
func (t *Turn) Tick() {
	t.passOver()
	for d := t.deadlines.pop(t.now); d != nil; d = t.deadlines.pop(t.now) {
		switch d.kind {
		case dueProbe:
			t.again(d, t.cfg.ProbeInterval)
			t.probeTick()
		case dueGossip:
			if interval := t.gossipInterval(); interval > 0 {
				t.again(d, interval)
			}
			t.gossipTick()
		case duePushPull:
			t.again(d, pushPullInterval(t.cfg.PushPullInterval, t.table.len()))
			t.pushPullTick()
		case dueCheck:
			t.checkDue(d.check)
		case dueReconnect:
			t.reconnectTick()
		case dueForget:
			t.forgetGone()
		case dueIsolation:
			t.isolationDue()
		case dueProbeTimeout:
			t.probeIndirectly()
		case dueProbeEnd:
			t.probeEnded()
		case dueSuspicion:
			t.suspicionEnded(d.member)
		case dueRelay:
			t.relayDue(d.seq)
		case duePing:
			t.pingEnded(d.seq)
		}
	}
}

// again sets a loop's deadline anew. Rounds that were missed collapse into
// one.
func (t *Turn) again(d *deadline, interval time.Duration) {
	next := d.at.Add(interval)
	if !next.After(t.now) {
		next = t.now.Add(interval)
	}
	t.deadlines.set(d, next)
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
func (c *Core) Self() Member { return c.table.snapshot(c.self) }

// NumKnown is how many members are known, the dead and left included.
func (c *Core) NumKnown() int { return c.table.len() }

// NumTimers is how many deadlines are set.
func (c *Core) NumTimers() int { return len(c.deadlines.heap) }

// Leaving reports whether Leave was called.
func (c *Core) Leaving() bool { return c.leaving }

// isPresent reports whether m is another that is alive or suspect.
func (c *Core) isPresent(m *member) bool { return m != c.self && !m.State.Gone() }

// AnyAlive reports whether anyone but us is alive or suspect.
func (c *Core) AnyAlive() bool { return c.present > 0 }

// ReadsChecksums reports whether an endpoint is a known member, by its name or
// else its address, that understands checksums.
func (c *Core) ReadsChecksums(to Endpoint) bool { return c.readsChecksums(&to) }

func (c *Core) readsChecksums(to *Endpoint) bool {
	var m *member
	if to.Name != "" {
		m = c.table.named(to.Name)
	}
	if m == nil {
		m = c.table.located(addressOf(to.AddrPort))
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

func (t *Turn) event(e Event) { t.out.Events = append(t.out.Events, e) }

func (t *Turn) drop(why Drop) { t.out.Counts.Drops[why]++ }

// changed publishes m as it now is, and returns that until there is another change.
func (t *Turn) changed(m *member) *Member {
	t.out.Changed = append(t.out.Changed, t.table.snapshot(m))
	return &t.out.Changed[len(t.out.Changed)-1]
}

// allowed reports whether an address may be a member's, or be sent to on a
// peer's word.
func (c *Core) allowed(a address) bool { return c.allowedIP(a.addr()) }

func (c *Core) allowedIP(a netip.Addr) bool {
	return c.cfg.Allowed == nil || c.cfg.Allowed(a.Unmap())
}

// send puts a packet with one message, and whatever broadcasts fit beside it,
// into the output.
func (t *Turn) send(to Endpoint, message wire.Message) *Packet {
	p := t.sendAlone(to, message)
	t.fill(p)
	return p
}

// sendAlone puts a packet with the given messages and nothing else into the
// output. What does not fit beside the first message goes in packets of its
// own, before the one that is returned.
func (t *Turn) sendAlone(to Endpoint, messages ...wire.Message) *Packet {
	p := t.compose(to, messages)
	if len(messages) < 2 || t.roomIn(p) >= 0 {
		return p
	}
	t.unsend()
	for _, m := range messages[1:] {
		t.compose(to, []wire.Message{m})
	}
	return t.compose(to, messages[:1])
}

// compose puts a packet with the given messages into the output.
func (t *Turn) compose(to Endpoint, messages []wire.Message) *Packet {
	p := t.newPacket()
	p.To = to
	for _, m := range messages {
		t.put(p, m)
	}
	p.Checksum = t.readsChecksums(&p.To)
	return p
}

// newPacket puts a packet with nothing in it into the output.
func (t *Turn) newPacket() *Packet {
	t.out.Packets = append(t.out.Packets, Packet{})
	return &t.out.Packets[len(t.out.Packets)-1]
}

// put adds a message to the last packet of the output.
func (t *Turn) put(p *Packet, m wire.Message) {
	start := len(t.out.bytes)
	t.out.bytes = m.Append(t.out.bytes)
	t.out.end(p, start)
}

// unsend takes the last packet out of the output.
func (t *Turn) unsend() {
	last := len(t.out.Packets) - 1
	t.out.Packets[last] = Packet{}
	t.out.Packets = t.out.Packets[:last]
}

// roomIn returns how many bytes a packet has left for messages, each with wire.CompoundPartOverhead; less than 0 if it is too large
// already.
func (c *Core) roomIn(p *Packet) int { return c.cfg.Room.Left(p.Messages, p.Checksum) }

// fill adds queued broadcasts to the last packet of the output.
func (t *Turn) fill(p *Packet) { t.fillIn(t.out, p, t.roomIn(p)) }

// endpoint is where m is reached.
func (c *Core) endpoint(m *member) Endpoint {
	return Endpoint{Name: m.Name, AddrPort: c.table.addrPort(m)}
}
