package queue

import (
	"math"

	"github.com/google/btree"
)

const (
	// degree of the btree: a node holds up to 2*degree-1 classes.
	degree = 16

	// maxSpare is the number of empty classes, and of items, that are kept for reuse: each transmission moves a message to
	// another class, and a queue that is full gets an item for each that it drops.
	maxSpare = 32
)

// Item is a queued value. It is valid until the value has been removed: by Remove, or by a Take that reports it as removed.
type Item[V any] struct {
	Value V

	id           uint64 // number of the push, from 1 on
	class        *class[V]
	newer, older *Item[V] // neighbours in the class
}

// Size returns the size of the value's message, in bytes.
func (i *Item[V]) Size() int { return i.class.size() }

// ID returns the number of the push that queued the value: later pushes have higher numbers.
func (i *Item[V]) ID() uint64 { return i.id }

// class is the items of one rank: a list from the newest to the oldest.
type class[V any] struct {
	rank           uint64 // tier and size: see rank
	newest, oldest *Item[V]
}

// tier returns the upper half of the rank.
func (c *class[V]) tier() uint32 { return uint32(c.rank >> 32) }

// size returns the size of each item's message, in bytes.
func (c *class[V]) size() int { return int(math.MaxUint32 - uint32(c.rank)) }

// insert adds an item at its place in the list. It searches from both ends at once: a pushed item is the newest, and
// an item that Take moves comes from the newest end of another class.
func (c *class[V]) insert(i *Item[V]) {
	newer, older := c.oldest, c.newest
	for newer != nil && newer.id < i.id && older.id > i.id {
		newer, older = newer.newer, older.older
	}
	switch {
	case newer == nil: // an empty class
	case newer.id > i.id:
		older = newer.older
	default:
		newer = older.newer
	}
	i.class, i.newer, i.older = c, newer, older
	c.link(newer, i)
	c.link(i, older)
}

// link makes two items neighbours; nil stands for the end of the list.
func (c *class[V]) link(newer, older *Item[V]) {
	if newer == nil {
		c.newest = older
	} else {
		newer.older = older
	}
	if older == nil {
		c.oldest = newer
	} else {
		older.newer = newer
	}
}

// firstTier is the tier of a message that is not urgent and has not been transmitted. Each transmission adds one.
const firstTier = 1 << 31

// tier returns the tier of a message of the kind that has not been transmitted.
func (k Kind) tier() uint32 {
	if k == Urgent {
		return 0
	}
	return firstTier
}

// transmits returns the number of transmissions of messages in a tier.
func transmits(tier uint32) uint32 { return tier &^ firstTier }

// rank orders by tier ascending, then by size descending. Sizes of 4 GiB and more count as one byte less than that.
func rank(tier uint32, size int) uint64 {
	return uint64(tier)<<32 | (math.MaxUint32 - min(uint64(size), math.MaxUint32))
}

// Order is the transmit-limited order of values. A value's message is built by the owner when the value is taken. The zero
// value is empty. An Order is not safe for concurrent use, and must not be copied after first use.
type Order[V any] struct {
	tree  *btree.BTreeG[*class[V]] // those that are not empty
	last  *class[V]                // used last, which is often used again; may be nil
	empty []*class[V]              // for reuse, at most maxSpare
	spare []*Item[V]               // the same
	pivot class[V]                 // scratch: the key of a search in the tree
	taken []ranked[V]              // scratch of Take
	len   int
	bytes int
	id    uint64 // of the last push
}

// Len returns the number of queued values.
func (o *Order[V]) Len() int { return o.len }

// Bytes returns the total size of the queued values' messages, in bytes.
func (o *Order[V]) Bytes() int { return o.bytes }

// Push queues a value that has not been transmitted yet, with the size of its message in bytes. All kinds but Urgent
// are treated alike.
func (o *Order[V]) Push(kind Kind, size int, value V) *Item[V] {
	o.id++
	i := o.newItem()
	i.Value, i.id = value, o.id
	o.insert(i, rank(kind.tier(), size))
	return i
}

// Replace replaces a queued value, as Remove and Push would, and returns the old one.
func (o *Order[V]) Replace(i *Item[V], kind Kind, size int, value V) (old V) {
	old = i.Value
	o.unlink(i)
	o.id++
	i.Value, i.id = value, o.id
	o.insert(i, rank(kind.tier(), size))
	return old
}

// Remove removes a queued value and returns it.
func (o *Order[V]) Remove(i *Item[V]) V {
	value := i.Value
	o.unlink(i)
	o.release(i)
	return value
}

// unlink takes an item out of its class.
func (o *Order[V]) unlink(i *Item[V]) {
	c := i.class
	c.link(i.newer, i.older)
	o.len--
	o.bytes -= c.size()
	if c.newest == nil {
		o.tree.Delete(c)
		if o.last == c {
			o.last = nil
		}
		if len(o.empty) < maxSpare {
			o.empty = append(o.empty, c)
		}
	}
}

// release keeps an item that is not queued any more for reuse.
func (o *Order[V]) release(i *Item[V]) {
	*i = Item[V]{}
	if len(o.spare) < maxSpare {
		o.spare = append(o.spare, i)
	}
}

func (o *Order[V]) newItem() *Item[V] {
	last := len(o.spare) - 1
	if last < 0 {
		return new(Item[V])
	}
	i := o.spare[last]
	o.spare = o.spare[:last]
	return i
}

// insert puts an item into the class of a rank.
func (o *Order[V]) insert(i *Item[V], rank uint64) {
	c := o.classOf(rank)
	c.insert(i)
	o.len++
	o.bytes += c.size()
}

// classOf returns the class of a rank, a new one if there is none.
func (o *Order[V]) classOf(rank uint64) *class[V] {
	if o.last != nil && o.last.rank == rank {
		return o.last
	}
	if o.tree == nil {
		o.tree = btree.NewG(degree, func(a, b *class[V]) bool { return a.rank < b.rank })
	}
	o.pivot.rank = rank
	c, ok := o.tree.Get(&o.pivot)
	if !ok {
		c = o.newClass()
		c.rank = rank
		o.tree.ReplaceOrInsert(c)
	}
	o.last = c
	return c
}

func (o *Order[V]) newClass() *class[V] {
	last := len(o.empty) - 1
	if last < 0 {
		return new(class[V])
	}
	c := o.empty[last]
	o.empty = o.empty[:last]
	return c
}

// Last returns the last item of an order that is not empty: the one transmitted most, of those the smallest, of those the
// oldest.
func (o *Order[V]) Last() *Item[V] {
	last, _ := o.tree.Max()
	return last.oldest
}

// Reset empties the order.
func (o *Order[V]) Reset() { *o = Order[V]{id: o.id} }

// all iterates over the items in order. The loop must not change the order.
func (o *Order[V]) all(yield func(*Item[V]) bool) {
	if o.len == 0 {
		return
	}
	o.tree.Ascend(func(c *class[V]) bool {
		for i := c.newest; i != nil; i = i.older {
			if !yield(i) {
				return false
			}
		}
		return true
	})
}

// backward iterates over the items from the last to the first. The loop must not change the order.
func (o *Order[V]) backward(yield func(*Item[V]) bool) {
	if o.len == 0 {
		return
	}
	o.tree.Descend(func(c *class[V]) bool {
		for i := c.oldest; i != nil; i = i.newer {
			if !yield(i) {
				return false
			}
		}
		return true
	})
}

// Take takes the values for one packet: tier by tier from the fewest transmissions, each time the largest message
// that still fits. A message costs its size and the overhead, both in bytes, and together they cost at most limit
// bytes; room for no more than the overhead takes nothing, not even an empty message. Each value is taken at most
// once a call. A value that has now been transmitted transmitLimit times is removed; the others stay, with one more
// transmission.
//
// visit is called for each of them, in that order; removed tells it whether the value has been removed. It must not
// change the Order.
func (o *Order[V]) Take(overhead, limit, transmitLimit int, visit func(i *Item[V], removed bool)) {
	kept := o.taken[:0]
	tier, c := uint32(0), (*class[V])(nil)
	for free := limit - overhead; free > 0; {
		if c == nil || c.newest == nil || c.size() > free { // else it has the largest that still fit
			c = o.fitting(tier, free)
		}
		if c == nil {
			break
		}
		tier = c.tier()
		size := c.size()
		free -= overhead + size
		i := c.newest
		o.unlink(i)
		removed := int64(transmits(tier))+1 >= int64(transmitLimit)
		visit(i, removed)
		if removed {
			o.release(i)
		} else {
			kept = append(kept, ranked[V]{i, rank(tier+1, size)})
		}
	}
	// Not within the loop: the next tier would take them again.
	for _, k := range kept {
		o.insert(k.item, k.rank)
	}
	clear(kept)
	o.taken = kept[:0]
}

// ranked is an item that has been taken, with its next rank.
type ranked[V any] struct {
	item *Item[V]
	rank uint64
}

// fitting returns the first class, from the given tier on, whose messages have at most free bytes, or nil.
func (o *Order[V]) fitting(tier uint32, free int) *class[V] {
	if o.len == 0 {
		return nil
	}
	for {
		o.pivot.rank = rank(tier, free)
		var found *class[V]
		o.tree.AscendGreaterOrEqual(&o.pivot, func(c *class[V]) bool {
			found = c
			return false
		})
		if found == nil || found.size() <= free {
			return found
		}
		// Nothing in the tier fits, and the next tier begins with too large a message.
		tier = found.tier()
	}
}

// TransmitLimit returns the number of times that a message is transmitted in a cluster of n members, including dead
// ones that have not been removed: mult times the decimal logarithm of n+1, rounded up. It is 0 if n is not positive.
func TransmitLimit(mult, n int) int {
	if n <= 0 {
		return 0
	}
	return mult * int(math.Ceil(math.Log10(float64(n)+1)))
}
