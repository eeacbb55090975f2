// Package index is a hash table of numbers. The caller computes the hash of a key, such as a name, and compares
// candidates itself. A slot is one word, half of it the hash, so that searching and growing touch no other memory.
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock and uses no randomness.
package index

// Index is an open-addressing table. The zero value is empty. An Index is not safe for concurrent use.
//
//	for at, id, ok := x.First(hash); ok; at, id, ok = x.Next(at) {
//		// compare the key of id
//	}
type Index struct {
	slots []uint64 // the upper half of the hash, then the ID plus 1; 0: free
	used  int
}

// Len returns the number of entries.
func (x *Index) Len() int { return x.used }

// All iterates over the IDs. Those of equal hash are in the order in which Next has them.
func (x *Index) All(yield func(id uint32) bool) {
	first := 0 // after a free slot, where no search that began before it goes on
	for first < len(x.slots) && x.slots[first] != 0 {
		first++
	}
	for i := range x.slots {
		if entry := x.slots[(first+i)&(len(x.slots)-1)]; entry != 0 && !yield(uint32(entry)-1) {
			return
		}
	}
}

// Cap returns the number of entries for which there is memory. It never shrinks.
func (x *Index) Cap() int { return len(x.slots) * maxFill / fillUnit }

const (
	minSlots = 8

	// An index is at most maxFill/fillUnit full.
	maxFill, fillUnit = 13, 16
)

func entryOf(hash uint64, id uint32) uint64 { return hash&^0xffffffff | (uint64(id) + 1) }

// home returns the slot where the search for an entry begins. It depends on the upper half of the hash alone: the
// lower half is not stored.
func (x *Index) home(entry uint64) int { return int(entry>>32) & (len(x.slots) - 1) }

// First returns the first candidate for a hash and its slot.
func (x *Index) First(hash uint64) (slot int, id uint32, ok bool) {
	if x.used == 0 {
		return 0, 0, false
	}
	return x.search(x.home(hash), hash)
}

// Next returns the candidate after a slot.
func (x *Index) Next(slot int) (next int, id uint32, ok bool) {
	return x.search((slot+1)&(len(x.slots)-1), x.slots[slot])
}

// search returns the next entry, from a slot on, whose hash has the upper half of hash.
func (x *Index) search(slot int, hash uint64) (at int, id uint32, ok bool) {
	for {
		entry := x.slots[slot]
		if entry == 0 {
			return 0, 0, false
		}
		if entry>>32 == hash>>32 {
			return slot, uint32(entry) - 1, true
		}
		slot = (slot + 1) & (len(x.slots) - 1)
	}
}

// Add adds an ID under a hash. The pair must not be present.
func (x *Index) Add(hash uint64, id uint32) {
	x.Grow(1)
	x.place(entryOf(hash, id))
	x.used++
}

// Grow makes room for n more entries.
func (x *Index) Grow(n int) {
	size := max(len(x.slots), minSlots)
	for fillUnit*(x.used+n) > maxFill*size {
		size *= 2
	}
	if size == len(x.slots) {
		return
	}
	old := x.slots
	x.slots = make([]uint64, size)
	for _, entry := range old {
		if entry != 0 {
			x.place(entry)
		}
	}
}

func (x *Index) place(entry uint64) {
	slot := x.home(entry)
	for x.slots[slot] != 0 {
		slot = (slot + 1) & (len(x.slots) - 1)
	}
	x.slots[slot] = entry
}

// Remove removes an ID under a hash, if it is present.
func (x *Index) Remove(hash uint64, id uint32) {
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
	// Move later entries into the hole, unless that would be before their home: so no search ends early.
	for slot := (hole + 1) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		if home := x.home(x.slots[slot]); (slot-home)&mask >= (slot-hole)&mask {
			x.slots[hole] = x.slots[slot]
			hole = slot
		}
	}
	x.slots[hole] = 0
	x.used--
}
