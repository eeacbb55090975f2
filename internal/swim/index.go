package swim

// index finds IDs by the hash of something that the caller compares: an open table of one word for each, half of it the
// hash, so that neither a search nor growing looks at members that do not match. The zero value is empty.
type index struct {
	slots []uint64 // the hash's upper half, then the ID and 1; 0: free
	used  int
}

const (
	minSlots = 8

	// An index is at most maxFill/fillUnit full.
	maxFill, fillUnit = 13, 16
)

func entryOf(hash uint64, id ID) uint64 { return hash&^0xffffffff | (uint64(id) + 1) }

// home is the slot where the search for an entry begins. It depends on the upper half alone: the lower one is not kept.
func (x *index) home(entry uint64) int { return int(entry>>32) & (len(x.slots) - 1) }

// first returns the first candidate for a hash, and where it is.
func (x *index) first(hash uint64) (slot int, id ID, ok bool) {
	if x.used == 0 {
		return 0, 0, false
	}
	return x.search(x.home(hash), hash)
}

// following returns the candidate after the one in a slot.
func (x *index) following(slot int) (next int, id ID, ok bool) {
	return x.search((slot+1)&(len(x.slots)-1), x.slots[slot])
}

// search goes on from a slot to an entry whose hash has the upper half of hash.
func (x *index) search(slot int, hash uint64) (at int, id ID, ok bool) {
	for {
		entry := x.slots[slot]
		if entry == 0 {
			return 0, 0, false
		}
		if entry>>32 == hash>>32 {
			return slot, ID(uint32(entry) - 1), true
		}
		slot = (slot + 1) & (len(x.slots) - 1)
	}
}

// add adds an ID, which must not be there, under a hash.
func (x *index) add(hash uint64, id ID) {
	if fillUnit*(x.used+1) > maxFill*len(x.slots) {
		old := x.slots
		x.slots = make([]uint64, max(2*len(old), minSlots))
		for _, entry := range old {
			if entry != 0 {
				x.place(entry)
			}
		}
	}
	x.place(entryOf(hash, id))
	x.used++
}

func (x *index) place(entry uint64) {
	slot := x.home(entry)
	for x.slots[slot] != 0 {
		slot = (slot + 1) & (len(x.slots) - 1)
	}
	x.slots[slot] = entry
}

// remove removes an ID under a hash, if it is there.
func (x *index) remove(hash uint64, id ID) {
	if x.used == 0 {
		return
	}
	mask := len(x.slots) - 1
	entry := entryOf(hash, id)
	hole := x.home(entry)
	for x.slots[hole] != entry {
		if x.slots[hole] == 0 {
			return
		}
		hole = (hole + 1) & mask
	}
	// What comes after moves up, unless that were before its home: so no search ends early.
	for slot := (hole + 1) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		if home := x.home(x.slots[slot]); (slot-home)&mask >= (slot-hole)&mask {
			x.slots[hole] = x.slots[slot]
			hole = slot
		}
	}
	x.slots[hole] = 0
	x.used--
}
