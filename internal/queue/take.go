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
		e := q.fitting(tier, free)
		if e == nil {
			break
		}
		tier = transmits(e.rank)
		free -= overhead + len(e.message)
		dst = append(dst, e.message)
		q.tree.Delete(e.slot())
		if int64(tier)+1 < int64(transmitLimit) {
			taken = append(taken, e)
			continue
		}
		done = append(done, e.value)
		q.forget(e)
	}

	// Only now, else the next tier would hand them out once more.
	for _, e := range taken {
		e.rank = rank(transmits(e.rank)+1, len(e.message))
		q.tree.ReplaceOrInsert(e.slot())
	}
	finishAll(done, finished)

	clear(taken)
	clear(done)
	q.taken, q.finished = taken[:0], done[:0]
	return dst
}

// fitting returns the first entry, in the queue's order and from the given tier on, whose message has at most free bytes.
func (q *Queue[V]) fitting(tier uint32, free int) *entry[V] {
	for {
		var found *entry[V]
		q.tree.AscendGreaterOrEqual(slot[V]{rank: rank(tier, free)}, func(s slot[V]) bool {
			if len(s.entry.message) > free && transmits(s.rank) == tier {
				return true // its size is beyond what a rank can tell
			}
			found = s.entry
			return false
		})
		if found == nil || len(found.message) <= free {
			return found
		}
		// Nothing in the tier fits, and the next one that is not empty starts with too large a message.
		tier = transmits(found.rank)
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
