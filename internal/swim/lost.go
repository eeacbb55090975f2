package swim

import (
	"hash/maphash"
	"time"

	"github.com/e3431adc/memberlist/internal/index"
)

// lost is a member as it was known when it was declared dead, less its metadata. Its times are after the epoch of the table, in
// which it need not be any more.
type lost struct {
	name        string
	hash        uint64        // of the name
	since       time.Duration // when it was declared dead
	tried       time.Duration // when it was last looked for; never
	incarnation uint32
	episode     uint32
	id          ID
	addr        address
	versions    Versions
}

// lostMembers are those that are remembered, under their names. All are in one array, which is used again.
type lostMembers struct {
	all    []lost // in any order
	seed   maphash.Seed
	byName index.Index // places in all
}

// minLost is for how many lost members memory is kept when none is lost any more.
const minLost = 64

func (l *lostMembers) len() int { return len(l.all) }

// named returns the member of a name, until members are added or removed, or nil.
func (l *lostMembers) named(name string) *lost {
	if len(l.all) == 0 {
		return nil
	}
	if i, ok := l.find(name, maphash.String(l.seed, name)); ok {
		return &l.all[i]
	}
	return nil
}

func (l *lostMembers) find(name string, hash uint64) (i uint32, ok bool) {
	for at, i, ok := l.byName.First(hash); ok; at, i, ok = l.byName.Next(at) {
		if l.all[i].name == name {
			return i, true
		}
	}
	return 0, false
}

// add remembers a member whose name is not remembered.
func (l *lostMembers) add(one lost) {
	one.hash = maphash.String(l.seed, one.name)
	l.byName.Add(one.hash, uint32(len(l.all)))
	l.all = append(l.all, one)
}

// remove forgets the member of a name and returns what was remembered, if it was.
func (l *lostMembers) remove(name string) (one lost, ok bool) {
	if len(l.all) == 0 {
		return lost{}, false
	}
	hash := maphash.String(l.seed, name)
	i, ok := l.find(name, hash)
	if !ok {
		return lost{}, false
	}
	one = l.all[i]
	l.byName.Remove(hash, i)
	last := uint32(len(l.all) - 1)
	if i != last { // the last one takes its place
		l.all[i] = l.all[last]
		l.byName.Remove(l.all[i].hash, last)
		l.byName.Add(l.all[i].hash, i)
	}
	l.all[last] = lost{}
	l.all = l.all[:last]
	return one, true
}

// giveBack gives the memory of what was lost before back, if there is far more than is used.
func (l *lostMembers) giveBack() {
	if cap(l.all) <= minLost || len(l.all) > cap(l.all)/4 {
		return
	}
	less := lostMembers{seed: l.seed}
	for i := range l.all {
		less.add(l.all[i])
	}
	*l = less
}

// lostMember is what was known of a lost one.
func (t *table) lostMember(one *lost) Member {
	return Member{ID: one.id, Name: one.name, Addr: one.addr.addrPort(), Versions: one.versions, Incarnation: one.incarnation,
		State: StateDead, Since: t.epoch.Add(one.since)}
}
