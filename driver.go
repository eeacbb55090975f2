package memberlist

import (
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// turn is one stay in the core and what is to be done after it. Every access
// to the core that may change it is a turn:
//
//	t := m.beginTurn()
//	t.core.Tick(t.now)
//	m.endTurn(t)            or m.endTurnAndDeliver(t)
//
// Between the two the core is locked: memory work only. Ending a turn makes
// visible what changed, unlocks, then sends and starts what the core asked for.
type turn struct {
	core *swim.Core
	now  time.Time
	out  swim.Output
	pack packer

	// roomy says that out has packets with room for user broadcasts, which are
	// still to be sent: sendGossip. Only tick has any.
	roomy bool

	queued  int  // of a roomy turn: how many broadcasts the core had last
	leaving bool // of a roomy turn: what was broadcast lately goes again

	lastWords [][]byte // user broadcasts that go with our farewell
}

func (m *Memberlist) beginTurn() *turn { return m.beginTurnIn(m.newTurn(), time.Now()) }

// newTurn gives the memory of a turn, for dropTurn to take back.
func (m *Memberlist) newTurn() *turn { return m.turns.get() }

func (m *Memberlist) dropTurn(t *turn) {
	t.lastWords = nil
	m.turns.put(t)
}

// beginTurnIn begins a turn in memory that the caller keeps for that, at a time
// that is at hand. It ends with endTurnIn.
func (m *Memberlist) beginTurnIn(t *turn, now time.Time) *turn {
	t.now = now
	m.mu.Lock()
	t.core = m.mu.core
	t.core.Use(&t.out)
	return t
}

// endTurn ends a turn of the protocol's own goroutines: delegates hear of it
// from the event loop.
func (m *Memberlist) endTurn(t *turn) {
	m.endTurnIn(t)
	m.dropTurn(t)
}

// endTurnIn is endTurn for a turn in the caller's memory.
func (m *Memberlist) endTurnIn(t *turn) {
	if m.publishTurn(t) {
		m.wakeEventLoop()
	}
	m.act(t)
}

// endTurnAside is endTurn for a caller that must not wait for the transport: what
// is to be sent is sent on another goroutine, which ends when it is.
func (m *Memberlist) endTurnAside(t *turn) {
	if m.publishTurn(t) {
		m.wakeEventLoop()
	}
	act := func() {
		m.act(t)
		m.dropTurn(t)
	}
	if len(t.out.Packets) == 0 {
		act()
		return
	}
	m.tasks.Go(act)
}

// wakeEventLoop has the event loop deliver what is queued.
func (m *Memberlist) wakeEventLoop() {
	select {
	case m.eventsReady <- struct{}{}:
	default:
	}
}

// endTurnAndDeliver ends a turn that a caller of ours caused: delegates have
// heard of it when it returns, unless a delivery is in progress already.
func (m *Memberlist) endTurnAndDeliver(t *turn) {
	events := m.publishTurn(t)
	m.act(t)
	m.dropTurn(t)
	if events {
		m.deliverEvents()
	}
}

// publishTurn publishes what changed, and unlocks. What the core asked for is
// still to be done: act. It reports whether there is anything to tell the
// delegates.
func (m *Memberlist) publishTurn(t *turn) (events bool) {
	out := t.core.Take(nil)
	t.core = nil
	for i := range out.Changed {
		m.publishNodeLocked(&out.Changed[i])
	}
	if len(out.Changed) > 0 {
		m.noteSeedsLocked(out)
	}
	for _, id := range out.Forgotten {
		m.nodes.Remove(uint32(id))
		*m.contactsOfLocked(id) = contacts{}
	}
	if len(out.Events) > 0 {
		m.watchLocked(t.now, out.Events)
		m.noteOwnNameLocked(out.Events)
		events = m.queueEventsLocked(out.Events)
	}
	for _, notice := range out.Finished {
		if done := m.mu.notices[notice]; done != nil {
			delete(m.mu.notices, notice)
			close(done)
		}
	}
	for _, p := range out.Pings {
		if result := m.mu.pings[p.Seq]; result != nil {
			delete(m.mu.pings, p.Seq)
			result <- p // has room for it
		}
	}
	rearm := false
	if next := m.nextAlarmLocked(t.now); !next.Equal(m.mu.armed) {
		m.mu.armed = next
		m.timer.Note(next)
		rearm = true // also for a later time: what the timer was set for is not due any more
	}
	if health := int32(out.Health); m.health.Load() != health {
		m.health.Store(health)
	}
	m.mu.Unlock()

	if rearm {
		m.timer.Set()
	}
	return events
}

// act does what the core asked for, save for packets with room for user
// broadcasts. The core is not locked.
func (m *Memberlist) act(t *turn) {
	t.roomy = false
	for i := range t.out.Packets {
		p := &t.out.Packets[i]
		switch {
		case p.Room == 0:
			m.sendPacket(t, p, p.Messages)
		case len(p.Messages) > 0:
			m.sendParts(t, p, append(appendFitting(t.pack.messages[:0], t.lastWords, p.Room), p.Messages...))
		default:
			t.roomy = true
		}
	}
	for i := range t.out.Streams {
		m.startStream(t.out.Streams[i])
	}
	if t.out.Counts.GossipRounds > 0 {
		m.metrics.MeasureSince(metrics.Gossip, t.now)
	}
	if len(t.out.Events) > 0 {
		m.logEvents(t.now, t.out.Events)
	}
	m.count(&t.out)
}

// sendGossip sends a turn's packets with room for user broadcasts: the delegate
// is asked with the core not locked, then the core fills the room that is left.
// The round ends at the first packet for which neither has anything. While an
// earlier round waits for the delegate, gossip goes without user broadcasts.
//
// Compat: the reference asks the delegate for pings and acks too, which then wait
// for it.
func (m *Memberlist) sendGossip(t *turn) {
	ask := noUserBroadcasts
	if m.gossiping.TryLock() { // else the delegate is slow
		defer m.gossiping.Unlock()
		ask = func(room int) (broadcasts [][]byte) {
			m.timer.Callback(func() { broadcasts = m.userBroadcasts(room) })
			return broadcasts
		}
	}
	for i := range t.out.Packets {
		p := &t.out.Packets[i]
		if p.Room == 0 {
			continue
		}
		broadcasts := ask(p.Room)
		if len(broadcasts) == 0 && t.queued == 0 {
			return
		}
		if t.leaving {
			broadcasts = appendFitting(nil, m.recent.list(time.Now()), p.Room)
		}
		used := 0
		for _, b := range broadcasts {
			used += wire.CompoundPartOverhead + len(b)
		}
		fill := m.beginTurn()
		fill.core.FillGossip(&t.out, p, used)
		t.queued = fill.core.NumQueued()
		m.endTurn(fill)
		m.sendParts(t, p, append(append(t.pack.messages[:0], p.Messages...), broadcasts...))
	}
}

// sendParts is sendPacket of messages that are in the turn's memory for that.
func (m *Memberlist) sendParts(t *turn, p *swim.Packet, parts [][]byte) {
	t.pack.messages = parts
	m.sendPacket(t, p, parts)
	clear(parts) // what they are parts of is not held on to
}

// sendPacket sends what the core composed, and tells it if a ping could not be
// sent.
func (m *Memberlist) sendPacket(t *turn, p *swim.Packet, messages [][]byte) {
	err := m.writeMessages(&t.pack, &p.To, messages, p.Checksum)
	if err == nil {
		return
	}
	m.log.Limited("send packet", slog.LevelError, "failed to send packet",
		slog.String("node", p.To.Name), slog.String("addr", addressText(p.To)), logging.Err(err))
	if p.Ping == 0 {
		return
	}
	fail := m.beginTurn()
	fail.core.SendFailed(p.Ping, err) // others, or a stream, may reach it
	m.endTurn(fail)
}

func noUserBroadcasts(int) [][]byte { return nil }

// userBroadcasts asks the delegate for messages that fit so much room, and
// frames each as a user message. The caller holds m.gossiping.
func (m *Memberlist) userBroadcasts(room int) [][]byte {
	if m.config.Delegate == nil || !m.tasks.BeginCallback() {
		return nil
	}
	broadcasts := m.config.Delegate.GetBroadcasts(wire.CompoundPartOverhead+envelope.UserOverhead, room)
	m.tasks.EndCallback()
	var framed [][]byte
	for _, b := range broadcasts {
		cost := wire.CompoundPartOverhead + envelope.UserOverhead + len(b)
		if cost > room {
			m.metrics.Add(metrics.DroppedOversize, 1)
			m.log.Limited("oversize broadcast", slog.LevelWarn, "dropping delegate broadcasts that do not fit the packet",
				slog.Int("bytes", len(b)), slog.Int("room", room))
			continue
		}
		room -= cost
		message := make([]byte, 0, envelope.UserOverhead+len(b))
		message = append(message, byte(wire.TypeUser))
		framed = append(framed, append(message, b...))
	}
	if len(framed) > 0 {
		m.recent.note(time.Now(), framed)
	}
	return framed
}

// tick does what is due, on a goroutine of the timer's, and tells the metrics of
// the packets since, and how many broadcasts wait, every QueueCheckInterval. The
// timer is set anew before anything is sent and before the delegate is asked.
func (m *Memberlist) tick() {
	t := m.beginTurn()
	m.mu.armed = time.Time{} // it has fired
	queued, sample := t.core.NumQueued(), !t.now.Before(m.mu.sample)
	if sample {
		m.mu.sample = t.now.Add(m.config.QueueCheckInterval)
	}
	t.core.SetCompressionBudget(m.envelope.CompressionBudget())
	t.core.Tick(t.now)
	t.queued, t.leaving = t.core.NumQueued(), t.core.Leaving()
	m.endTurnIn(t)
	m.metrics.FlushTraffic()
	if sample {
		m.metrics.AddSample(metrics.QueueBroadcasts, float32(queued))
		if queued > m.config.HandoffQueueDepth {
			m.log.Limited("broadcast queue", slog.LevelWarn, "broadcast queue is long", slog.Int("queued", queued))
		}
	}
	if t.roomy {
		m.sendGossip(t)
	}
	m.dropTurn(t)
}

// nextAlarmLocked is when tick has something to do.
func (m *Memberlist) nextAlarmLocked(now time.Time) time.Time {
	if next, ok := m.mu.core.NextWakeup(now); ok && next.Before(m.mu.sample) {
		return next
	}
	return m.mu.sample
}

// count feeds the metrics.
func (m *Memberlist) count(out *swim.Output) {
	if out.Counts != (swim.Counts{}) {
		m.countTransitions(&out.Counts)
	}
	for _, took := range out.Probes {
		m.metrics.AddDuration(metrics.ProbeNode, took)
	}
	m.metrics.SetHealth(out.Health)
}

// countTransitions feeds the metrics of what the core did and dropped.
func (m *Memberlist) countTransitions(c *swim.Counts) {
	for _, n := range []struct {
		key metrics.Counter
		n   int
	}{
		{metrics.MsgAlive, c.Alive},
		{metrics.MsgSuspect, c.Suspect},
		{metrics.MsgDead, c.Dead},
		{metrics.DegradedProbe, c.DegradedProbes},
		{metrics.DegradedTimeout, c.DegradedTimeouts},
		{metrics.DroppedDecode, c.Drops[swim.DropMalformed] + c.Drops[swim.DropVersions] + c.Drops[swim.DropMaximum]},
		{metrics.DroppedCIDR, c.Drops[swim.DropNotAllowed]},
		{metrics.DroppedOverload, c.Drops[swim.DropBusy]},
		{metrics.DroppedOversize, c.Drops[swim.DropOversize]},
	} {
		if n.n > 0 {
			m.metrics.Add(n.key, n.n)
		}
	}
	if c.Drops[swim.DropVersions] > 0 {
		m.log.Limited("versions", slog.LevelWarn, "ignoring alive message with impossible protocol versions")
	}
	if c.Drops[swim.DropNotAllowed] > 0 {
		m.log.Limited("not allowed", slog.LevelWarn, "ignoring message about an address outside of the allowed networks")
	}
	if c.Drops[swim.DropOversize] > 0 {
		m.log.Limited("oversize", slog.LevelWarn, "not sending message that does not fit a packet: a member's description or an ack's payload")
	}
}
