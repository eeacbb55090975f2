package memberlist

import (
	"math"
	"slices"
	"sync"

	"github.com/e3431adc/memberlist/internal/queue"
)

// Broadcast is a message for all members that travels by gossip. A TransmitLimitedQueue calls its methods on the
// goroutine that calls the queue, with no lock held.
type Broadcast interface {
	// Invalidates reports whether this broadcast, which is being queued, replaces b. It is called only if neither of
	// the two is a NamedBroadcast with a name or a UniqueBroadcast.
	Invalidates(b Broadcast) bool

	// Message returns the bytes to send, which must not change afterwards. It is called once, by QueueBroadcast.
	//
	// Compat: the reference calls it again whenever it fills a packet.
	Message() []byte

	// Finished is called when the message will not be sent any more: it has been sent often enough, was replaced, or
	// was dropped. It may call the queue. It is called once each time that the broadcast is queued.
	Finished()
}

// NamedBroadcast is a Broadcast that replaces the queued one of the same name. Invalidates is not called for it, but
// should be consistent:
//
//	func (b *update) Invalidates(other memberlist.Broadcast) bool {
//		named, ok := other.(memberlist.NamedBroadcast)
//		return ok && named.Name() == b.Name()
//	}
type NamedBroadcast interface {
	Broadcast

	// Name returns the name of the broadcast. It is called once, by QueueBroadcast. If it is empty, the broadcast is
	// compared by Invalidates, with those that are neither named nor unique.
	Name() string
}

// UniqueBroadcast is a Broadcast that replaces none and is replaced by none. Invalidates is not called for it, and
// should always return false.
type UniqueBroadcast interface {
	Broadcast

	// UniqueBroadcast is never called.
	UniqueBroadcast()
}

// SizedBroadcast is a Broadcast that is notified if it can never be sent.
type SizedBroadcast interface {
	Broadcast

	// TooLarge is called when the message was dropped because it is longer than limit, the maximum in bytes. Finished
	// is called next.
	TooLarge(limit int)
}

// TransmitLimitedQueue holds broadcasts until each has been sent often enough to reach every member with high
// probability (SWIM section 4.1). Those sent the fewest times go first, among those the largest that fits, among
// equals the newest.
//
// A Delegate with broadcasts of its own keeps a queue and calls it from GetBroadcasts. Without MaxItems or MaxBytes a
// queue grows without bound while there is no other member: then call Prune now and then, for example whenever
// NumQueued is larger than expected.
//
// A message that is longer than all of the last thousand or more limits of GetBroadcasts (about a minute of gossip
// with the defaults) is dropped; a SizedBroadcast is notified. See Memberlist.MaxBroadcastSize.
//
// Compat: in the reference it stays for ever.
//
// The zero value is an empty queue that sends each broadcast once. All methods are safe for concurrent use. A queue
// must not be copied after first use.
type TransmitLimitedQueue struct {
	// NumNodes returns the number of members, which determines the number of transmissions. It is called with no lock
	// held, on the goroutine that calls GetBroadcasts, if there are broadcasts. Nil counts as no members. It must not
	// be set while the queue is in use.
	NumNodes func() int

	// RetransmitMult scales the number of transmissions of a broadcast: RetransmitMult * ceil(log10(n+1)) with n
	// members, at least one. It must not be set while the queue is in use.
	RetransmitMult int

	// MaxItems and MaxBytes bound the number of queued broadcasts and the total length of their messages. When a
	// broadcast is queued, others are dropped to make room, in the order of Prune, and counted: see NumDropped. A
	// message of more than MaxBytes is itself dropped. Zero: no bound. Neither may be set while the queue is in use.
	MaxItems int
	MaxBytes int

	mu struct {
		sync.Mutex
		queue   queue.Queue[Broadcast]
		packet  [][]byte // scratch of GetBroadcasts
		dropped uint64   // because of the bounds or their size
		longest int      // upper bound of the messages' lengths
		most    int      // the largest message that would have fitted a call so far
		calls   int      // of GetBroadcasts
	}
}

// callsToTell is the number of calls of GetBroadcasts after which a message that fitted none of them is dropped. It
// is large because limits depend on what else is queued.
const callsToTell = 1000

// plainAtOnce is the number of broadcasts that a new one is compared with before the lock is taken again.
const plainAtOnce = 256

// QueueBroadcast queues a broadcast. A NamedBroadcast replaces the queued one of the same name, a UniqueBroadcast
// none, and any other those that it invalidates, of the ones that are neither. Finished of the replaced ones is
// called before QueueBroadcast returns.
func (q *TransmitLimitedQueue) QueueBroadcast(b Broadcast) {
	switch b := b.(type) {
	case NamedBroadcast:
		if name := b.Name(); name != "" {
			q.push(name, queue.Named, b)
			return
		}
		q.invalidateAndPush(queue.Unique, b) // no other invalidates it: it is not plain
	case UniqueBroadcast:
		q.push("", queue.Unique, b)
	default:
		q.invalidateAndPush(queue.Plain, b)
	}
}

func (q *TransmitLimitedQueue) push(name string, kind queue.Kind, b Broadcast) {
	message := b.Message()
	if q.refuse(b, message) {
		return
	}
	var replaced Broadcast
	var finished []Broadcast
	q.mu.Lock()
	q.mu.queue.Push(name, kind, message, b, func(old Broadcast) { replaced = old })
	q.boundLocked(message, func(old Broadcast) { finished = append(finished, old) })
	q.mu.Unlock()
	if replaced != nil {
		replaced.Finished()
	}
	finishAll(finished)
}

// refuse drops a broadcast that can never fit, and returns whether it did.
func (q *TransmitLimitedQueue) refuse(b Broadcast, message []byte) bool {
	if q.MaxBytes <= 0 || len(message) <= q.MaxBytes {
		return false
	}
	q.mu.Lock()
	q.mu.dropped++
	q.mu.Unlock()
	tooLarge([]Broadcast{b}, q.MaxBytes)
	return true
}

// boundLocked drops broadcasts to make room for a message that was pushed.
func (q *TransmitLimitedQueue) boundLocked(message []byte, finish func(Broadcast)) {
	q.mu.longest = max(q.mu.longest, len(message))
	if q.MaxItems > 0 || q.MaxBytes > 0 {
		q.mu.dropped += uint64(q.mu.queue.Bound(boundOf(q.MaxItems), boundOf(q.MaxBytes), finish))
	}
}

// boundOf returns the bound n, or no bound for zero.
func boundOf(n int) int {
	if n <= 0 {
		return math.MaxInt
	}
	return n
}

// invalidateAndPush removes the plain broadcasts that b invalidates and queues b. Invalidates is called with no lock
// held, for a few broadcasts at a time, until it has been called for all of them, those queued meanwhile included.
func (q *TransmitLimitedQueue) invalidateAndPush(kind queue.Kind, b Broadcast) {
	message := b.Message()
	if q.refuse(b, message) {
		return
	}
	var ids [plainAtOnce]uint64
	var few [plainAtOnce]Broadcast
	var invalid []uint64
	asked := uint64(0)

	q.mu.Lock()
	for {
		n := q.mu.queue.CopyPlain(ids[:], few[:], asked)
		if n == 0 {
			break
		}
		q.mu.Unlock()
		for at := 0; at < n; at++ {
			next := indexInvalidated(b, few[at:n])
			if next < 0 {
				break
			}
			at += next
			invalid = append(invalid, ids[at])
		}
		asked = ids[n-1]
		q.mu.Lock()
	}
	slices.Reverse(invalid) // the newest is finished first
	var finished []Broadcast
	finish := func(old Broadcast) { finished = append(finished, old) }
	q.mu.queue.RemovePlain(invalid, finish)
	q.mu.queue.Push("", kind, message, b, nil)
	q.boundLocked(message, finish)
	q.mu.Unlock()

	finishAll(finished)
}

// indexInvalidated returns the index of the first of the queued broadcasts that b invalidates, or -1. Nil entries
// have left the queue.
func indexInvalidated(b Broadcast, queued []Broadcast) int {
	for i, other := range queued {
		if other != nil && b.Invalidates(other) {
			return i
		}
	}
	return -1
}

// GetBroadcasts returns the messages for one packet, or nil. Each counts as its length plus overhead bytes, and
// together they have at most limit bytes. Each counts as sent; Finished of those that have been sent often enough is
// called before GetBroadcasts returns. The messages are those of the broadcasts, not copies.
func (q *TransmitLimitedQueue) GetBroadcasts(overhead, limit int) [][]byte {
	if q.NumQueued() == 0 {
		return nil
	}
	members := 0
	if q.NumNodes != nil {
		members = q.NumNodes()
	}
	transmitLimit := queue.TransmitLimit(q.RetransmitMult, members)

	var finished, unsendable []Broadcast
	q.mu.Lock()
	q.mu.packet = q.mu.queue.Take(q.mu.packet[:0], overhead, limit, transmitLimit, func(b Broadcast) { finished = append(finished, b) })
	messages := append([][]byte(nil), q.mu.packet...) // owned by the caller
	clear(q.mu.packet)
	q.mu.calls++
	q.mu.most = max(q.mu.most, limit-overhead)
	most := q.mu.most
	if q.mu.longest > most && q.mu.calls >= callsToTell {
		q.mu.longest = most
		q.mu.queue.RemoveLonger(most, func(b Broadcast) { unsendable = append(unsendable, b) })
		q.mu.dropped += uint64(len(unsendable))
	}
	q.mu.Unlock()
	finishAll(finished)
	tooLarge(unsendable, most)
	return messages
}

// NumDropped returns the number of broadcasts dropped because of MaxItems, MaxBytes or their size since the queue was
// made. It counts neither replaced ones nor those of Prune and Reset.
func (q *TransmitLimitedQueue) NumDropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.dropped
}

// NumQueued returns the number of queued broadcasts.
func (q *TransmitLimitedQueue) NumQueued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.queue.Len()
}

// Prune drops broadcasts until at most maxRetain remain: those sent most often first, among them the smallest, among
// equals the oldest. Finished of the dropped ones is called before Prune returns.
func (q *TransmitLimitedQueue) Prune(maxRetain int) {
	var finished []Broadcast
	q.mu.Lock()
	q.mu.queue.Prune(maxRetain, func(b Broadcast) { finished = append(finished, b) })
	q.mu.Unlock()
	finishAll(finished)
}

// Reset drops all broadcasts, and calls Finished of them before it returns.
func (q *TransmitLimitedQueue) Reset() {
	var finished []Broadcast
	q.mu.Lock()
	q.mu.queue.Reset(func(b Broadcast) { finished = append(finished, b) })
	q.mu.Unlock()
	finishAll(finished)
}

// tooLarge notifies the broadcasts that are longer than limit, and calls Finished.
func tooLarge(broadcasts []Broadcast, limit int) {
	for _, b := range broadcasts {
		if sized, ok := b.(SizedBroadcast); ok {
			sized.TooLarge(limit)
		}
		b.Finished()
	}
}

func finishAll(broadcasts []Broadcast) {
	for _, b := range broadcasts {
		b.Finished()
	}
}
