package swim

import "github.com/e3431adc/memberlist/internal/wire"

// ring is the order of the hashes of all names, in which each member has one predecessor and one successor. In each ProbeInterval a
// member sends a beat to its successor, which is not answered, so that it costs half of what a ping and its ack do. A member whose
// predecessor has not sent one in time probes it at once. So each crash is noticed within about a ProbeInterval, and not by chance
// after several. If the predecessor fails the one before it is probed at once too, as it may have failed at the same time, unnoticed.
// Every second probe is left out instead, unless a member is suspected, which learns of it by a probe; the others go
// through all members in random order (SWIM section 4.3).
//
// Where many are suspect, as in a partition, both exceptions end: members of each side would suspect those of the other sooner than
// without a ring.
//
// With zones there is a ring of each (see zones).
//
// A member that does not do this leaves its successor to chance, so the ring is for clusters in which nearly all do (see ringSlack and
// ringSample). A beat is an ack without a sequence number: members of the reference, and of other clusters, ignore it.
type ring struct {
	place                  uint64  // our own
	predecessor, successor *member // the alive members before and after us; nil: there is none
	last, first            uint64  // how far they are after us
	watch                  deadline
	zoned                  bool // it is that of our zone
	stale                  bool // the neighbours are to be found again
	leftOut                bool // the last probe was left out
}

const (
	// ringSlack is the part of the members that have been heard, an eighth, that may be of the reference while the ring is used.
	ringSlack = 8

	// ringSample is how many members must have been heard, or all but an eighth if they are fewer: in each ProbeInterval one answers,
	// and one pings, at random. In a large cluster it would take minutes until most have.
	ringSample = 32
)

func newRing(name string) ring { return ring{place: ringPlace(name), watch: unset(dueBeat)} }

// isUsed reports whether this member is in the ring: not before some pings have told how long an answer takes. Without rounds of
// gossip probes carry the news, and must go to all.
func (r *ring) isUsed(t *Turn) bool {
	return t.cfg.Detector.Ring && t.cfg.gossipInterval() > 0 && t.roundTrips.areKnown() &&
		t.present > 0 && t.view.heard >= min(ringSample, t.present-t.present/ringSlack) &&
		ringSlack*(t.view.heard-t.view.extended) <= t.view.heard
}

// has reports whether an alive member is in the ring.
func (r *ring) has(t *Turn, m *member) bool { return !r.zoned || t.table.isSameZone(m) }

// stateChanged takes a change of the state of a member.
func (r *ring) stateChanged(t *Turn, m *member) {
	switch {
	case !t.cfg.Detector.Ring || m == t.table.self:
	case m.State != StateAlive:
		r.removed(t, m)
	case r.has(t, m):
		after := r.after(m)
		if r.successor == nil || after < r.first {
			r.successor, r.first = m, after
		}
		if r.predecessor == nil || after > r.last {
			r.follow(t, m, after)
		}
	}
}

// zoneChanged takes a change of the zone of a member.
func (r *ring) zoneChanged() { r.stale = true }

// removed takes the end of a member.
func (r *ring) removed(t *Turn, m *member) {
	ofPredecessor := m == r.predecessor
	if ofPredecessor || m == r.successor {
		r.findNeighbours(t, func(other *member) bool { return other != m })
	}
	if ofPredecessor && r.watch.index >= 0 && !t.suspicions.areMany(t) {
		t.deadlines.set(&r.watch, t.now)
	}
}

// findNeighbours finds the neighbours among the members that may be.
func (r *ring) findNeighbours(t *Turn, may func(*member) bool) {
	var predecessor *member
	var last uint64
	r.successor = nil
	r.each(t, func(m *member) bool { return r.has(t, m) && may(m) }, func(m *member, after uint64) {
		if r.successor == nil || after < r.first {
			r.successor, r.first = m, after
		}
		if predecessor == nil || after > last {
			predecessor, last = m, after
		}
	})
	if predecessor != r.predecessor {
		r.follow(t, predecessor, last)
	}
}

// follow sets the predecessor, which is so far after us.
func (r *ring) follow(t *Turn, m *member, after uint64) {
	t.probe.unhurry(r.predecessor)
	r.predecessor, r.last = m, after
	t.deadlines.stop(&r.watch)
	r.await(t)
}

// await begins to wait for a beat.
func (r *ring) await(t *Turn) {
	if r.predecessor != nil && t.cfg.ProbeInterval > 0 && r.isUsed(t) {
		t.deadlines.set(&r.watch, t.now.Add(t.cfg.ProbeInterval+t.pingTimeout()))
	}
}

// tick sends a beat, and reports whether a probe begins.
func (r *ring) tick(t *Turn) (probe bool) {
	if zoned := t.zones.areActive(t); t.cfg.Detector.Ring && (zoned != r.zoned || r.stale) {
		r.zoned, r.stale = zoned, false
		r.findNeighbours(t, func(*member) bool { return true })
	}
	if !r.isUsed(t) {
		return true
	}
	if s := r.successor; s != nil && s.extended() {
		t.send(t.table.endpoint(s), &wire.Ack{View: t.view.inPing(t)})
	}
	if r.watch.index < 0 {
		r.await(t)
	}
	r.leftOut = !r.leftOut && r.leavesOut(t)
	return !r.leftOut
}

// leavesOut reports whether every second probe is left out: no member is suspect, or many are.
func (r *ring) leavesOut(t *Turn) bool { return len(t.suspicions) == 0 || t.suspicions.areMany(t) }

// onBeat takes a beat, which counts if it is that of the predecessor, and compares the views.
func (r *ring) onBeat(t *Turn, from *Endpoint, a *wire.Ack) {
	m := r.predecessor
	if m == nil || a.View == 0 || !r.isFrom(t, m, from) {
		return
	}
	t.probe.unhurry(m)
	r.await(t)
	t.view.note(m, a.View)
	t.view.compare(t, m, a.View)
}

// isFrom reports whether a beat is that of a member: another one may have the same IP address.
func (r *ring) isFrom(t *Turn, m *member, from *Endpoint) bool {
	if from.Name == "" && from.AddrPort.IsValid() {
		if sender := t.table.located(addressOf(from.AddrPort)); sender != nil {
			return sender == m
		}
	}
	return t.ackSources.isFrom(t, m, from)
}

// onDue probes the predecessor, which has not sent a beat in time.
func (r *ring) onDue(t *Turn) {
	if r.predecessor == nil || !r.isUsed(t) {
		return
	}
	r.await(t)
	t.probe.hurry(t, r.predecessor)
}

// find returns the alive member that follows us of those that may, or nil.
func (r *ring) find(t *Turn, may func(*member) bool) (successor *member) {
	var first uint64
	r.each(t, may, func(m *member, after uint64) {
		if successor == nil || after < first {
			successor, first = m, after
		}
	})
	return successor
}

// each calls f for the other alive members that may, with how far they are after us.
func (r *ring) each(t *Turn, may func(*member) bool, f func(m *member, after uint64)) {
	for _, id := range t.table.order {
		m := t.table.at(id)
		if m != t.table.self && m.State == StateAlive && m.Name != "" && may(m) { // without a name it was just removed
			f(m, r.after(m))
		}
	}
}

// after returns how far the place of a member is after ours.
func (r *ring) after(m *member) uint64 { return ringPlace(m.Name) - r.place }

// ringPlace returns the place of a name in the ring: it is the same in each process.
func ringPlace(name string) uint64 { return spread64(uint64(hashName(name))) }
