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
	States []byte             // the encoded states, in no order; the next part is appended
	Counts [StateLeft + 1]int // members by State
	former int                // states of our own former address
	next   ID
}

// snapshotPart is how many members a part has; it takes some 15 us.
const snapshotPart = 256

// Len returns the number of states.
func (s *Snapshot) Len() int {
	n := s.former
	for _, k := range s.Counts {
		n += k
	}
	return n
}

// Snapshot takes the next part, and reports whether there is more. It includes this member after Announce.
func (c *Core) Snapshot(s *Snapshot) (more bool) {
	end := min(s.next+snapshotPart, c.table.ids())
	for ; s.next < end; s.next++ {
		m := c.table.at(s.next)
		if !c.table.shows(m) {
			continue
		}
		if m == c.table.self && c.local.addressChange.incarnation != 0 {
			s.former = 1
			s.States = (&wire.PushNodeState{
				Name:        m.Name,
				Addr:        c.local.addressChange.oldAddr.bytes(),
				Port:        c.local.addressChange.oldAddr.port,
				Incarnation: c.local.addressChange.incarnation,
				State:       int(StateLeft),
				Vsn:         m.Versions[:],
			}).Append(s.States)
		}
		s.Counts[m.State]++
		s.States = (&wire.PushNodeState{
			Name:        m.Name,
			Addr:        c.table.ip(m),
			Port:        m.port,
			Meta:        m.Meta,
			Incarnation: m.Incarnation,
			State:       int(m.State),
			Vsn:         m.Versions[:],
		}).Append(s.States)
	}
	return s.next < c.table.ids()
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
