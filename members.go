package memberlist

import (
	"bytes"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// publishNodeLocked makes a member visible as it is now.
func (m *Memberlist) publishNodeLocked(member *swim.Member) {
	var node *Node
	if !member.State.IsDown() {
		node = newNode(member)
	}
	m.nodes.Set(uint32(member.ID), uint8(member.State), node)
	if member.Name == m.config.Name {
		if node == nil {
			node = newNode(member) // is not listed
		}
		m.self.Store(node)
	}
}

// nodeLocked returns the published Node of a member if it is up to date, or else a new one.
func (m *Memberlist) nodeLocked(member *swim.Member) *Node {
	return nodeOf(member, m.nodes.Get(uint32(member.ID)))
}

// nodeOf returns the published Node of a member if it is up to date, or else a new one.
func nodeOf(m *swim.Member, published *Node) *Node {
	n := published
	if n != nil && n.Name == m.Name && n.State == NodeStateType(m.State) && n.Port == m.Addr.Port() &&
		bytes.Equal(n.Meta, m.Meta) && bytes.Equal(n.Addr, m.Addr.Addr().AsSlice()) {
		return n
	}
	return newNode(m)
}

// nodeWithIPv4 is a Node with the bytes of its address. It takes no more memory than a Node, whose size the allocator rounds up.
type nodeWithIPv4 struct {
	Node
	ip [4]byte
}

// newNode makes the Node of a member.
func newNode(m *swim.Member) *Node {
	var node *Node
	if addr := m.Addr.Addr(); addr.Is4() {
		n := &nodeWithIPv4{ip: addr.As4()}
		node, n.Addr = &n.Node, n.ip[:]
	} else {
		node = &Node{Addr: addr.AsSlice()}
	}
	*node = Node{
		Name:  m.Name,
		Addr:  node.Addr,
		Port:  m.Addr.Port(),
		Meta:  m.Meta,
		State: NodeStateType(m.State),
		PMin:  m.Versions[0],
		PMax:  m.Versions[1],
		PCur:  m.Versions[2],
		DMin:  m.Versions[3],
		DMax:  m.Versions[4],
		DCur:  m.Versions[5],
	}
	return node
}

// MemberInfo is this member's knowledge of one member, which may be itself. It belongs to the receiver; the Node that
// it points to must not be written to.
type MemberInfo struct {
	*Node // never nil

	// Incarnation is the number of times that the member has announced a change or refuted.
	Incarnation uint32

	// Since is the time of the last change of State, by this member's clock. Zero: it was never alive here.
	Since time.Time

	// Zone is the zone by which this member groups it: see Config.ZoneOf and Config.Zone. Empty: none, or it is not known yet.
	Zone string

	// RTT is the round-trip time of the last direct ping that was acked. Zero: none so far.
	RTT time.Duration

	// Packets has the results of direct pings in packets. Streams has the results of streams: push/pulls dialled from
	// here, and pings for lack of an ack. If only one of them fails, a firewall, a proxy or a full accept queue may
	// be the reason.
	Packets, Streams PathStats

	// Evidence is why the member is suspect or dead, or has left. It is nil if the member is alive, or if nothing is known.
	Evidence *Evidence
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

// reached is how a member is reached.
type reached struct {
	rtt              time.Duration
	packets, streams path
}

// path is a PathStats in less memory.
type path struct {
	last     [2]uint32 // nanoseconds since 1970, the upper half first; 0: never. An int64 would take 16 bytes with failures.
	failures uint32
}

// note takes the outcome of an attempt, and reports whether that changes PathStats.Failing.
func (p *path) note(now time.Time, err error) (changed bool) {
	before := p.stats().Failing()
	if err == nil {
		*p = pathAt(now)
	} else if p.failures < math.MaxUint32 {
		p.failures++
	}
	return p.stats().Failing() != before
}

// pathAt returns a path with a success at a time.
func pathAt(t time.Time) path {
	nanos := uint64(t.UnixNano())
	return path{last: [2]uint32{uint32(nanos >> 32), uint32(nanos)}}
}

func (p path) stats() PathStats {
	s := PathStats{Failures: int(p.failures)}
	if nanos := uint64(p.last[0])<<32 | uint64(p.last[1]); nanos != 0 {
		s.Last = time.Unix(0, int64(nanos))
	}
	return s
}

// reachability is how all members are reached, by the core's IDs. It is guarded by Memberlist.mu.
type reachability []reached

func (r reachability) get(id swim.ID) reached {
	if int(id) >= len(r) {
		return reached{}
	}
	return r[id]
}

// at returns a pointer to what get returns.
func (r *reachability) at(id swim.ID) *reached {
	if n := int(id) + 1; n > len(*r) {
		if n > cap(*r) {
			*r = append(make(reachability, 0, n+n/8), *r...) // append would grow it by more
		}
		*r = (*r)[:n]
	}
	return &(*r)[id]
}

// All iterates over all known members, this one and dead and left ones included, unordered, as of the start of the
// iteration. The loop may call any method and take any time: no lock is held.
func (m *Memberlist) All() iter.Seq[MemberInfo] {
	return func(yield func(MemberInfo) bool) {
		m.mu.Lock()
		members := m.mu.core.Members(make([]swim.Member, 0, m.mu.core.NumKnown()))
		nodes, paths := make([]*Node, len(members)), make([]reached, len(members))
		var why map[int]*swim.Evidence // of those that are not alive
		for i := range members {
			nodes[i] = m.nodes.Get(uint32(members[i].ID))
			paths[i] = m.mu.reachability.get(members[i].ID)
			if members[i].State != swim.StateAlive {
				if why == nil {
					why = make(map[int]*swim.Evidence)
				}
				why[i] = m.mu.core.Evidence(members[i].ID, time.Now())
			}
		}
		m.mu.Unlock()
		for i := range members {
			info := newInfo(&members[i], nodeOf(&members[i], nodes[i]), paths[i])
			info.Evidence = newEvidence(why[i])
			if !yield(info) {
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
	info := newInfo(member, m.nodeLocked(member), m.mu.reachability.get(member.ID))
	if member.State != swim.StateAlive {
		info.Evidence = newEvidence(m.mu.core.Evidence(member.ID, time.Now()))
	}
	return info
}

func newInfo(member *swim.Member, node *Node, r reached) MemberInfo {
	return MemberInfo{
		Node:        node,
		Incarnation: member.Incarnation,
		Since:       member.Since,
		Zone:        member.Zone,
		RTT:         r.rtt,
		Packets:     r.packets.stats(),
		Streams:     r.streams.stats(),
	}
}

// notePathLocked takes an event of the core.
func (m *Memberlist) notePathLocked(now time.Time, e *swim.Event) {
	switch e.Kind {
	case swim.EventPingComplete:
		c := m.mu.reachability.at(e.Member.ID)
		c.rtt = e.RTT
		m.noteAttemptLocked(now, &c.packets, nil, &e.Member, nil)
	case swim.EventUnanswered:
		m.noteAttemptLocked(now, &m.mu.reachability.at(e.Member.ID).packets, errUnanswered, &e.Member, e.Evidence)
	case swim.EventMoved:
		*m.mu.reachability.at(e.Member.ID) = reached{} // another machine
	}
}

var errUnanswered = errors.New("ping not answered in time")

// noteAttemptLocked takes the outcome of an attempt to reach a member, with the evidence if there is any, and publishes an event if
// PathStats.Failing changes.
func (m *Memberlist) noteAttemptLocked(now time.Time, p *path, err error, member *swim.Member, evidence *swim.Evidence) {
	if p.note(now, err) && m.mu.subscriptions.any() {
		m.mu.subscriptions.publish(Event{Kind: EventReachability, Time: now, Member: m.infoLocked(member), Evidence: newEvidence(evidence)})
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
		m.noteAttemptLocked(now, &m.mu.reachability.at(member.ID).streams, err, &member, nil)
	}
}
