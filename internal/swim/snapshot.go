package swim

import "github.com/e3431adc/memberlist/internal/wire"

// Snapshot is what a Core knows, as a push/pull says it. It is taken in parts, so that nobody has to wait for the whole:
//
//	for more := true; more; {
//		// the Core is the caller's
//		more = core.Snapshot(&s)
//		// it need not be
//	}
//
// It holds each member that is known throughout, as it is at some moment of that. The zero value is ready.
type Snapshot struct {
	States []byte             // the wire.PushNodeStates of the members, in no order; the next part is appended
	Counts [StateLeft + 1]int // members by State
	former int                // states of what we were before we moved
	next   ID
}

// snapshotPart is how many members a part has: some 15 us of work.
const snapshotPart = 256

// Len is how many states the Snapshot has.
func (s *Snapshot) Len() int {
	n := s.former
	for _, k := range s.Counts {
		n += k
	}
	return n
}

// Snapshot takes the next part of a Snapshot, and reports whether there is more. We are in it since Announce.
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

// Members appends all known members to dst, the dead and left included, in no
// order. We are among them since Announce.
func (c *Core) Members(dst []Member) []Member {
	for _, id := range c.table.order {
		if m := c.table.at(id); c.table.shows(m) {
			dst = append(dst, c.table.snapshot(m))
		}
	}
	return dst
}

// shows reports whether m is to be told of: it is known, and is not ourselves before Announce.
func (t *table) shows(m *member) bool {
	if m == t.self {
		return m.Incarnation != 0
	}
	return m.Name != ""
}
