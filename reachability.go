package memberlist

import (
	"errors"
	"iter"
	"math"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// MemberInfo is this member's knowledge of one member, which may be itself. It belongs to the receiver; the Node that
// it points to must not be written to.
type MemberInfo struct {
	*Node // never nil

	// Incarnation is the number of times that the member has announced a change or refuted.
	Incarnation uint32

	// Since is the time of the last change of State, by this member's clock. Zero: it was never alive here.
	Since time.Time

	// RTT is the round-trip time of the last direct ping that was acked. Zero: none so far.
	RTT time.Duration

	// Packets has the results of direct pings in packets. Streams has the results of streams: push/pulls dialled from
	// here, and pings for lack of an ack. If only one of them fails, a firewall, a proxy or a full accept queue may
	// be the reason.
	Packets, Streams PathStats
}

// PathStats has the results of packets or streams to a member.
type PathStats struct {
	// Last is the time of the last success. Zero: never.
	Last time.Time

	// Failures is the number of failures since then, or ever.
	Failures int
}

// failuresToTell is the number of consecutive failures from which a path counts as failing: single packets may be
// lost.
const failuresToTell = 3

// Failing reports whether the last three or more attempts have failed.
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

// All iterates over all known members, this one and dead and left ones included, unordered, as of the start of the
// iteration. The loop may call any method and take any time: no lock is held.
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

// Member returns the known member of a name, in whatever state; false if there is none.
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
