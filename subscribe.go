package memberlist

import (
	"slices"
	"strconv"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events. More may be added: ignore unknown ones.
const (
	// EventJoin is reported when a member is alive that was unknown, dead or had left.
	EventJoin EventKind = iota

	// EventUpdate is reported when a member's metadata has changed.
	EventUpdate

	// EventLeave is reported when a member has left.
	EventLeave

	// EventFail is reported when a member is declared dead.
	EventFail

	// EventSuspect is reported when a member is suspected, by Event.By. It is declared dead unless it refutes in
	// time.
	EventSuspect

	// EventRecover is reported when a suspect member has refuted.
	EventRecover

	// EventConflict is reported when two members have one name, and both have acked: see ConflictDelegate.
	// Event.Other is the other one.
	EventConflict

	// EventReachability is reported when packets or streams begin or cease to reach a member: see MemberInfo.Packets, Streams
	// and PathStats.Failing.
	EventReachability

	// EventIsolated is reported when most other members, or all, were declared dead in quick succession: probably
	// this member is the one that is cut off.
	EventIsolated

	// EventIsolationEnded is reported when this member is no longer isolated.
	EventIsolationEnded

	// EventConflictEnded is reported with the result of a claim to a name, Event.Outcome: see ConflictOutcomeDelegate.
	EventConflictEnded

	// EventZoneLost is reported after the EventFail or EventLeave of Event.Member, if no member of its zone (see Config.Zone) is left.
	EventZoneLost

	// EventZoneFound is reported when Event.Member, of a zone that was lost, is alive.
	EventZoneFound
)

// String returns the kind in lower case, such as "join".
func (k EventKind) String() string {
	names := [...]string{"join", "update", "leave", "fail", "suspect", "recover", "conflict", "reachability", "isolated",
		"isolation ended", "conflict ended", "zone lost", "zone found"}
	if int(k) < len(names) {
		return names[k]
	}
	return "event " + strconv.Itoa(int(k))
}

// Event is a change that a Subscription reports.
type Event struct {
	Kind EventKind
	Time time.Time // by this member's clock

	// Member is the member concerned, as of the event: this member itself for EventIsolated and EventIsolationEnded.
	Member MemberInfo

	Other   *Node           // the other claimant of the name (EventConflict, EventConflictEnded)
	By      string          // the name of the reporter, if known (EventSuspect, EventFail)
	Outcome ConflictOutcome // EventConflictEnded only

	// Evidence is why (EventSuspect, EventFail, EventLeave, EventRecover, EventJoin of a member that was down before, EventReachability
	// of packets that fail). It may be nil.
	Evidence *Evidence

	// Lost is the number of events that this subscription lost just before this one, because its buffer was full. If
	// it is not zero, call Memberlist.All for the current members.
	Lost uint64
}

// Subscription is an independent receiver of events. Its methods may be called from any goroutine.
type Subscription struct {
	m      *Memberlist
	events chan Event

	// Guarded by Memberlist.mu.
	lost       uint64 // in total
	unreported uint64 // not reported by an event yet
	stopped    bool
}

// Subscribe returns a subscription to all events from now on, in order, with a buffer for that many events, at least
// one. The member never waits for a receiver: an event that finds the buffer full is lost to that subscription, and
// counted. To miss nothing, call it before All:
//
//	sub := list.Subscribe(256)
//	defer sub.Close()
//	for info := range list.All() { ... }
//	for event := range sub.Events() { ... }
//
// Memberlist.Members may be ahead of the events. After Shutdown it returns a closed subscription.
func (m *Memberlist) Subscribe(buffer int) *Subscription {
	s := &Subscription{m: m, events: make(chan Event, max(buffer, 1))}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.subscriptions.add(s)
	return s
}

// Events returns the channel of events. It is closed by Close and by Shutdown; buffered events can still be received.
func (s *Subscription) Events() <-chan Event { return s.events }

// Lost returns the number of events lost because the buffer was full.
func (s *Subscription) Lost() uint64 {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.lost
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.mu.subscriptions.remove(s)
}

func (s *Subscription) closeLocked() {
	if !s.stopped {
		s.stopped = true
		close(s.events)
	}
}

// subscriptions are those of a member. They are guarded by Memberlist.mu.
type subscriptions struct {
	open   []*Subscription
	closed bool   // later ones are closed from the start
	lost   uint64 // events, by all of them
}

func (l *subscriptions) any() bool { return len(l.open) > 0 }

func (l *subscriptions) add(s *Subscription) {
	if l.closed {
		s.closeLocked()
		return
	}
	l.open = append(l.open, s)
}

func (l *subscriptions) remove(s *Subscription) {
	s.closeLocked()
	l.open = slices.DeleteFunc(l.open, func(o *Subscription) bool { return o == s })
}

// close closes all subscriptions, and later ones.
func (l *subscriptions) close() {
	l.closed = true
	for _, s := range l.open {
		s.closeLocked()
	}
	l.open = nil
}

// publish sends an event to all subscriptions without blocking.
func (l *subscriptions) publish(e Event) {
	for _, s := range l.open {
		e.Lost = s.unreported
		select {
		case s.events <- e:
			s.unreported = 0
		default:
			s.lost++
			s.unreported++
			l.lost++
		}
	}
}

// watchLocked updates reachability and the time of the last change from events of the core, and publishes them.
func (m *Memberlist) watchLocked(now time.Time, events []swim.Event) {
	for i := range events {
		e := &events[i]
		m.notePathLocked(now, e)
		m.mu.view.note(now, e)
		if kind, ok := kindOf(e); ok && m.mu.subscriptions.any() {
			m.mu.subscriptions.publish(m.eventLocked(now, kind, e))
		}
	}
}

// eventLocked converts an event of the core.
func (m *Memberlist) eventLocked(now time.Time, kind EventKind, e *swim.Event) Event {
	member := e.Member
	if kind == EventIsolated || kind == EventIsolationEnded {
		member = m.mu.core.Self()
	}
	event := Event{Kind: kind, Time: now, Evidence: newEvidence(e.Evidence),
		Member: newInfo(&member, m.nodeLocked(&member), m.mu.reachability.get(member.ID))}
	if member.State != swim.StateAlive {
		event.Member.Evidence = event.Evidence
	}
	switch kind {
	case EventConflict:
		event.Other = newNode(e.Other)
	case EventConflictEnded:
		event.Other, event.Outcome = newNode(e.Other), conflictOutcome(e.Outcome)
	case EventSuspect, EventFail:
		event.By = e.From
	}
	return event
}

// kindOf returns the kind of an event of the core, if subscribers are to receive it.
func kindOf(e *swim.Event) (EventKind, bool) {
	switch e.Kind {
	case swim.EventJoin:
		return EventJoin, true
	case swim.EventUpdate:
		return EventUpdate, true
	case swim.EventLeave:
		if e.Member.State == swim.StateLeft {
			return EventLeave, true
		}
		return EventFail, true
	case swim.EventSuspect:
		return EventSuspect, true
	case swim.EventRecover:
		return EventRecover, true
	case swim.EventConflict:
		return EventConflict, true
	case swim.EventConflictEnded:
		return EventConflictEnded, true
	case swim.EventIsolated:
		return EventIsolated, true
	case swim.EventIsolationEnded:
		return EventIsolationEnded, true
	case swim.EventZoneLost:
		return EventZoneLost, true
	case swim.EventZoneFound:
		return EventZoneFound, true
	default:
		return 0, false
	}
}
