package swim

import (
	"time"
)

// lost is a member as it was known when it went, less its metadata: it was declared dead, or said farewell. Its times are after
// the epoch of the table, in which it need not be any more.
type failedMember struct {
	name            string
	since           time.Duration // when it went
	incarnation     uint32        // the highest that is known, as it was suspected at since
	deadIncarnation uint32        // the one at which it went
	burst           uint32
	counted         bool // as one of those lost in its episode
	id              ID
	addr            address
	versions        Versions

	left     bool          // it said farewell, or an operator did: it is not looked for
	replaced bool          // another is at its address: it is not looked for
	answered bool          // us, ever: one that never did is not looked for
	tried    time.Duration // when it was last looked for; never
	pinged   time.Duration // when it was last pinged, to find out if it is there; never
	failures int           // times that it was looked for, in vain
	skips    int           // rounds for which others go before it
}

// missed reports whether a member may be somewhere still: it did not leave, and was not replaced.
func (l *failedMember) sought() bool { return !l.left && !l.replaced }

// failedIndex are those that are remembered, by name. Those that are missed are found by address too.
type failedIndex struct {
	byName map[string]*failedMember
	byAddr map[address]*failedMember
}

func newFailedIndex() failedIndex {
	return failedIndex{byName: make(map[string]*failedMember), byAddr: make(map[address]*failedMember)}
}

// len returns how many are missed.
func (l *failedIndex) len() int { return len(l.byAddr) }

// named returns the member of a name, or nil.
func (l *failedIndex) named(name string) *failedMember { return l.byName[name] }

// at returns the member that is missed at an address, or nil.
func (l *failedIndex) at(addr address) *failedMember { return l.byAddr[addr.key()] }

// add remembers a member whose name is not remembered, and at whose address nobody else is missed.
func (l *failedIndex) add(one *failedMember) {
	l.byName[one.name] = one
	if one.sought() {
		l.byAddr[one.addr.key()] = one
	}
}

// remove forgets a member. The memory that many took goes with the last one.
func (l *failedIndex) remove(one *failedMember) {
	delete(l.byName, one.name)
	if one.sought() {
		delete(l.byAddr, one.addr.key())
	}
	if len(l.byName) == 0 {
		*l = newFailedIndex()
	}
}

// least returns the member that is worth remembering least: one that is not missed, then one that never answered, then one that
// is looked for; of each kind the one that went first.
func (l *failedIndex) least() *failedMember {
	var least *failedMember
	for _, one := range l.byName {
		if least == nil || one.less(least) {
			least = one
		}
	}
	return least
}

// less reports whether one is to be forgotten before other. No two are equal.
func (l *failedMember) less(other *failedMember) bool {
	switch {
	case l.sought() != other.sought():
		return other.sought()
	case l.answered != other.answered:
		return !l.answered
	case l.since != other.since:
		return l.since < other.since
	default:
		return l.name < other.name
	}
}

// lostMember is what was known of a lost one.
func (t *table) failedMember(one *failedMember) Member {
	state := StateDead
	if one.left {
		state = StateLeft
	}
	return Member{ID: one.id, Name: one.name, Addr: one.addr.addrPort(), Versions: one.versions, Incarnation: one.incarnation,
		State: state, Since: t.epoch.Add(one.since)}
}
