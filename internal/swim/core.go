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

	compressionBudget int // bytes of gossip in a packet beyond PacketSize

	offered   int       // packets of gossip with room for user broadcasts, so far
	chosen    []*member // scratch of choose
	present   int       // others that are alive or suspect
	leaving   bool
	departed  bool          // between Depart and Arrive
	resting   deadlineKinds // loops whose rounds are passed over, NextWakeup
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

	out *Output // what there is to do, for Take
}

// New returns a Core that knows nobody, not even itself, until Announce or
// Introduce. Its loops begin with Start. It puts what there is to do into out: see Use.
func New(cfg Config, out *Output) *Core {
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
		out:        out,
	}
	c.losses = newLosses()
	c.probe.init()
	return c
}

// Start sets the loops going: each begins at a random phase of its interval, but
// for gossip, which begins with a probe.
func (c *Core) Start(now time.Time) {
	c.begin(now, &c.probe.tick, c.cfg.ProbeInterval)
	c.beginGossip(now)
	c.begin(now, &c.pushPull, c.cfg.PushPullInterval)
}

func (c *Core) begin(now time.Time, d *deadline, interval time.Duration) {
	if interval > 0 {
		phase := time.Duration(c.cfg.Rand.Int64N(int64(interval)))
		c.deadlines.set(d, now.Add(interval+phase))
	}
}

// gossipInterval is 0 when there is no gossip.
func (c *Core) gossipInterval() time.Duration {
	if c.cfg.GossipNodes <= 0 {
		return 0
	}
	return c.cfg.GossipInterval
}

// SetCompressionBudget sets how many bytes a packet of gossip may carry beyond Config.PacketSize, since it is compressed
// before it is sent; 0 at the start. No single message is larger than PacketSize, and user broadcasts have no part in it.
func (c *Core) SetCompressionBudget(bytes int) { c.compressionBudget = bytes }

// Introduce tells the Core what we are, and nobody else: until Announce we
// count as a member that has left.
func (c *Core) Introduce(addr netip.AddrPort, meta []byte, versions Versions) {
	c.beSomebody(addr, meta, versions)
	c.changed(c.self)
}

// beSomebody has the Core know itself.
func (c *Core) beSomebody(addr netip.AddrPort, meta []byte, versions Versions) {
	c.self = c.table.add(c.cfg.Name, addressOf(addr), c.cfg.Rand.IntN)
	c.self.Meta, c.self.Versions, c.self.State = meta, versions, StateLeft
}

// Announce makes known what we are, at a new incarnation: at the start, and
// after each change of our address, metadata or versions. The notice, unless
// 0, is in Output.Finished when that has been sent or was replaced. While
// leaving, nothing is announced and the notice is finished at once; during a
// move what we are is announced by Arrive, and the notice finished at once.
//
// Compat: in the reference who then waits for it does so in vain.
func (c *Core) Announce(now time.Time, addr netip.AddrPort, meta []byte, versions Versions, notice uint64) {
	if c.leaving {
		c.finish(notice)
		return
	}
	if c.self == nil {
		c.beSomebody(addr, meta, versions)
	}
	if c.departed {
		c.announceLater(meta, versions, notice)
		return
	}
	c.becomeAlive(now, c.self, claim{
		addr: addressOf(addr), meta: meta, versions: versions,
		incarnation: nextIncarnation(c.self.Incarnation),
	}, notice)
}

// finish has the driver told that nobody need wait for a notice.
func (c *Core) finish(notice uint64) {
	if notice != 0 {
		c.out.Finished = append(c.out.Finished, notice)
	}
}

// Tick does all that is due at now.
func (c *Core) Tick(now time.Time) {
	c.passOver(now)
	for d := c.deadlines.pop(now); d != nil; d = c.deadlines.pop(now) {
		switch d.kind {
		case dueProbe:
			c.again(now, d, c.cfg.ProbeInterval)
			c.probeTick(now)
		case dueGossip:
			if interval := c.gossipInterval(); interval > 0 {
				c.again(now, d, interval)
			}
			c.gossipTick(now)
		case duePushPull:
			c.again(now, d, pushPullInterval(c.cfg.PushPullInterval, c.table.len()))
			c.pushPullTick()
		case dueCheck:
			c.checkDue(now, d.check)
		case dueReconnect:
			c.reconnectTick(now)
		case dueForget:
			c.forgetGone(now)
		case dueIsolation:
			c.isolationDue(now)
		case dueProbeTimeout:
			c.probeIndirectly()
		case dueProbeEnd:
			c.probeEnded(now)
		case dueSuspicion:
			c.suspicionEnded(now, d.member)
		case dueRelay:
			c.relayDue(d.seq)
		case duePing:
			c.pingEnded(d.seq)
		}
	}
}

// again sets a loop's deadline anew. Rounds that were missed collapse into
// one.
func (c *Core) again(now time.Time, d *deadline, interval time.Duration) {
	next := d.at.Add(interval)
	if !next.After(now) {
		next = now.Add(interval)
	}
	c.deadlines.set(d, next)
}

// Use says where to put what there is to do from now on: into an Output that is
// done with, as what was in it is no longer valid. nil: nowhere, and nothing may be
// called that has something to do until the next Use. In a driver with an Output
// for each of its goroutines, each grows by what that one does and no more.
func (c *Core) Use(out *Output) {
	if out != nil {
		out.reset()
	}
	c.out = out
}

// Take returns what there is to do now, and uses another Output.
func (c *Core) Take(other *Output) *Output {
	out := c.out
	out.Health = c.awareness.score
	c.Use(other)
	return out
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

func (c *Core) event(e Event) { c.out.Events = append(c.out.Events, e) }

func (c *Core) drop(why Drop) { c.out.Counts.Drops[why]++ }

// changed publishes m as it now is, and returns that until there is another change.
func (c *Core) changed(m *member) *Member {
	c.out.Changed = append(c.out.Changed, c.table.snapshot(m))
	return &c.out.Changed[len(c.out.Changed)-1]
}

// allowed reports whether an address may be a member's, or be sent to on a
// peer's word.
func (c *Core) allowed(a address) bool { return c.allowedIP(a.addr()) }

func (c *Core) allowedIP(a netip.Addr) bool {
	return c.cfg.Allowed == nil || c.cfg.Allowed(a.Unmap())
}

// send puts a packet with one message, and whatever broadcasts fit beside it,
// into the output.
func (c *Core) send(to Endpoint, message wire.Message) *Packet {
	p := c.sendAlone(to, message)
	c.fill(p)
	return p
}

// sendAlone puts a packet with the given messages and nothing else into the
// output. What does not fit beside the first message goes in packets of its
// own, before the one that is returned.
func (c *Core) sendAlone(to Endpoint, messages ...wire.Message) *Packet {
	p := c.compose(to, messages)
	if len(messages) < 2 || c.roomIn(p) >= 0 {
		return p
	}
	c.unsend()
	for _, m := range messages[1:] {
		c.compose(to, []wire.Message{m})
	}
	return c.compose(to, messages[:1])
}

// compose puts a packet with the given messages into the output.
func (c *Core) compose(to Endpoint, messages []wire.Message) *Packet {
	p := c.newPacket()
	p.To = to
	for _, m := range messages {
		c.put(p, m)
	}
	p.Checksum = c.readsChecksums(&p.To)
	return p
}

// newPacket puts a packet with nothing in it into the output.
func (c *Core) newPacket() *Packet {
	c.out.Packets = append(c.out.Packets, Packet{})
	return &c.out.Packets[len(c.out.Packets)-1]
}

// put adds a message to the last packet of the output.
func (c *Core) put(p *Packet, m wire.Message) {
	start := len(c.out.bytes)
	c.out.bytes = m.Append(c.out.bytes)
	c.out.end(p, start)
}

// unsend takes the last packet out of the output.
func (c *Core) unsend() {
	last := len(c.out.Packets) - 1
	c.out.Packets[last] = Packet{}
	c.out.Packets = c.out.Packets[:last]
}

// roomIn is how many bytes a packet has left for messages, each with
// wire.CompoundPartOverhead; less than 0 if it is too large already.
func (c *Core) roomIn(p *Packet) int {
	room := c.cfg.PacketSize - wire.CompoundHeaderSize
	if p.Checksum {
		room -= wire.ChecksumSize
	}
	for _, m := range p.Messages {
		room -= wire.CompoundPartOverhead + len(m)
	}
	return room
}

// fill adds queued broadcasts to the last packet of the output.
func (c *Core) fill(p *Packet) { c.fillIn(c.out, p, c.roomIn(p)) }

// endpoint is where m is reached.
func (c *Core) endpoint(m *member) Endpoint {
	return Endpoint{Name: m.Name, AddrPort: c.table.addrPort(m)}
}
