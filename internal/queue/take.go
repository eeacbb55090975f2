package queue

import "math"

// Take takes the values for one packet: tier by tier from the fewest transmits, each time the largest message that still
// fits. A message costs its size and overhead, both in bytes, and together they cost at most limit bytes; what has no room
// for more than the overhead takes no message, not even an empty one. Each value is taken at most once a call. One that has
// now been transmitted transmitLimit times is removed; the others stay, with one more transmit.
//
// taken is called for each of them, in that order, with whether it is removed. It must not change the Order, nor keep the
// pointer.
func (o *Order[V]) Take(overhead, limit, transmitLimit int, taken func(h Handle, v *V, removed bool)) {
	if o.len == 0 {
		return
	}
	remain := o.taken[:0]
	tier := uint32(0)
	for free := limit - overhead; free > 0; {
		b := o.fitting(tier, free)
		if b == nil {
			break
		}
		tier = tierOf(b.rank)
		size := b.size()
		last := int64(transmits(tier))+1 >= int64(transmitLimit)
		for b.live > 0 && free > 0 && size <= free {
			h := b.newest()
			e := o.at(h)
			free -= overhead + size
			b.removeNewest()
			taken(h, &e.value, last)
			if last {
				o.release(h, e, size)
			} else {
				remain = append(remain, moved{h, rank(tier+1, size)})
			}
		}
		if b.live == 0 {
			o.retire(b)
		}
	}
	// Only now, else the next tier would hand them out once more.
	for rest := remain; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].rank == rest[0].rank {
			n++
		}
		o.addAll(o.bucketOf(rest[0].rank), rest[:n])
		rest = rest[n:]
	}
	o.taken = remain[:0]
	o.giveBack()
}

// moved is a value that was taken, and where it goes then.
type moved struct {
	handle Handle
	rank   uint64
}

// fitting returns the first bucket, in the order and from the given tier on, whose messages have at most free bytes.
func (o *Order[V]) fitting(tier uint32, free int) *bucket {
	for {
		var found *bucket
		o.tree.AscendGreaterOrEqual(place{rank: rank(tier, free)}, func(p place) bool {
			found = p.bucket
			return false
		})
		if found == nil || found.size() <= free {
			return found
		}
		// Nothing in the tier fits, and the next one that is not empty starts with too large a message.
		tier = tierOf(found.rank)
	}
}

// TransmitLimit returns how often a message is to be transmitted in a cluster of n members, dead ones that are not yet
// forgotten included: mult times the decimal logarithm of n+1, rounded up. No members, or fewer, give 0.
func TransmitLimit(mult, n int) int {
	if n <= 0 {
		return 0
	}
	return mult * int(math.Ceil(math.Log10(float64(n)+1)))
}
