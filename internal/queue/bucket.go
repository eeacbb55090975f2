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

// size is how many bytes each of the bucket's messages has.
func (b *bucket) size() int { return sizeOf(b.rank) }

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

// add puts the entry of the latest push into b.
func (o *Order[V]) add(b *bucket, h Handle) {
	if b.tail == len(b.slots) {
		o.makeRoom(b, 0, 1)
	}
	o.at(h).bucket = b.number
	o.put(b, b.tail, h)
	b.tail++
	b.live++
}

// addAll puts entries that were taken from one bucket into b, the newest first. What it moves of those that are there is the
// part that they go into, or all that is newer, or all that is older, whichever is less, once for all.
func (o *Order[V]) addAll(b *bucket, taken []moved) {
	for _, m := range taken {
		o.at(m.handle).bucket = b.number
	}
	newest, oldest := o.at(taken[0].handle).id, o.at(taken[len(taken)-1].handle).id
	if b.tail-o.search(b, oldest) <= o.search(b, newest)-b.head {
		o.addFromTail(b, taken)
	} else {
		o.addFromHead(b, taken)
	}
	b.live += len(taken)
}

func (o *Order[V]) addFromTail(b *bucket, taken []moved) {
	if len(b.slots)-b.tail < len(taken) {
		o.makeRoom(b, 0, len(taken))
	}
	from, to := b.tail-1, b.tail+len(taken)-1
	b.tail += len(taken)
	for len(taken) > 0 {
		switch {
		case from >= b.head && b.slots[from] == 0:
			from--
			continue
		case from >= b.head && o.at(b.slots[from]).id > o.at(taken[0].handle).id:
			o.put(b, to, b.slots[from])
			from--
		default:
			o.put(b, to, taken[0].handle)
			taken = taken[1:]
		}
		to--
	}
	clear(b.slots[from+1 : to+1])
}

func (o *Order[V]) addFromHead(b *bucket, taken []moved) {
	if b.head < len(taken) {
		o.makeRoom(b, len(taken), 0)
	}
	from, to := b.head, b.head-len(taken)
	b.head -= len(taken)
	for len(taken) > 0 {
		last := len(taken) - 1
		switch {
		case from < b.tail && b.slots[from] == 0:
			from++
			continue
		case from < b.tail && o.at(b.slots[from]).id < o.at(taken[last].handle).id:
			o.put(b, to, b.slots[from])
			from++
		default:
			o.put(b, to, taken[last].handle)
			taken = taken[:last]
		}
		to++
	}
	clear(b.slots[to:from])
}

// put writes an entry into a slot.
func (o *Order[V]) put(b *bucket, i int, h Handle) {
	b.slots[i] = h
	o.at(h).position = b.base + uint32(i)
}

// search returns a slot with nothing older than an id in it and after it, and nothing newer before it.
func (o *Order[V]) search(b *bucket, id uint64) int {
	at, end := b.head, b.tail
	for at < end {
		middle := int(uint(at+end) / 2)
		entry := middle
		for entry >= at && b.slots[entry] == 0 {
			entry--
		}
		if entry < at || o.at(b.slots[entry]).id < id {
			at = middle + 1
		} else {
			end = entry
		}
	}
	return at
}

// makeRoom leaves the holes out and makes room for so many entries before or after the others; for a quarter of all at
// least, so that it costs little for each that is added.
func (o *Order[V]) makeRoom(b *bucket, before, after int) {
	used, slots := b.slots[b.head:b.tail], b.slots
	need := b.live + before + after
	if len(slots) < need+need/2+4 || len(slots) > 8*need+keepSlots {
		slots = make([]Handle, 2*need+6)
	}
	head := (len(slots) - b.live) / 4
	if before > 0 {
		head *= 3
	}
	if len(used) == b.live {
		b.base += uint32(b.head - head) // all keep their positions
		copy(slots[head:], used)
	} else {
		packed := used[:0]
		for _, h := range used {
			if h != 0 {
				packed = append(packed, h)
			}
		}
		copy(slots[head:], packed)
		for i, h := range slots[head : head+b.live] {
			o.at(h).position = b.base + uint32(head+i)
		}
	}
	clear(slots[:head])
	clear(slots[head+b.live:])
	b.slots, b.head, b.tail = slots, head, head+b.live
}
