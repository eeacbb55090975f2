package queue

import (
	"math"

	"github.com/google/btree"
)

const (
	// degree of the btree of buckets: a node holds up to 2*degree-1 of them.
	degree = 16

	// maxFree is for how many entries memory is kept when none is queued.
	maxFree = 1024

	// entriesAtOnce is how many entries are allocated at once: with what the queues of this module hold, they fill a size
	// that Go's allocator has, with what it adds to that.
	entriesAtOnce = 11

	// maxUnused is how many empty buckets keep their slots for reuse.
	maxUnused = 64
)

// Handle is one queued value, for as long as it is queued. 0 is none.
type Handle uint32

// Order is the order of a queue, of values of each of which a message is made when it is taken. Its owner finds what is queued
// by the Handles that Push gives. The zero value is empty. An Order is not safe for concurrent use, and must not be copied
// once used.
type Order[V any] struct {
	tree  *btree.BTreeG[place] // the buckets that are not empty
	last  *bucket              // what was looked for last
	len   int
	bytes int
	id    uint64 // of the last push

	buckets []*bucket // by their numbers; nil: given back
	unused  []*bucket // empty
	spare   *bucket   // an empty one that is large

	entries []*[entriesAtOnce]entry[V] // by Handle
	made    Handle                     // Handles below are in use or were; the first is never
	free    Handle                     // the next one by position
	taken   []moved                    // scratch of Take
}

// entry is one queued value.
type entry[V any] struct {
	value    V
	id       uint64 // of its push
	bucket   uint32 // its number
	position uint32 // in the bucket; of a free one, the next free one
}

// place is a bucket's place in the order. Its rank is kept in the tree's nodes so that a comparison does not touch the
// bucket.
type place struct {
	rank   uint64
	bucket *bucket
}

func less(a, b place) bool { return a.rank < b.rank }

// Len returns the number of queued values.
func (o *Order[V]) Len() int { return o.len }

// Bytes returns the total size of the queued values.
func (o *Order[V]) Bytes() int { return o.bytes }

// Value returns what is queued.
func (o *Order[V]) Value(h Handle) *V { return &o.at(h).value }

// Size returns the size of a value's message, in bytes.
func (o *Order[V]) Size(h Handle) int { return o.buckets[o.at(h).bucket].size() }

// ID returns which push a value came with: later ones have higher numbers.
func (o *Order[V]) ID(h Handle) uint64 { return o.at(h).id }

func (o *Order[V]) at(h Handle) *entry[V] { return &o.entries[h/entriesAtOnce][h%entriesAtOnce] }

// Push queues a value that has not been transmitted yet, with the size of its message, in bytes: all of 4 GiB and more have
// the same. Of the kinds it only tells apart what is Urgent.
func (o *Order[V]) Push(kind Kind, size int, value V) Handle {
	h := o.allocate()
	e := o.at(h)
	o.id++
	e.id, e.value = o.id, value
	b := o.bucketOf(rank(kind.tier(), size))
	o.len++
	o.bytes += b.size()
	o.add(b, h)
	return h
}

// Replace puts a value in the place of another, as if that were removed and this pushed, and returns the other.
func (o *Order[V]) Replace(h Handle, kind Kind, size int, value V) (replaced V) {
	e := o.at(h)
	replaced = e.value
	o.id++
	e.id, e.value = o.id, value
	b := o.buckets[e.bucket]
	if to := rank(kind.tier(), size); b.rank != to {
		o.bytes -= b.size()
		o.leave(b, e)
		b = o.bucketOf(to)
		o.bytes += b.size()
	} else {
		b.remove(e.position)
	}
	o.add(b, h)
	return replaced
}

// Remove removes a value and returns it.
func (o *Order[V]) Remove(h Handle) V {
	e := o.at(h)
	b, value := o.buckets[e.bucket], e.value
	size := b.size()
	o.leave(b, e)
	o.release(h, e, size)
	o.giveBack()
	return value
}

// Last returns the last value of an order that is not empty: the one transmitted most, of those the smallest, and the oldest.
func (o *Order[V]) Last() Handle {
	last, _ := o.tree.Max()
	return last.bucket.oldest()
}

// Reset empties an order, and gives its memory back.
func (o *Order[V]) Reset() { *o = Order[V]{id: o.id} }

// ascend calls visit for each value in the order. It must not change the order.
func (o *Order[V]) ascend(visit func(Handle)) {
	if o.tree == nil {
		return
	}
	o.tree.Ascend(func(p place) bool {
		b := p.bucket
		for i := b.tail - 1; i >= b.head; i-- {
			if h := b.slots[i]; h != 0 {
				visit(h)
			}
		}
		return true
	})
}

// descend calls visit for each value from the far end of the order, until it reports false. It must not change the order.
func (o *Order[V]) descend(visit func(Handle) bool) {
	if o.tree == nil {
		return
	}
	o.tree.Descend(func(p place) bool {
		b := p.bucket
		for i := b.head; i < b.tail; i++ {
			if h := b.slots[i]; h != 0 && !visit(h) {
				return false
			}
		}
		return true
	})
}

// bucketOf returns the bucket of a rank, for something to be added.
func (o *Order[V]) bucketOf(rank uint64) *bucket {
	if o.last != nil && o.last.rank == rank {
		return o.last
	}
	if o.tree == nil {
		o.tree = btree.NewG(degree, less)
	}
	p, ok := o.tree.Get(place{rank: rank})
	if !ok {
		p = place{rank, o.newBucket()}
		p.bucket.rank = rank
		o.tree.ReplaceOrInsert(p)
	}
	o.last = p.bucket
	return p.bucket
}

func (o *Order[V]) newBucket() *bucket {
	if b := o.spare; b != nil {
		o.spare = nil
		return b
	}
	if n := len(o.unused); n > 0 {
		b := o.unused[n-1]
		o.unused = o.unused[:n-1]
		return b
	}
	if len(o.buckets) == 0 {
		o.buckets = append(o.buckets, nil) // there is no number 0
	}
	b := &bucket{number: uint32(len(o.buckets))}
	o.buckets = append(o.buckets, b)
	return b
}

// leave takes an entry out of its bucket.
func (o *Order[V]) leave(b *bucket, e *entry[V]) {
	b.remove(e.position)
	if b.live == 0 {
		o.retire(b)
	}
}

// retire takes an empty bucket out of the order.
func (o *Order[V]) retire(b *bucket) {
	o.tree.Delete(place{rank: b.rank})
	if o.last == b {
		o.last = nil
	}
	spare := len(b.slots) > keepSlots && len(b.slots) <= 4*max(o.len, keepSlots) && o.spare == nil
	if !spare && (len(b.slots) > keepSlots || len(o.unused) >= maxUnused) {
		b.slots = nil
	}
	b.head = len(b.slots) / 2
	b.tail = b.head
	if spare {
		o.spare = b // a whole queue goes from tier to tier, each time into the bucket that was emptied before
	} else {
		o.unused = append(o.unused, b)
	}
}

// release makes the Handle of an entry that is in no bucket free, of a value with a message of so many bytes.
func (o *Order[V]) release(h Handle, e *entry[V], size int) {
	o.bytes -= size
	o.len--
	*e = entry[V]{position: uint32(o.free)}
	o.free = h
}

// giveBack gives memory back when nothing is queued any more: what a rare load took would stay for ever.
func (o *Order[V]) giveBack() {
	if o.len > 0 {
		return
	}
	if len(o.entries)*entriesAtOnce > maxFree {
		o.entries, o.made, o.free = nil, 0, 0
	}
	if o.spare != nil || len(o.unused) > maxUnused {
		o.buckets, o.unused, o.spare = nil, nil, nil
	}
}

func (o *Order[V]) allocate() Handle {
	if h := o.free; h != 0 {
		o.free = Handle(o.at(h).position)
		return h
	}
	o.made = max(o.made, 1)
	if int(o.made) >= len(o.entries)*entriesAtOnce {
		o.entries = append(o.entries, new([entriesAtOnce]entry[V]))
	}
	o.made++
	return o.made - 1
}

// firstTier is that of a message that is not urgent and has not been transmitted.
const firstTier = 1 << 31

// tier is where a message of the kind is before it has been transmitted. Each time puts it one further.
func (k Kind) tier() uint32 {
	if k == Urgent {
		return 0
	}
	return firstTier
}

// transmits is how often a message of a tier has been transmitted.
func transmits(tier uint32) uint32 { return tier &^ firstTier }

// rank orders by tier ascending, then by size descending. Sizes of 4 GiB and more count as one byte less than that.
func rank(tier uint32, size int) uint64 {
	return uint64(tier)<<32 | (math.MaxUint32 - min(uint64(size), math.MaxUint32))
}

// sizeOf returns the size that a rank tells.
func sizeOf(rank uint64) int { return int(math.MaxUint32 - uint32(rank)) }

// tierOf returns the upper half of a rank.
func tierOf(rank uint64) uint32 {
	return uint32(rank >> 32)
}
