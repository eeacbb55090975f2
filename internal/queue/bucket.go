package queue

// bucket holds the entries of one rank: those with the same transmits and the same size. It is a double-ended array in the
// order of their ids, so that what is taken, the newest, is at its end; what was sent once more goes into the next tier's
// bucket mostly at one of its ends.
//
// An entry that leaves a bucket by any other way than being taken from it leaves its slot behind, stale, which costs
// nothing: a slot counts while its entry is in the bucket under the slot's id.
type bucket[V any] struct {
	rank  uint64
	slots []slot[V]
	head  int // slots in use are head to tail
	tail  int
	live  int // those that are not stale
}

// slot is a place in a bucket.
type slot[V any] struct {
	id    uint64
	entry *entry[V]
}

// keepSlots is how many slots an empty bucket may have to be used again; one may have more.
const keepSlots = 256

func (b *bucket[V]) isLive(s *slot[V]) bool { return s.entry.bucket == b && s.entry.id == s.id }

// newest returns the newest entry of a bucket that is not empty.
func (b *bucket[V]) newest() *entry[V] {
	for !b.isLive(&b.slots[b.tail-1]) {
		b.tail--
		b.slots[b.tail] = slot[V]{}
	}
	return b.slots[b.tail-1].entry
}

// oldest returns the oldest entry of a bucket that is not empty.
func (b *bucket[V]) oldest() *entry[V] {
	for !b.isLive(&b.slots[b.head]) {
		b.slots[b.head] = slot[V]{}
		b.head++
	}
	return b.slots[b.head].entry
}

// add puts an entry that is in no bucket to its place.
func (b *bucket[V]) add(e *entry[V]) {
	e.bucket = b
	b.live++
	added := slot[V]{e.id, e}
	switch {
	case b.head == b.tail || e.id > b.slots[b.tail-1].id:
		if b.tail == len(b.slots) {
			b.makeRoom()
		}
		b.slots[b.tail] = added
		b.tail++
	case e.id < b.slots[b.head].id:
		if b.head == 0 {
			b.makeRoom()
		}
		b.head--
		b.slots[b.head] = added
	default:
		b.insert(added)
	}
}

// insert puts a slot between others. It moves those of the shorter side.
func (b *bucket[V]) insert(added slot[V]) {
	if b.head == 0 || b.tail == len(b.slots) {
		b.makeRoom()
	}
	at, end := b.head, b.tail
	for at < end { // the first slot that is newer
		if middle := int(uint(at+end) / 2); b.slots[middle].id < added.id {
			at = middle + 1
		} else {
			end = middle
		}
	}
	if at-b.head < b.tail-at {
		copy(b.slots[b.head-1:], b.slots[b.head:at])
		b.head--
		at--
	} else {
		copy(b.slots[at+1:], b.slots[at:b.tail])
		b.tail++
	}
	b.slots[at] = added
}

// makeRoom leaves the stale slots out, and the same room on both sides of the others: a quarter of their number at least,
// so that it costs little for each slot that is added. The entry that room is made for counts as live already.
func (b *bucket[V]) makeRoom() {
	slots, to := b.slots, 0
	if len(slots) < b.live+b.live/2+4 || len(slots) > 8*b.live+keepSlots {
		slots = make([]slot[V], 2*b.live+6)
	}
	for from := b.head; from < b.tail; from++ {
		if s := b.slots[from]; b.isLive(&s) {
			slots[to] = s
			to++
		}
	}
	head := (len(slots) - to) / 2
	copy(slots[head:], slots[:to])
	clear(slots[:head])
	clear(slots[head+to:])
	b.slots, b.head, b.tail = slots, head, head+to
}

// clear forgets all slots, which are stale.
func (b *bucket[V]) clear() {
	clear(b.slots[b.head:b.tail])
	b.head = len(b.slots) / 2
	b.tail = b.head
}
