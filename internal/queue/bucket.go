package queue

// bucket holds the entries of one rank: those with the same transmits and the same size. It is a double-ended array in the
// order of their ids, so that what is taken, the newest, is at its end; what was sent once more goes into the next tier's
// bucket mostly at one of its ends.
//
// An entry that leaves a bucket by any other way than from an end leaves a hole, a slot that is 0.
type bucket struct {
	rank   uint64
	number uint32 // of the bucket, from 1 on
	base   uint32 // the position of slots[0], modulo 2^32: an entry at position p is in slots[p-base]
	slots  []Handle
	head   int // slots in use are head to tail
	tail   int
	live   int // those that are not holes
}

// keepSlots is how many slots an empty bucket may have to be used again; one may have more.
const keepSlots = 256

// newest returns the newest entry of a bucket that is not empty.
func (b *bucket) newest() Handle {
	for b.slots[b.tail-1] == 0 {
		b.tail--
	}
	return b.slots[b.tail-1]
}

// oldest returns the oldest entry of a bucket that is not empty.
func (b *bucket) oldest() Handle {
	for b.slots[b.head] == 0 {
		b.head++
	}
	return b.slots[b.head]
}

// removeNewest removes what newest returned.
func (b *bucket) removeNewest() {
	b.tail--
	b.slots[b.tail] = 0
	b.live--
}

// remove removes the entry at a position.
func (b *bucket) remove(position uint32) {
	i := int(position - b.base)
	b.slots[i] = 0
	b.live--
	switch i {
	case b.tail - 1:
		b.tail--
	case b.head:
		b.head++
	}
}

// add puts an entry that is in no bucket to its place in b.
func (o *Order[V]) add(b *bucket, h Handle) {
	e := o.at(h)
	e.bucket = b.number
	if b.live == 0 {
		b.head, b.tail = len(b.slots)/2, len(b.slots)/2
	}
	b.live++
	switch {
	case b.live == 1 || e.id == o.id || e.id > o.at(b.newest()).id:
		if b.tail == len(b.slots) {
			o.makeRoom(b, 1)
		}
		e.position = b.base + uint32(b.tail)
		b.slots[b.tail] = h
		b.tail++
	case e.id < o.at(b.oldest()).id:
		if b.head == 0 {
			o.makeRoom(b, 3)
		}
		b.head--
		e.position = b.base + uint32(b.head)
		b.slots[b.head] = h
	default:
		o.insert(b, h, e)
	}
}

// insert puts an entry between others. It moves those of the shorter side.
func (o *Order[V]) insert(b *bucket, h Handle, e *entry[V]) {
	if b.head == 0 || b.tail == len(b.slots) || 2*b.live < b.tail-b.head { // few holes: a search looks at two slots, on average
		o.makeRoom(b, 2)
	}
	at, end := b.head, b.tail
	for at < end { // the first slot that is newer
		middle := int(uint(at+end) / 2)
		older := middle
		for older >= at && b.slots[older] == 0 {
			older--
		}
		if older < at || o.at(b.slots[older]).id < e.id {
			at = middle + 1
		} else {
			end = older
		}
	}
	if at-b.head < b.tail-at {
		b.head--
		at--
		for i := b.head; i < at; i++ {
			o.put(b, i, b.slots[i+1])
		}
	} else {
		for i := b.tail; i > at; i-- {
			o.put(b, i, b.slots[i-1])
		}
		b.tail++
	}
	o.put(b, at, h)
}

// put writes an entry, or a hole, into a slot.
func (o *Order[V]) put(b *bucket, i int, h Handle) {
	b.slots[i] = h
	if h != 0 {
		o.at(h).position = b.base + uint32(i)
	}
}

// makeRoom leaves the holes out and makes room on both sides of the entries, so many quarters of it before them: a quarter
// of their number in all at least, so that it costs little for each that is added. The entry that room is made for counts as
// live already.
func (o *Order[V]) makeRoom(b *bucket, quartersBefore int) {
	used, slots := b.slots[b.head:b.tail], b.slots
	if len(slots) < b.live+b.live/2+4 || len(slots) > 8*b.live+keepSlots {
		slots = make([]Handle, 2*b.live+6)
	}
	entries := b.live - 1
	head := (len(slots) - entries) * quartersBefore / 4
	base := b.base
	if len(used) == entries {
		b.base += uint32(b.head - head) // they keep their positions
		copy(slots[head:], used)
	} else {
		packed := used[:0]
		for _, h := range used {
			if h != 0 {
				packed = append(packed, h)
			}
		}
		copy(slots[head:], packed)
		for i, h := range slots[head : head+entries] {
			o.at(h).position = base + uint32(head+i)
		}
	}
	clear(slots[:head])
	clear(slots[head+entries:])
	b.slots, b.head, b.tail = slots, head, head+entries
}
