package memberlist

import (
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// turn is one use of the core, and the memory for what follows from it. Every access to the core that may change it is a turn:
//
//	t := m.begin()
//	t.core.Tick()
//	t.commit()            or t.commitAndNotify()
//
// Between the two the core is locked: memory work only. Committing a turn publishes the changes, unlocks, and then sends the packets and
// starts the streams that the core asked for.
type turn struct {
	m      *Memberlist
	core   *swim.Turn
	now    time.Time
	out    swim.Output
	pack   packer
	pooled bool // is given back by commit

	// roomy is set if out has packets with room for user broadcasts, which are still to be sent: sendGossip. Only tick has any.
	roomy bool

	queued  int  // of a roomy turn: the number of broadcasts that the core had last
	leaving bool // of a roomy turn: recent user broadcasts are sent again

	leaveBroadcasts [][]byte // user broadcasts that go with the message that this member leaves
}

// begin begins a turn.
func (m *Memberlist) begin() *turn {
	t := m.newTurn()
	t.pooled = true
	return t.begin(time.Now())
}

// newTurn returns the memory of a turn. It is given back by free, unless by commit.
func (m *Memberlist) newTurn() *turn {
	t := turns.get()
	t.m, t.pooled = m, false
	return t
}

func (t *turn) free() {
	t.m, t.leaveBroadcasts = nil, nil
	turns.put(t)
}

// begin begins a turn in memory of the caller's.
func (t *turn) begin(now time.Time) *turn {
	t.now = now
	t.m.mu.Lock()
	t.core = t.m.mu.core.Begin(now, &t.out)
	return t
}

// commit commits a turn of the protocol's goroutines: delegates are called from another goroutine.
func (t *turn) commit() {
	if t.publish() {
		t.m.delivery.wake()
	}
	t.finish()
}

// commitAside is commit for a goroutine that must not wait for the transport: another one sends the packets.
func (t *turn) commitAside() {
	if t.publish() {
		t.m.delivery.wake()
	}
	if len(t.out.Packets) == 0 {
		t.finish()
		return
	}
	t.m.tasks.Go(t.finish)
}

// commitAndNotify commits a turn that the program caused: delegates have been called when it returns, unless a delivery is in progress.
func (t *turn) commitAndNotify() {
	m, events := t.m, t.publish()
	t.finish()
	if events {
		m.delivery.deliver()
	}
}

func (t *turn) finish() {
	t.act()
	if t.m.config.ZoneOf != nil {
		t.m.askZones(t.out.Changed)
	}
	if t.pooled {
		t.free()
	}
}

// publish publishes the changes, and unlocks. It reports whether there are events for delegates.
func (t *turn) publish() (events bool) {
	t.core.End()
	t.core = nil
	m, out := t.m, &t.out
	for i := range out.Changed {
		m.publishNodeLocked(&out.Changed[i])
	}
	if len(out.Changed) > 0 {
		m.reconnector.noteChangesLocked(out)
	}
	for _, id := range out.Forgotten {
		m.nodes.Remove(uint32(id))
		*m.mu.reachability.at(id) = reached{}
	}
	if m.config.NodeSelection != nil {
		m.mu.nodeStates.note(out)
	}
	if len(out.Events) > 0 {
		m.watchLocked(t.now, out.Events)
		m.mu.ownName.note(m.config.Name, out.Events)
		events = m.delivery.queueLocked(out.Events)
	}
	m.mu.waiters.finish(out.Finished)
	m.mu.pings.finish(out.Pings)
	rearm := false
	if next := m.nextWakeupLocked(out.Wakeup); !next.Equal(m.mu.armed) {
		m.mu.armed = next
		m.timer.Note(next)
		rearm = true // also for a later time: nothing is due at the earlier one any more
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

// act does what the core asked for, except that it leaves packets with room for user broadcasts to sendGossip.
func (t *turn) act() {
	m := t.m
	t.roomy = false
	if m.connected != nil {
		t.redial()
	}
	for i := range t.out.Packets {
		p := &t.out.Packets[i]
		switch {
		case p.Room == 0:
			t.send(p, p.Messages)
		case len(p.Messages) > 0:
			t.sendParts(p, append(appendFitting(t.pack.messages[:0], t.leaveBroadcasts, p.Room), p.Messages...))
		default:
			t.roomy = true
		}
	}
	var exchanges []swim.Stream
	for i := range t.out.Streams {
		if s := &t.out.Streams[i]; s.Kind == swim.StreamPushPull || s.Kind == swim.StreamDifferences {
			exchanges = append(exchanges, *s)
		} else {
			m.startStream(*s)
		}
	}
	if len(exchanges) > 0 {
		m.tasks.Go(func() { m.pushPulls.periodic(exchanges) })
	}
	if t.out.Counts.GossipRounds > 0 {
		m.metrics.MeasureSince(metrics.Gossip, t.now)
	}
	if len(t.out.Events) > 0 {
		t.logEvents()
	}
	t.count()
}

// redial tells a transport with connections which members have not answered a ping.
func (t *turn) redial() {
	for i := range t.out.Events {
		if e := &t.out.Events[i]; e.Kind == swim.EventUnanswered {
			t.m.connected.Redial(addressOfMember(&e.Member))
		}
	}
}

// sendGossip sends packets with room for user broadcasts: first the delegate is asked, with the core not locked, then the core fills the
// room that is left. The round ends at the first packet for which neither has anything. While an earlier round waits for the delegate,
// gossip goes without user broadcasts.
//
// Compat: the reference asks the delegate for pings and acks too, which then wait for it.
func (t *turn) sendGossip() {
	m := t.m
	ask := m.broadcasts.mutex.TryLock() // else the delegate is slow
	if ask {
		defer m.broadcasts.mutex.Unlock()
	}
	for i := range t.out.Packets {
		p := &t.out.Packets[i]
		if p.Room == 0 {
			continue
		}
		var broadcasts [][]byte
		if ask {
			m.timer.Callback(func() { broadcasts = m.broadcasts.ask(p.Room) })
		}
		if len(broadcasts) == 0 && t.queued == 0 {
			return
		}
		if t.leaving {
			broadcasts = appendFitting(nil, m.broadcasts.recent.list(time.Now()), p.Room)
		}
		used := 0
		for _, b := range broadcasts {
			used += wire.CompoundPartOverhead + len(b)
		}
		fill := m.begin()
		fill.core.FillGossip(&t.out, p, used)
		t.queued = fill.core.NumQueued()
		fill.commit()
		t.sendParts(p, append(append(t.pack.messages[:0], p.Messages...), broadcasts...))
	}
}

// sendParts is send for messages that are in t.pack.messages.
func (t *turn) sendParts(p *swim.Packet, parts [][]byte) {
	t.pack.messages = parts
	t.send(p, parts)
	clear(parts) // for the garbage collector
}

// send sends a packet of the core, and notifies it if a ping could not be sent.
func (t *turn) send(p *swim.Packet, messages [][]byte) {
	m := t.m
	err := m.packets.writeMessages(&t.pack, &p.To, messages, p.Features)
	if err == nil {
		return
	}
	m.log.Limited("send packet", slog.LevelError, "failed to send packet",
		slog.String("node", p.To.Name), slog.String("addr", addressText(p.To)), logging.Err(err))
	if p.Ping == 0 {
		return
	}
	fail := m.begin()
	fail.core.SendFailed(p.Ping, err) // others, or a stream, may reach it
	if m.connected != nil && m.isRefused(err) {
		fail.core.StreamRefused(p.Ping) // the packet was for a connection
	}
	fail.commit()
}

// tick runs when the timer expires: it carries out what the core has to do at this time, and reports metrics. The timer is set again
// before anything is sent and before a delegate is called.
func (m *Memberlist) tick() {
	t := m.newTurn().begin(time.Now())
	m.mu.armed = time.Time{} // it has expired
	queued, sample := t.core.NumQueued(), !t.now.Before(m.mu.sample)
	if sample {
		m.mu.sample = t.now.Add(m.config.QueueCheckInterval)
	}
	t.core.SetCompressionBudget(m.envelope.CompressionBudget())
	t.core.Tick()
	t.queued, t.leaving = t.core.NumQueued(), t.core.Leaving()
	t.commit()
	m.metrics.FlushTraffic()
	if sample {
		m.metrics.AddSample(metrics.QueueBroadcasts, float32(queued))
		if queued > m.config.HandoffQueueDepth {
			m.log.Limited("broadcast queue", slog.LevelWarn, "broadcast queue is long", slog.Int("queued", queued))
		}
	}
	if due := t.out.Selections; due != (swim.Selections{}) {
		t.selectTargets(due)
	}
	if t.roomy {
		t.sendGossip()
	}
	t.free()
}

// nextWakeupLocked returns the time of the next tick.
func (m *Memberlist) nextWakeupLocked(wakeup time.Time) time.Time {
	if !wakeup.IsZero() && wakeup.Before(m.mu.sample) {
		return wakeup
	}
	return m.mu.sample
}

// count updates the metrics from the output of the core.
func (t *turn) count() {
	if t.out.Counts != (swim.Counts{}) {
		t.countTransitions()
	}
	for _, took := range t.out.Probes {
		t.m.metrics.AddDuration(metrics.ProbeNode, took)
	}
	t.m.metrics.SetHealth(t.out.Health)
}

func (t *turn) countTransitions() {
	m, c := t.m, &t.out.Counts
	for _, n := range []struct {
		key metrics.Counter
		n   int
	}{
		{metrics.MsgAlive, c.Alive},
		{metrics.MsgSuspect, c.Suspect},
		{metrics.MsgDead, c.Dead},
		{metrics.DegradedProbe, c.DegradedProbes},
		{metrics.DegradedTimeout, c.DegradedTimeouts},
		{metrics.DegradedLate, c.DegradedLate},
		{metrics.DroppedDecode, c.Drops[swim.DropMalformed] + c.Drops[swim.DropVersions] + c.Drops[swim.DropMaximum]},
		{metrics.DroppedCIDR, c.Drops[swim.DropNotAllowed]},
		{metrics.DroppedOverload, c.Drops[swim.DropBusy] + c.Drops[swim.DropRate]},
		{metrics.DroppedStranger, c.Drops[swim.DropStranger] + c.Drops[swim.DropLeap]},
		{metrics.DroppedUnconfirmed, c.Drops[swim.DropUnconfirmed]},
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
