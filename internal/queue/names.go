package queue

import "hash/maphash"

// names finds the named entries: an open table of one word for each, a third of what a map takes. The zero value is empty.
type names[V any] struct {
	seed  maphash.Seed // so that nobody can choose names that are slow to find
	slots []*entry[V]
	used  int
}

const (
	minNames = 8

	// At most maxFill of fillUnit slots are used.
	maxFill, fillUnit = 13, 16
)

func (n *names[V]) hash(name string) uint32 { return uint32(maphash.String(n.seed, name)) }

// get returns the entry of a name, or nil.
func (n *names[V]) get(name string) *entry[V] {
	if n.used == 0 {
		return nil
	}
	hash, mask := n.hash(name), uint32(len(n.slots)-1)
	for slot := hash & mask; ; slot = (slot + 1) & mask {
		e := n.slots[slot]
		if e == nil || e.hash == hash && e.name == name {
			return e
		}
	}
}

// add adds an entry, whose name is not there.
func (n *names[V]) add(e *entry[V]) {
	if n.slots == nil {
		n.seed = maphash.MakeSeed()
		n.slots = make([]*entry[V], minNames)
	}
	if fillUnit*(n.used+1) > maxFill*len(n.slots) {
		old := n.slots
		n.slots = make([]*entry[V], 2*len(old))
		for _, known := range old {
			if known != nil {
				n.place(known)
			}
		}
	}
	e.hash = n.hash(e.name)
	n.place(e)
	n.used++
}

func (n *names[V]) place(e *entry[V]) {
	mask := uint32(len(n.slots) - 1)
	slot := e.hash & mask
	for n.slots[slot] != nil {
		slot = (slot + 1) & mask
	}
	n.slots[slot] = e
}

// remove removes an entry that is there.
func (n *names[V]) remove(e *entry[V]) {
	mask := uint32(len(n.slots) - 1)
	hole := e.hash & mask
	for n.slots[hole] != e {
		hole = (hole + 1) & mask
	}
	// What comes after moves up, unless that were before its home: so no search ends early.
	for slot := (hole + 1) & mask; n.slots[slot] != nil; slot = (slot + 1) & mask {
		if home := n.slots[slot].hash & mask; (slot-home)&mask >= (slot-hole)&mask {
			n.slots[hole] = n.slots[slot]
			hole = slot
		}
	}
	n.slots[hole] = nil
	n.used--
}
