package memberlist

import "github.com/e3431adc/memberlist/internal/swim"

// delivery is an event on its way to a delegate, with the Nodes as they were
// when it happened.
type delivery struct {
	event swim.Event
	node  *Node
	other *Node
}

// maxPendingPings is how many results of pings wait for a slow delegate. Later
// ones are dropped: they tell nothing that the next one does not.
const maxPendingPings = 128

// queueEventsLocked queues those of the core's events that somebody wants to
// hear of, and reports whether there are any.
func (m *Memberlist) queueEventsLocked(events []swim.Event) bool {
	queued := false
	before := len(m.mu.deliveries)
	for i := range events {
		e := &events[i]
		if !m.wanted(e.Kind) {
			continue
		}
		if mayBeDropped(e.Kind) {
			if m.mu.pendingPings >= maxPendingPings {
				continue
			}
			m.mu.pendingPings++
		}
		d := delivery{event: *e, node: m.nodeLocked(&e.Member)}
		if e.Kind == swim.EventConflict || e.Kind == swim.EventConflictEnded {
			d.other = newNode(e.Other)
		}
		m.mu.deliveries = append(m.mu.deliveries, d)
		queued = true
	}
	if len(m.mu.deliveries) > m.mu.compactAt {
		m.mu.deliveries = compacted(m.mu.deliveries)
		m.mu.compactAt = max(minCompactEvents, 2*len(m.mu.deliveries))
	}
	m.untold.Add(int64(len(m.mu.deliveries) - before))
	return queued
}

// conflictVerdict is the verdict of the core as delegates and subscribers get it.
func conflictVerdict(v swim.Verdict) ConflictVerdict {
	if v == swim.VerdictMoved {
		return ConflictMoved
	}
	return ConflictKept
}

// mayBeDropped reports whether a delegate that is slow need not hear of it.
func mayBeDropped(kind swim.EventKind) bool {
	return kind == swim.EventPingComplete || kind == swim.EventConflict || kind == swim.EventConflictEnded
}

// minCompactEvents is how many events may wait for a slow delegate before those
// that cancel each other out are left out.
const minCompactEvents = 4096

// compacted leaves out of events that wait for a slow delegate what it need not
// hear: of each member at most the first and the last remain, and nothing of
// one that came and went, so that there are never more than two for each member
// that is known to us or to the delegate.
func compacted(deliveries []delivery) []delivery {
	first := make(map[string]int)
	last := make(map[string]int)
	for i := range deliveries {
		d := &deliveries[i]
		if !d.aboutPresence() {
			continue
		}
		if _, ok := first[d.node.Name]; !ok {
			first[d.node.Name] = i
		}
		last[d.node.Name] = i
	}
	var kept []delivery
	for i, d := range deliveries {
		if !d.aboutPresence() {
			kept = append(kept, d)
			continue
		}
		from, to := first[d.node.Name], last[d.node.Name]
		began, ends := deliveries[from].event.Kind, deliveries[to].event.Kind
		switch {
		case began == swim.EventJoin && ends == swim.EventLeave:
			// It never was there for the delegate.
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

// aboutPresence reports whether it is the EventDelegate that hears of this.
func (d *delivery) aboutPresence() bool {
	switch d.event.Kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate:
		return true
	default:
		return false
	}
}

// wanted reports whether there is a delegate for a kind of event.
func (m *Memberlist) wanted(kind swim.EventKind) bool {
	switch kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate:
		return m.config.Events != nil
	case swim.EventConflict:
		return m.config.Conflict != nil
	case swim.EventConflictEnded:
		_, ok := m.config.Conflict.(ConflictVerdictDelegate)
		return ok
	case swim.EventPingComplete:
		return m.pingDelegate() != nil
	default:
		return false
	}
}

// deliverEvents calls the delegates for all that is queued, in order, unless
// another goroutine is about that: then that one does it.
func (m *Memberlist) deliverEvents() {
	for m.delivering.TryLock() {
		for m.deliverNext() {
		}
		m.delivering.Unlock()
		// An event that was queued between the last look and Unlock found the mutex held.
		if !m.eventsPending() {
			return
		}
	}
}

// awaitEvents returns when the delegates have been called for all that was
// queued before, or with false when the Memberlist stops.
func (m *Memberlist) awaitEvents() bool {
	if m.untold.Load() == 0 {
		return true
	}
	if m.delivering.Lock(m.tasks.Context()) != nil {
		return false
	}
	for m.deliverNext() {
	}
	m.delivering.Unlock()
	m.deliverEvents() // those that found the mutex held
	return true
}

// eventsPending reports whether there is an event that may be delivered.
func (m *Memberlist) eventsPending() bool {
	select {
	case <-m.tasks.Done():
		return false
	default:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.mu.deliveries) > 0
}

// deliverNext delivers the oldest event, and reports false if there is none or
// none may be delivered any more. The caller holds m.delivering.
func (m *Memberlist) deliverNext() bool {
	d, ok := m.popDelivery()
	if !ok || !m.tasks.BeginCallback() {
		return false
	}
	defer m.tasks.EndCallback()
	defer m.untold.Add(-1)
	defer m.told.Add(1)
	switch d.event.Kind {
	case swim.EventJoin:
		m.config.Events.NotifyJoin(d.node)
	case swim.EventLeave:
		m.config.Events.NotifyLeave(d.node)
	case swim.EventUpdate:
		m.config.Events.NotifyUpdate(d.node)
	case swim.EventConflict:
		m.config.Conflict.NotifyConflict(d.node, d.other)
	case swim.EventConflictEnded:
		m.config.Conflict.(ConflictVerdictDelegate).NotifyConflictVerdict(d.node, d.other, conflictVerdict(d.event.Verdict))
	case swim.EventPingComplete:
		if ping := m.pingDelegate(); ping != nil {
			ping.NotifyPingComplete(d.node, d.event.RTT, d.event.Payload)
		}
	}
	return true
}

func (m *Memberlist) popDelivery() (delivery, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.mu.deliveries) == 0 {
		return delivery{}, false
	}
	d := m.mu.deliveries[0]
	m.mu.deliveries[0] = delivery{}
	m.mu.deliveries = m.mu.deliveries[1:]
	if len(m.mu.deliveries) == 0 {
		m.mu.deliveries = nil
	}
	if mayBeDropped(d.event.Kind) {
		m.mu.pendingPings--
	}
	return d, true
}

// eventLoop delivers what the protocol's own goroutines cause, which must not
// wait for delegates. It ends with the Memberlist.
func (m *Memberlist) eventLoop() {
	for {
		select {
		case <-m.eventsReady:
			m.deliverEvents()
		case <-m.tasks.Done():
			return
		}
	}
}
