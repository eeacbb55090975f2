package swim

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Snapshot is the states of all known members for a push/pull. It is taken in parts, so that others need not wait for all of it:
//
//	for more := true; more; {
//		// with the Core locked
//		more = core.Snapshot(&s)
//	}
//
// It holds each member that is known throughout, as it was at some moment in between. The zero value is ready for use.
type Snapshot struct {
	Instances
	States []byte // the encoded states, in no order; the next part is appended
	former int    // states of our own former address
}

// Instances are the numbers of members, filled in parts as a Snapshot is.
type Instances struct {
	ByState [StateLeft + 1]int
	next    ID
}

// Count adds the next part, and reports whether there is more.
func (c *Core) Count(n *Instances) (more bool) {
	return c.eachInPart(&n.next, func(m *member) { n.ByState[m.State]++ })
}

// snapshotPart is how many members a part has; it takes some 15 us.
const snapshotPart = 256

// Len returns the number of states.
func (s *Snapshot) Len() int {
	n := s.former
	for _, k := range s.ByState {
		n += k
	}
	return n
}

// Snapshot takes the next part, and reports whether there is more. It includes this member after Announce.
func (c *Core) Snapshot(s *Snapshot) (more bool) {
	return c.eachInPart(&s.next, func(m *member) { s.add(c, m, m.Incarnation) })
}

// eachInPart visits the next members from an ID on, and reports whether there are more.
func (c *Core) eachInPart(next *ID, visit func(*member)) (more bool) {
	end := min(*next+snapshotPart, c.table.ids())
	for ; *next < end; *next++ {
		if m := c.table.at(*next); c.table.shows(m) {
			visit(m)
		}
	}
	return *next < c.table.ids()
}

// add adds the state of m at an incarnation.
func (s *Snapshot) add(c *Core, m *member, incarnation uint32) {
	if change := &c.local.addressChange; m == c.table.self && change.incarnation != 0 {
		s.former = 1
		s.States = (&wire.PushNodeState{
			Name:        m.Name,
			Addr:        change.oldAddr.bytes(),
			Port:        change.oldAddr.port,
			Incarnation: change.incarnation,
			State:       int(StateLeft),
			Vsn:         m.Versions[:],
		}).Append(s.States)
	}
	s.ByState[m.State]++
	s.States = (&wire.PushNodeState{
		Name:        m.Name,
		Addr:        c.table.ip(m),
		Port:        m.port,
		Meta:        m.Meta,
		Incarnation: incarnation,
		State:       int(m.State),
		Vsn:         m.Versions[:],
		Zone:        c.table.zones.bytes(m.zone),
	}).Append(s.States)
}

// Members appends all known members to dst, dead and left ones included, in no order. They include this member after
// Announce.
func (c *Core) Members(dst []Member) []Member {
	for _, id := range c.table.order {
		if m := c.table.at(id); c.table.shows(m) {
			dst = append(dst, c.table.snapshot(m))
		}
	}
	return dst
}

// shows reports whether m is part of snapshots: its row is in use, and it is not this member before Announce.
func (t *table) shows(m *member) bool {
	if m == t.self {
		return m.Incarnation != 0
	}
	return m.Name != ""
}

// The reasons to refuse the states of a peer.
var (
	ErrIncompatibleVersion = errors.New("incompatible protocol version")
	ErrMistaken            = errors.New("another is meant")
)

// CheckPeer returns an error that wraps ErrIncompatibleVersion if a peer itself speaks a version that a member with versions own
// does not understand, or the other way round. The peer's own state is the one with the IP address of the stream, if there is one.
// States of other members that are incompatible are left out when states are merged.
//
// It returns an error that wraps ErrMistaken if the push/pull was meant for another member than the one that answers.
//
// Compat: the reference refuses all states if any member, here or there, speaks a version that any other does not understand.
func CheckPeer(own Versions, states wire.States, from netip.Addr, meant Recipient) error {
	var there, all compatibility
	for v := (wire.StateView{}); states.Next(&v); {
		if State(v.State) != StateAlive {
			continue
		}
		err := incompatible(own, &v)
		all.add(err)
		addr, ok := netip.AddrFromSlice(v.Addr())
		if ok && addr.Unmap() == from {
			there.add(err)
		}
		meant.Observe(v.Name(), netip.AddrPortFrom(addr.Unmap(), v.Port))
	}
	if there.known {
		all = there
	}
	if other, mistaken := meant.Mistaken(); mistaken && all.err == nil {
		return fmt.Errorf("%w: %q is said to be at %v, not %q", ErrMistaken, other, meant.At, meant.Name)
	}
	return all.err
}

// compatibility is whether any of several members is compatible with this one.
type compatibility struct {
	known bool
	err   error // of the first; nil if any is compatible
}

func (c *compatibility) add(err error) {
	if !c.known || err == nil {
		c.known, c.err = true, err
	}
}

// incompatible returns the reason why a member and this one do not understand each other, or nil.
func incompatible(own Versions, v *wire.StateView) error {
	vsn := v.Vsn()
	if string(vsn) == string(own[:]) { // as most are
		return nil
	}
	if len(vsn) < len(own) || vsn[0] == 0 {
		return fmt.Errorf("%w: member %q says no versions", ErrIncompatibleVersion, v.Name())
	}
	theirs := Versions(vsn[:len(own)])
	for i, what := range []string{"protocol", "delegate protocol"} {
		low, high, speaks := 3*i, 3*i+1, 3*i+2
		switch {
		case !own.Understands(theirs, i):
			return fmt.Errorf("%w: member %q speaks %s version %d, we understand [%d, %d]",
				ErrIncompatibleVersion, v.Name(), what, theirs[speaks], own[low], own[high])
		case !theirs.Understands(own, i):
			return fmt.Errorf("%w: member %q understands %s versions [%d, %d], we speak %d",
				ErrIncompatibleVersion, v.Name(), what, theirs[low], theirs[high], own[speaks])
		}
	}
	return nil
}

// Recipient is the member that a push/pull which is no join is meant for. By now its address may belong to a member of another
// cluster, and the two clusters must not merge. So neither side merges states that have another name at the address and do not
// have the intended name. The zero value accepts any member.
//
// Compat: the reference merges the states of any peer.
type Recipient struct {
	Name string
	At   netip.AddrPort

	known bool   // the name is among the states
	other string // another name at the address
}

// Observe notes a state that has a member alive at an address.
func (m *Recipient) Observe(name []byte, at netip.AddrPort) {
	switch {
	case m.Name == "":
	case string(name) == m.Name:
		m.known = true
	case at == m.At:
		m.other = string(name)
	}
}

// Mistaken reports whether another member is at the address, and its name.
func (m *Recipient) Mistaken() (other string, mistaken bool) {
	return m.other, m.other != "" && !m.known
}

// How many states of a push/pull are merged in a turn, while acks and others wait: some hundred microseconds at most.
const (
	statesAtOnce = 256
	newsAtOnce   = 128 // of them that change anything, so that these are still in the CPU's caches when they are put out
)

// Merge removes the next states of a push/pull with a peer from states, at most statesAtOnce, and merges them. It keeps no
// reference to their memory. A member that the peer has as dead is only suspected, so that it can refute; but see
// Peer.OfDifferences.
func (t *Turn) Merge(peer *Peer, states *wire.States) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Merge, callMerge{*peer, *states})
	}
	var v wire.StateView
	var names sequence
	news := false
	enough := len(t.out.Changed) + newsAtOnce
	t.origin = origin{cause: CausePushPull, sender: peer.origin()}
	for i := 0; i < statesAtOnce && len(t.out.Changed) < enough && states.Next(&v); i++ {
		m := t.table.following(v.Name(), &names)
		if m != nil && t.table.knowsAlive(m, &v, t.cfg.DefaultPort) {
			t.failed.onAliveElsewhere(t, m.Name)
			continue
		}
		if m == nil && !news && !peer.stranger && State(v.State) == StateAlive {
			t.expectNews(1 + states.Len())
			news = true
		}
		if !peer.differences || m == nil || !t.believeVerdict(peer, m, &v) {
			t.mergeState(peer, m, &v)
		}
	}
}

// knowsAlive reports whether a state has m alive as it is known already, which is so for most states.
func (t *table) knowsAlive(m *member, v *wire.StateView, defaultPort uint16) bool {
	if State(v.State) != StateAlive || v.Incarnation > m.Incarnation || m == t.self || len(v.Meta()) > MaxMeta ||
		t.isNewZone(m, v.Zone()) || !t.areUsable(m, v.Vsn()) {
		return false
	}
	addr, ok := addressFrom(v.Addr(), v.Port, defaultPort)
	return ok && t.isAt(m, addr)
}

// expectNews makes room for n new members, and for the events of those that are merged in this turn.
func (t *Turn) expectNews(n int) {
	t.table.reserve(n)
	t.queue.reserve(t.table.len() + n)
	t.out.Events = slices.Grow(t.out.Events, min(n, newsAtOnce))
	t.out.Changed = slices.Grow(t.out.Changed, min(n, newsAtOnce))
}

// mergeState merges a state of m, or of an unknown member if m is nil.
func (t *Turn) mergeState(peer *Peer, m *member, v *wire.StateView) {
	name := ""
	if m != nil {
		name = m.Name
	} else {
		name = t.cfg.keep(v.Name())
	}
	kind := wire.TypeAlive
	if State(v.State) != StateAlive {
		kind = wire.TypeDead
	}
	at, _ := addressFrom(v.Addr(), v.Port, t.cfg.DefaultPort)
	if !t.incarnations.believes(t, peer, m, name, kind, v.Incarnation, at) {
		return
	}
	switch State(v.State) {
	case StateAlive:
		if !t.applyAlive(peer, m, &wire.Alive{Incarnation: v.Incarnation, Node: name, Addr: v.Addr(), Port: v.Port,
			Meta: v.Meta(), Vsn: v.Vsn(), Zone: v.Zone()}) {
			t.failed.onAliveElsewhere(t, name)
		}
	case StateLeft:
		t.failed.onLeftWhileFailed(t, name, v.Incarnation)
		t.probation.onLeft(t, name, v.Incarnation)
		if t.isCurrent(m, name, v.Incarnation) {
			t.applyLeave(v.Incarnation, m, address{})
		}
	case StateSuspect, StateDead:
		if t.isCurrent(m, unattributed, v.Incarnation) {
			t.applySuspect(v.Incarnation, m, unattributed)
		}
	default:
		t.out.drop(DropMalformed)
	}
}
