package swim

import (
	"time"
)

// failedMember is what is remembered of a member that was declared dead or left: all but its metadata. Its times are
// relative to the epoch of the table, which need not hold the member any more.
type failedMember struct {
	name            string
	since           time.Duration // when it failed or left
	incarnation     uint32        // the highest known, at which it may have been suspected since
	deadIncarnation uint32        // at which it failed or left
	burst           uint32
	counted         bool // among the failures of its burst
	id              ID
	addr            address
	versions        Versions

	left     bool          // it left, or an operator said so: it is not looked for
	replaced bool          // another has its address: it is not looked for
	answered bool          // us, at any time: one that never did is not looked for
	tried    time.Duration // when it was last contacted; or never
	pinged   time.Duration // when it was last pinged without a name; or never
	failures int           // contacts without success
	skips    int           // rounds in which it is to be skipped

	verdict *Evidence // nil: it was never alive here
}

// sought reports whether a member may still run: it did not leave, and no other has its address.
func (l *failedMember) sought() bool { return !l.left && !l.replaced }

// failedIndex finds the remembered members by name, and those that are looked for by address too.
type failedIndex struct {
	byName map[string]*failedMember
	byAddr map[address]*failedMember
}

func newFailedIndex() failedIndex {
	return failedIndex{byName: make(map[string]*failedMember), byAddr: make(map[address]*failedMember)}
}

// len returns the number of members that are looked for.
func (l *failedIndex) len() int { return len(l.byAddr) }

// named returns the member with a name, or nil.
func (l *failedIndex) named(name string) *failedMember { return l.byName[name] }

// at returns the member that is looked for at an address, or nil.
func (l *failedIndex) at(addr address) *failedMember { return l.byAddr[addr.key()] }

// add adds a member whose name is not in use, and whose address is not in use among those looked for.
func (l *failedIndex) add(one *failedMember) {
	l.byName[one.name] = one
	if one.sought() {
		l.byAddr[one.addr.key()] = one
	}
}

// remove removes a member. With the last one the memory of all is released.
func (l *failedIndex) remove(one *failedMember) {
	delete(l.byName, one.name)
	if one.sought() {
		delete(l.byAddr, one.addr.key())
	}
	if len(l.byName) == 0 {
		*l = newFailedIndex()
	}
}

// least returns the least valuable member: one that is not looked for, then one that never answered, then one that is looked
// for; of each kind the one that failed first.
func (l *failedIndex) least() *failedMember {
	var least *failedMember
	for _, one := range l.byName {
		if least == nil || one.less(least) {
			least = one
		}
	}
	return least
}

// less reports whether one is less valuable than other. No two are equal.
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

// failedMember returns a remembered member as a Member.
func (t *table) failedMember(one *failedMember) Member {
	state := StateDead
	if one.left {
		state = StateLeft
	}
	return Member{ID: one.id, Name: one.name, Addr: one.addr.addrPort(), Versions: one.versions, Incarnation: one.incarnation,
		State: state, Since: t.epoch.Add(one.since)}
}
