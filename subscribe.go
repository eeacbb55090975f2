package memberlist

import (
	"slices"
	"strconv"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events. More may be added: ignore those you do not know.
const (
	// EventJoin is a member that is alive and was not known to be: new, or back.
	EventJoin EventKind = iota

	// EventUpdate is a member with other metadata.
	EventUpdate

	// EventLeave is a member that said itself that it goes.
	EventLeave

	// EventFail is a member that is taken for dead.
	EventFail

	// EventSuspect is a member that somebody, Event.By, could not reach. It fails unless it refutes that in time.
	EventSuspect

	// EventRecover is a suspect that has refuted it.
	EventRecover

	// EventConflict is a member whose name another, Event.Other, has too: both answered. See ConflictDelegate.
	EventConflict

	// EventReachability is reported when packets or streams begin or cease to reach a member: see MemberInfo.Packets, Streams
	// and PathStats.Failing.
	EventReachability

	// EventIsolated is this member itself having lost sight of all others, or of most in quick succession: more likely it
	// is this one that is cut off.
	EventIsolated

	// EventIsolationEnded is reported when this member is no longer isolated.
	EventIsolationEnded

	// EventVerdict is what came of an EventConflict, Event.Verdict: see ConflictVerdictDelegate.
	EventVerdict
)

// String gives the kind in lower case, as in "join".
func (k EventKind) String() string {
	names := [...]string{"join", "update", "leave", "fail", "suspect", "recover", "conflict", "reachability", "isolated",
		"isolation ended", "verdict"}
	if int(k) < len(names) {
		return names[k]
	}
	return "event " + strconv.Itoa(int(k))
}

// Event is one thing that happened, as a Subscription tells it.
type Event struct {
	Kind EventKind
	Time time.Time // by this member's clock

	// Member is whom it is about, as it was then: this member itself for EventIsolated and EventIsolationEnded.
	Member MemberInfo

	Other   *Node           // who else claims the name (EventConflict, EventVerdict)
	By      string          // the name of who said so, if known (EventSuspect, EventFail)
	Verdict ConflictVerdict // who has the name (EventVerdict)

	// Lost is how many events this subscription has lost right before this one, because its buffer was full. If it is not
	// zero, Memberlist.All says what has become of the members meanwhile.
	Lost uint64
}

// Subscription is one of any number of independent receivers of events. Its methods may be called from any goroutine.
type Subscription struct {
	m      *Memberlist
	events chan Event

	// Guarded by Memberlist.mu.
	lost    uint64 // ever
	unsaid  uint64 // those of them that no event has told of
	stopped bool
}

// Subscribe returns a subscription to all events from now on, in the order in which they happen, with room for so many
// that its receiver has not yet taken, at least one. The member never waits for a receiver: an event for which there is no
// room is lost to that subscription, and counted. Subscribing before All misses nothing:
//
//	sub := list.Subscribe(256)
//	defer sub.Close()
//	for info := range list.All() { ... }
//	for event := range sub.Events() { ... }
//
// Unlike delegates, receivers may be late: Memberlist.Members is ahead of the events. After Shutdown it returns a
// subscription that is closed.
func (m *Memberlist) Subscribe(buffer int) *Subscription {
	s := &Subscription{m: m, events: make(chan Event, max(buffer, 1))}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.unsubscribable {
		s.closeLocked()
		return s
	}
	m.mu.subscriptions = append(m.mu.subscriptions, s)
	return s
}

// Events returns the channel of the events. It is closed by Close and by Shutdown; what is in it can still be received.
func (s *Subscription) Events() <-chan Event { return s.events }

// Lost returns how many events have been lost so far because the buffer was full.
func (s *Subscription) Lost() uint64 {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.lost
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.closeLocked()
	subs := s.m.mu.subscriptions
	if i := slices.Index(subs, s); i >= 0 {
		s.m.mu.subscriptions = slices.Delete(slices.Clone(subs), i, i+1)
	}
}

func (s *Subscription) closeLocked() {
	if !s.stopped {
		s.stopped = true
		close(s.events)
	}
}

// closeSubscriptions ends all subscriptions, and those yet to come.
func (m *Memberlist) closeSubscriptions() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.unsubscribable = true
	for _, s := range m.mu.subscriptions {
		s.closeLocked()
	}
	m.mu.subscriptions = nil
}

// subscribedLocked reports whether anyone hears of events.
func (m *Memberlist) subscribedLocked() bool { return len(m.mu.subscriptions) > 0 }

// publishLocked offers an event to all subscriptions. No send waits.
func (m *Memberlist) publishLocked(e Event) {
	for _, s := range m.mu.subscriptions {
		e.Lost = s.unsaid
		select {
		case s.events <- e:
			s.unsaid = 0
		default:
			s.lost++
			s.unsaid++
			m.mu.eventsLost++
		}
	}
}

// watchLocked takes the core's events: how members are reached, when the view last changed, what subscribers hear.
func (m *Memberlist) watchLocked(now time.Time, events []swim.Event) {
	for i := range events {
		e := &events[i]
		m.noteContactLocked(now, e)
		m.noteChangeLocked(now, e)
		if kind, ok := kindOf(e); ok && m.subscribedLocked() {
			m.publishLocked(m.eventLocked(now, kind, e))
		}
	}
}

// eventLocked makes the event that tells of one of the core's.
func (m *Memberlist) eventLocked(now time.Time, kind EventKind, e *swim.Event) Event {
	member := e.Member
	if kind == EventIsolated || kind == EventIsolationEnded {
		member = m.mu.core.Self()
	}
	event := Event{Kind: kind, Time: now, Member: m.infoLocked(&member)}
	switch kind {
	case EventConflict:
		event.Other = newNode(e.Other)
	case EventVerdict:
		event.Other, event.Verdict = newNode(e.Other), conflictVerdict(e.Verdict)
	case EventSuspect, EventFail:
		event.By = e.From
	}
	return event
}

// kindOf is what subscribers hear of one of the core's events, if anything.
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
		return EventVerdict, true
	case swim.EventIsolated:
		return EventIsolated, true
	case swim.EventWhole:
		return EventIsolationEnded, true
	default:
		return 0, false
	}
}
