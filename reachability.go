package memberlist

import (
	"errors"
	"iter"
	"math"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// MemberInfo is all that this member knows of one, itself included, at one moment. It is the receiver's; what Node points
// to must not be written to.
type MemberInfo struct {
	*Node // never nil

	// Incarnation counts how often the member has announced itself anew or refuted what was said of it.
	Incarnation uint32

	// Since is when State last changed, by this member's clock. Zero: it was never alive here.
	Since time.Time

	// RTT is how long the last direct ping took that the member answered. Zero: none so far.
	RTT time.Duration

	// Packets is how our direct pings of the member went: each probe and none that others made for us. Streams is how
	// streams to it went: exchanges of states that we began, and pings for want of an answer in packets. A member with one
	// of them failing and the other not is reached in part only: a firewall, a proxy, a full accept queue.
	Packets, Streams PathStats
}

// PathStats is the record of one way to reach a member: packets or streams.
type PathStats struct {
	// Last is when it last worked. Zero: never.
	Last time.Time

	// Failures is how many attempts have failed since then, or ever.
	Failures int
}

// failuresToTell is how many attempts in a row must fail for a way to count as failing: each packet may be lost.
const failuresToTell = 3

// Failing reports whether three or more attempts in a row have failed, the latest included.
func (c PathStats) Failing() bool { return c.Failures >= failuresToTell }

// contacts is how a member was reached. There is one for each ID of the core's, in 40 bytes.
type contacts struct {
	rtt              time.Duration
	packets, streams way
}

// way is a PathStats, kept small.
type way struct {
	last     int64 // nanoseconds since 1970; 0: never
	failures uint32
}

// note takes the outcome of an attempt, and reports whether that changes PathStats.Failing.
func (w *way) note(now time.Time, err error) (changed bool) {
	before := w.contact().Failing()
	if err == nil {
		*w = way{last: now.UnixNano()}
	} else if w.failures < math.MaxUint32 {
		w.failures++
	}
	return w.contact().Failing() != before
}

func (w way) contact() PathStats {
	c := PathStats{Failures: int(w.failures)}
	if w.last != 0 {
		c.Last = time.Unix(0, w.last)
	}
	return c
}

// All iterates over all known members, this one, the dead and those who left included, in no order: as they were when the
// iteration began. The loop may do anything, and take its time: nothing is locked.
func (m *Memberlist) All() iter.Seq[MemberInfo] {
	return func(yield func(MemberInfo) bool) {
		m.mu.Lock()
		members := m.mu.core.Members(make([]swim.Member, 0, m.mu.core.NumKnown()))
		nodes, reached := make([]*Node, len(members)), make([]contacts, len(members))
		for i := range members {
			nodes[i] = m.nodes.Get(uint32(members[i].ID))
			reached[i] = m.contactsLocked(members[i].ID)
		}
		m.mu.Unlock()
		for i := range members {
			if !yield(newInfo(&members[i], nodeOf(&members[i], nodes[i]), reached[i])) {
				return
			}
		}
	}
}

// Member returns what is known of the member of a name, dead or left as it may be, and false for one that is not known.
func (m *Memberlist) Member(name string) (MemberInfo, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	member, ok := m.mu.core.Member(name)
	if !ok {
		return MemberInfo{}, false
	}
	return m.infoLocked(&member), true
}

// infoLocked returns what is known of a member.
func (m *Memberlist) infoLocked(member *swim.Member) MemberInfo {
	return newInfo(member, m.nodeLocked(member), m.contactsLocked(member.ID))
}

func newInfo(member *swim.Member, node *Node, c contacts) MemberInfo {
	return MemberInfo{
		Node:        node,
		Incarnation: member.Incarnation,
		Since:       member.Since,
		RTT:         c.rtt,
		Packets:     c.packets.contact(),
		Streams:     c.streams.contact(),
	}
}

// contactsLocked is how the member of an ID was reached.
func (m *Memberlist) contactsLocked(id swim.ID) contacts {
	if int(id) >= len(m.mu.contacts) {
		return contacts{}
	}
	return m.mu.contacts[id]
}

// contactsOfLocked is contactsLocked to write to. There are as many as the cluster has been large.
func (m *Memberlist) contactsOfLocked(id swim.ID) *contacts {
	for int(id) >= len(m.mu.contacts) {
		m.mu.contacts = append(m.mu.contacts, contacts{})
	}
	return &m.mu.contacts[id]
}

// noteContactLocked takes what an event of the core tells of how a member is reached.
func (m *Memberlist) noteContactLocked(now time.Time, e *swim.Event) {
	switch e.Kind {
	case swim.EventPingComplete:
		c := m.contactsOfLocked(e.Member.ID)
		c.rtt = e.RTT
		m.noteWayLocked(now, &c.packets, nil, &e.Member)
	case swim.EventUnanswered:
		m.noteWayLocked(now, &m.contactsOfLocked(e.Member.ID).packets, errUnanswered, &e.Member)
	case swim.EventMoved:
		*m.contactsOfLocked(e.Member.ID) = contacts{} // another machine
	}
}

var errUnanswered = errors.New("ping not answered in time")

// noteWayLocked takes the outcome of an attempt to reach a member, and tells subscribers if the way now counts as failing,
// or no longer.
func (m *Memberlist) noteWayLocked(now time.Time, w *way, err error, member *swim.Member) {
	if w.note(now, err) && m.subscribedLocked() {
		m.publishLocked(Event{Kind: EventReachability, Time: now, Member: m.infoLocked(member)})
	}
}

// noteStream takes the outcome of a stream to a member.
func (m *Memberlist) noteStream(to *swim.Member, err error) {
	var remote *RemoteError
	if errors.As(err, &remote) {
		err = nil // it answered
	}
	if errors.Is(err, ErrShutdown) {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if member, ok := m.mu.core.Member(to.Name); ok && member.Addr == to.Addr {
		m.noteWayLocked(now, &m.contactsOfLocked(member.ID).streams, err, &member)
	}
}
