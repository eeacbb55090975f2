package memberlist

import (
	"cmp"
	"log/slog"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/lifecycle"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
)

// delivery calls delegates for events: in order, one at a time, with no lock held.
type delivery struct {
	m         *Memberlist
	running   lifecycle.Mutex              // held by the goroutine that calls delegates
	ready     chan struct{}                // one slot: wakes loop
	ping      atomic.Pointer[PingDelegate] // nil: none
	pending   atomic.Int64                 // events that are queued or being delivered
	delivered atomic.Uint64
}

func (d *delivery) init(m *Memberlist) {
	d.m, d.running, d.ready = m, m.tasks.NewMutex(), make(chan struct{}, 1)
	d.takePing()
}

// takePing reads Ping of the caller's configuration.
func (d *delivery) takePing() {
	if ping := d.m.given.Ping; ping != nil {
		d.ping.Store(&ping)
	} else {
		d.ping.Store(nil)
	}
}

// pingDelegate returns the ping delegate, or nil.
func (d *delivery) pingDelegate() PingDelegate {
	if ping := d.ping.Load(); ping != nil {
		return *ping
	}
	return nil
}

// notification is an event for a delegate, with the Nodes as of the event.
type notification struct {
	event swim.Event
	node  *Node
	other *Node
}

// notificationQueue is the events that are to be delivered. It is guarded by Memberlist.mu.
type notificationQueue struct {
	queued    []notification
	compactAt int // length from which it is compacted
	pings     int // those that may be dropped
}

// maxPendingPings bounds the results of pings that wait for a slow delegate. Later ones are dropped: the next one replaces them.
const maxPendingPings = 128

// add adds an event, unless it may be dropped and too many of those are queued.
func (q *notificationQueue) add(n notification) {
	if mayBeDropped(n.event.Kind) {
		if q.pings >= maxPendingPings {
			return
		}
		q.pings++
	}
	q.queued = append(q.queued, n)
}

func (q *notificationQueue) pop() (notification, bool) {
	if len(q.queued) == 0 {
		return notification{}, false
	}
	n := q.queued[0]
	q.queued[0] = notification{}
	q.queued = q.queued[1:]
	if len(q.queued) == 0 {
		q.queued = nil
	}
	if mayBeDropped(n.event.Kind) {
		q.pings--
	}
	return n, true
}

// compact compacts a queue that has grown long.
func (q *notificationQueue) compact() {
	if len(q.queued) > max(q.compactAt, minCompactEvents) {
		q.queued = compacted(q.queued)
		q.compactAt = 2 * len(q.queued)
	}
}

// conflictOutcome converts a outcome of the core.
func conflictOutcome(v swim.ConflictOutcome) ConflictOutcome {
	if v == swim.ConflictMoved {
		return ConflictMoved
	}
	return ConflictKept
}

// mayBeDropped reports whether a slow delegate may miss events of a kind.
func mayBeDropped(kind swim.EventKind) bool {
	return kind == swim.EventPingComplete || kind == swim.EventConflict || kind == swim.EventConflictEnded
}

// minCompactEvents is the length of the queue of a slow delegate from which events that cancel each other out are removed.
const minCompactEvents = 4096

// compacted removes events that a slow delegate may miss: of each member at most the first and the last remain, and none of one that
// came and went. So there are at most two for each member that is known to this member or to the delegate.
func compacted(queued []notification) []notification {
	first := make(map[string]int)
	last := make(map[string]int)
	for i := range queued {
		d := &queued[i]
		if !d.aboutPresence() {
			continue
		}
		if _, ok := first[d.node.Name]; !ok {
			first[d.node.Name] = i
		}
		last[d.node.Name] = i
	}
	var kept []notification
	for i, d := range queued {
		if !d.aboutPresence() {
			kept = append(kept, d)
			continue
		}
		from, to := first[d.node.Name], last[d.node.Name]
		began, ends := queued[from].event.Kind, queued[to].event.Kind
		switch {
		case began == swim.EventJoin && ends == swim.EventLeave:
			// The delegate never knew it.
		case i == to && began == swim.EventJoin:
			d.event.Kind = swim.EventJoin // as it is by now
			kept = append(kept, d)
		case i == to && began == swim.EventUpdate && ends == swim.EventJoin:
			d.event.Kind = swim.EventUpdate // that it was gone meanwhile is left out
			kept = append(kept, d)
		case i == to && ends == swim.EventUpdate && began == swim.EventLeave:
			d.event.Kind = swim.EventJoin
			kept = append(kept, d)
		case i == to, i == from && began == swim.EventLeave && ends != swim.EventLeave:
			kept = append(kept, d)
		}
	}
	return kept
}

// aboutPresence reports whether the event is for the EventDelegate.
func (d *notification) aboutPresence() bool {
	switch d.event.Kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate:
		return true
	default:
		return false
	}
}

// wanted reports whether there is a delegate for a kind of event.
func (d *delivery) wanted(kind swim.EventKind) bool {
	config := d.m.config
	switch kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate:
		return config.Events != nil
	case swim.EventConflict:
		return config.Conflict != nil
	case swim.EventConflictEnded:
		_, ok := config.Conflict.(ConflictOutcomeDelegate)
		return ok
	case swim.EventPingComplete:
		return d.pingDelegate() != nil
	default:
		return false
	}
}

// queueLocked queues those of the core's events for which there is a delegate, and reports whether there are any.
func (d *delivery) queueLocked(events []swim.Event) bool {
	q := &d.m.mu.notifications
	before, queued := len(q.queued), false
	for i := range events {
		e := &events[i]
		if !d.wanted(e.Kind) {
			continue
		}
		n := notification{event: *e, node: d.m.nodeLocked(&e.Member)}
		if e.Kind == swim.EventConflict || e.Kind == swim.EventConflictEnded {
			n.other = newNode(e.Other)
		}
		q.add(n)
		queued = true
	}
	q.compact()
	d.pending.Add(int64(len(q.queued) - before))
	return queued
}

// deliver calls the delegates for all queued events, unless another goroutine does: then that one delivers these, too.
func (d *delivery) deliver() {
	for d.running.TryLock() {
		for d.next() {
		}
		d.running.Unlock()
		// An event that was queued between the last look and Unlock found the mutex held.
		if d.m.tasks.Closed() || !d.anyQueued() {
			return
		}
	}
}

// await waits until all events that were queued before the call have been delivered. It reports false if the Memberlist stops.
func (d *delivery) await() bool {
	if d.pending.Load() == 0 {
		return true
	}
	if d.running.Lock(d.m.tasks.Context()) != nil {
		return false
	}
	for d.next() {
	}
	d.running.Unlock()
	d.deliver() // those that found the mutex held
	return true
}

func (d *delivery) anyQueued() bool {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return len(d.m.mu.notifications.queued) > 0
}

// next delivers the oldest event. It reports false if there is none or the Memberlist stops. The caller holds d.running.
func (d *delivery) next() bool {
	m := d.m
	m.mu.Lock()
	n, ok := m.mu.notifications.pop()
	m.mu.Unlock()
	if !ok || !m.tasks.BeginCallback() {
		return false
	}
	defer m.tasks.EndCallback()
	defer d.pending.Add(-1)
	defer d.delivered.Add(1)
	switch n.event.Kind {
	case swim.EventJoin:
		m.config.Events.NotifyJoin(n.node)
	case swim.EventLeave:
		m.config.Events.NotifyLeave(n.node)
	case swim.EventUpdate:
		m.config.Events.NotifyUpdate(n.node)
	case swim.EventConflict:
		m.config.Conflict.NotifyConflict(n.node, n.other)
	case swim.EventConflictEnded:
		m.config.Conflict.(ConflictOutcomeDelegate).NotifyConflictOutcome(n.node, n.other, conflictOutcome(n.event.Outcome))
	case swim.EventPingComplete:
		if ping := d.pingDelegate(); ping != nil {
			ping.NotifyPingComplete(n.node, n.event.RTT, n.event.Payload)
		}
	}
	return true
}

// wake wakes loop.
func (d *delivery) wake() {
	select {
	case d.ready <- struct{}{}:
	default:
	}
}

// loop delivers events that are caused by goroutines of the protocol, which must not wait for delegates. It ends with the Memberlist.
func (d *delivery) loop() {
	for {
		select {
		case <-d.ready:
			d.deliver()
		case <-d.m.tasks.Done():
			return
		}
	}
}

// logEvents logs why members come and go. Peers can cause most of these lines at any rate: one that is not written costs almost nothing.
func (t *turn) logEvents() {
	m, now, events := t.m, t.now, t.out.Events
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case swim.EventProbeFailed:
			m.log.Burst(now, "suspect", slog.LevelInfo, logBurst, "suspecting member, no acks received",
				func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
		case swim.EventSuspect:
			if e.Evidence.Cause != swim.CauseProbe {
				m.log.Burst(now, "suspect heard", slog.LevelInfo, logBurst, "member is suspected by another",
					func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
			}
		case swim.EventRecover:
			m.log.Burst(now, "recover", slog.LevelInfo, logBurst, "suspect member has refuted",
				func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
		case swim.EventJoin:
			if e.Evidence != nil && e.Evidence.Down > 0 {
				m.log.Burst(now, "return", slog.LevelInfo, logBurst, "member that was down is alive again",
					func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
			}
		case swim.EventLeave:
			t.logDeath(e)
		case swim.EventTimeout:
			m.log.Burst(now, "failed", slog.LevelInfo, logBurst, "marking member as failed, suspicion timeout reached",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Int("confirmations", e.Count), evidenceAttr(e)) })
		case swim.EventRefused:
			m.log.Burst(now, "failed", slog.LevelInfo, logBurst, "marking member as failed, no process listens at its address",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Int("refused", e.Count), evidenceAttr(e)) })
		case swim.EventSilent:
			m.log.Burst(now, "failed", slog.LevelInfo, logBurst, "marking member as failed, silence timeout reached",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Int("unanswered", e.Count), evidenceAttr(e)) })
		case swim.EventRefute:
			m.log.Burst(now, "refute", slog.LevelWarn, 1, "refuting message about this member",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.String("by", cmp.Or(e.From, "unattributed"))) })
		case swim.EventStreamOnly:
			m.log.Burst(now, "stream only", slog.LevelWarn, 1,
				"member answers on streams but not in packets, network may be misconfigured",
				func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
		case swim.EventConflict:
			m.log.Burst(now, "conflict", slog.LevelError, 1, "two members have one name",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Any("other", e.Other.Addr)) })
		case swim.EventMoved:
			m.log.Burst(now, "moved", slog.LevelInfo, logBurst, "member is back at another address",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Any("before", e.Other.Addr)) })
		case swim.EventIsolated:
			m.metrics.SetGauge(metrics.Isolated, 1)
			m.log.Warn("isolated: most other members have failed", slog.Int("lost", e.Count))
		case swim.EventIsolationEnded:
			m.metrics.SetGauge(metrics.Isolated, 0)
			m.log.Info("no longer isolated", slog.Int("lost", e.Count))
		case swim.EventZoneLost:
			m.log.Burst(now, "zone lost", slog.LevelWarn, logBurst, "no member of a zone is left",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.String("zone", e.Member.Zone)) })
		case swim.EventZoneFound:
			m.log.Burst(now, "zone found", slog.LevelInfo, logBurst, "a lost zone has a member again",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.String("zone", e.Member.Zone)) })
		}
	}
}

// logDeath logs that a member failed by the word of another. Deaths that this member found out have been logged with the events before,
// and those who left need no line.
func (t *turn) logDeath(e *swim.Event) {
	if e.Member.State != swim.StateDead {
		return
	}
	switch e.Evidence.Cause {
	case swim.CauseGossip, swim.CausePushPull, swim.CauseReplaced:
		t.m.log.Burst(t.now, "failed heard", slog.LevelInfo, logBurst, "marking member as failed, another member or process says so",
			func() []slog.Attr { return memberAttrs(&e.Member, evidenceAttr(e)) })
	}
}
