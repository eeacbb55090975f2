package swim

import "github.com/e3431adc/memberlist/internal/wire"

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
