package swim

// ring is the order of the hashes of all names, in which each member has one predecessor. Every second probe goes to the alive
// member that follows us, so that each is pinged at least every other ProbeInterval, and not by chance after several; the other
// probes go through all members in random order (SWIM section 4.3). A member that does not probe like this leaves its successor
// to chance, so the ring is for clusters in which nearly all are known to (see ringSlack).
type ring struct {
	turn      bool    // the next probe goes to the successor
	successor *member // nil: to be found
}

// ringSlack is the part of the members, an eighth, that may be of the reference, or not known yet to know the extensions, while the
// ring is used: each new member is unknown until a ping of one of the two is answered.
const ringSlack = 8

// changed takes a change of the state of a member, or its removal.
func (r *ring) changed() { r.successor = nil }

// next returns the alive member that follows us, every second time, and otherwise nil.
func (r *ring) next(t *Turn) *member {
	if t.cfg.gossipInterval() <= 0 { // probes carry the news then, and must go to all
		return nil
	}
	if !t.cfg.Detector.Ring || ringSlack*(t.present-t.view.extended) > t.present {
		return nil
	}
	if r.turn = !r.turn; !r.turn {
		return nil
	}
	if r.successor == nil {
		r.successor = r.find(t, func(m *member) bool { return !t.zones.areActive(t) || t.table.isSameZone(m) })
	}
	return r.successor
}

// find returns the alive member that follows us of those that may, or nil if none is alive.
func (r *ring) find(t *Turn, may func(*member) bool) (successor *member) {
	own, least := ringPlace(t.table.self.Name), uint64(0)
	for _, id := range t.table.order {
		m := t.table.at(id)
		if m == t.table.self || m.State != StateAlive || !may(m) {
			continue
		}
		if after := ringPlace(m.Name) - own; successor == nil || after < least {
			successor, least = m, after
		}
	}
	return successor
}

// ringPlace returns the place of a name in the ring: it is the same in each process.
func ringPlace(name string) uint64 { return spread64(uint64(hashName(name))) }
