package queue

import "math"

// Take appends to dst the messages for one packet and returns it: tier by tier from the fewest transmits, each time the
// largest message that still fits. A message costs its length and overhead, both in bytes, and together they cost at
// most limit bytes; what has no room for more than the overhead takes no message, not even an empty one. Each message is
// taken at most once a call. One that has now been transmitted transmitLimit times is finished with; the others stay,
// with one more transmit.
//
// finished is called when all are taken. A Take from within it is allowed.
func (q *Queue[V]) Take(dst [][]byte, overhead, limit, transmitLimit int, finished func(V)) [][]byte {
	if q.Len() == 0 {
		return dst
	}
	taken, done := q.taken[:0], q.finished[:0]
	q.taken, q.finished = nil, nil // finished may call Take

	tier := uint32(0)
	for free := limit - overhead; free > 0; {
		b := q.fitting(tier, free)
		if b == nil {
			break
		}
		tier = tierOf(b.rank)
		last := int64(transmits(tier))+1 >= int64(transmitLimit)
		for left := b.live; left > 0 && free > 0; left-- {
			e := b.newest()
			if len(e.message) > free {
				break
			}
			free -= overhead + len(e.message)
			dst = append(dst, e.message)
			q.detach(e)
			if last {
				done = append(done, e.value)
				q.forget(e)
			} else {
				taken = append(taken, moved[V]{e, rank(tier+1, len(e.message))})
			}
		}
	}

	// Only now, else the next tier would hand them out once more.
	for _, m := range taken {
		q.insert(m.entry, m.rank)
	}
	finishAll(done, finished)

	clear(taken)
	clear(done)
	q.taken, q.finished = taken[:0], done[:0]
	return dst
}

// moved is an entry that was taken, and where it goes then.
type moved[V any] struct {
	entry *entry[V]
	rank  uint64
}

// fitting returns the first bucket, in the queue's order and from the given tier on, whose newest message has at most free
// bytes.
func (q *Queue[V]) fitting(tier uint32, free int) *bucket[V] {
	for {
		var found *bucket[V]
		q.order.AscendGreaterOrEqual(place[V]{rank: rank(tier, free)}, func(p place[V]) bool {
			if len(p.bucket.newest().message) > free && tierOf(p.rank) == tier {
				return true // its size is beyond what a rank can tell
			}
			found = p.bucket
			return false
		})
		if found == nil || len(found.newest().message) <= free {
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
