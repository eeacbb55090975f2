package memberlist

import (
	"math"
	"slices"
	"sync"

	"github.com/e3431adc/memberlist/internal/queue"
)

// Broadcast is a message that is to reach every member by gossip. A TransmitLimitedQueue calls its methods on whichever
// goroutine calls the queue, and with no lock held.
type Broadcast interface {
	// Invalidates reports whether this broadcast, which is being queued, makes an older one pointless. It is asked only
	// when neither of the two is a NamedBroadcast with a name or a UniqueBroadcast.
	Invalidates(b Broadcast) bool

	// Message gives the bytes to send. Nobody may change them afterwards. It is called once, by QueueBroadcast.
	//
	// Compat: the reference calls it again whenever it fills a packet.
	Message() []byte

	// Finished says that the message will not be sent any more, because it has been sent often enough, was replaced, or
	// was dropped. It may call the queue. It is called once for each time that the broadcast is queued.
	Finished()
}

// NamedBroadcast is a Broadcast that replaces the queued one of the same name. It is found by its name, so that the queue
// need not ask Invalidates, which should give the same answer:
//
//	func (b *update) Invalidates(other memberlist.Broadcast) bool {
//		named, ok := other.(memberlist.NamedBroadcast)
//		return ok && named.Name() == b.Name()
//	}
type NamedBroadcast interface {
	Broadcast

	// Name tells broadcasts apart. It is called once, by QueueBroadcast. One without a name is compared with those that
	// are neither named nor unique, by Invalidates.
	Name() string
}

// UniqueBroadcast is a Broadcast that replaces none and is replaced by none: the queue does not ask Invalidates, which
// should always report false.
type UniqueBroadcast interface {
	Broadcast

	// UniqueBroadcast is never called.
	UniqueBroadcast()
}

// SizedBroadcast is a Broadcast that wants to know if it can never be sent.
type SizedBroadcast interface {
	Broadcast

	// TooLarge says that the message is longer than limit, in bytes, which is the most that fits, and that it has been
	// dropped. Finished is called next.
	TooLarge(limit int)
}

// TransmitLimitedQueue holds broadcasts until each has been sent often enough for it to have reached every member with
// high probability (SWIM section 4.1). What has been sent least goes first, so that news travels before what most have
// heard; among those the largest that fits goes first, among equals the newest.
//
// A Delegate that has messages of its own to gossip keeps a queue and lets GetBroadcasts ask it. Without MaxItems or
// MaxBytes a queue grows without bound while nobody is there to gossip to: then call Prune now and then, say whenever
// NumQueued is above what should ever be outstanding.
//
// What is too large for every packet does not stay: a message that was longer than any of the limits that GetBroadcasts
// has been given, a thousand of them or more (about a minute of gossip with the defaults), is dropped. A SizedBroadcast
// is told. Memberlist.MaxBroadcastSize says beforehand what fits.
//
// Compat: in the reference it stays for ever.
//
// The zero value is an empty queue that sends each broadcast once. All methods are safe for concurrent use. A queue must
// not be copied once used.
type TransmitLimitedQueue struct {
	// NumNodes gives the number of members, on which it depends how often a broadcast is sent. It is called with no lock
	// held, on the goroutine that calls GetBroadcasts, if anything is queued. Nil counts as no members. It must not be
	// set while the queue is in use.
	NumNodes func() int

	// RetransmitMult scales how often a broadcast is sent: RetransmitMult * ceil(log10(n+1)) times with n members, and
	// once in any case. It must not be set while the queue is in use.
	RetransmitMult int

	// MaxItems and MaxBytes bound how many broadcasts are queued, and how many bytes their messages have together. When
	// one more is queued, others make room for it in the order of Prune: those first that have been sent most. They are
	// finished with, and counted: see NumDropped. A message that alone has more than MaxBytes is dropped itself. Zero: no
	// bound. Neither may be set while the queue is in use.
	MaxItems int
	MaxBytes int

	mu struct {
		sync.Mutex
		queue   queue.Queue[Broadcast]
		packet  [][]byte // scratch of GetBroadcasts
		dropped uint64   // for want of room
		longest int      // an upper bound of the messages' lengths
		most    int      // the largest message that ever could have been taken
		calls   int      // of GetBroadcasts
	}
}

// callsToTell is how many limits tell what fits no packet. Not a few, as the limits depend on what else there is to send.
const callsToTell = 1000

// plainAtOnce is the number of broadcasts that a new one is compared with each time that the lock is given up.
const plainAtOnce = 256

// QueueBroadcast queues a broadcast. If it is a NamedBroadcast it replaces the one of the same name; if it is a
// UniqueBroadcast it replaces none; else it replaces those it invalidates, of the ones that are neither. What is replaced
// is finished with before QueueBroadcast returns.
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

// refuse drops a broadcast at once that there is never room for, and reports whether it did.
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

// boundLocked makes room for a message that was pushed.
func (q *TransmitLimitedQueue) boundLocked(message []byte, finish func(Broadcast)) {
	q.mu.longest = max(q.mu.longest, len(message))
	if q.MaxItems > 0 || q.MaxBytes > 0 {
		q.mu.dropped += uint64(q.mu.queue.Bound(boundOf(q.MaxItems), boundOf(q.MaxBytes), finish))
	}
}

// boundOf gives no bound for one that is not set.
func boundOf(n int) int {
	if n <= 0 {
		return math.MaxInt
	}
	return n
}

// invalidateAndPush removes the plain broadcasts that b invalidates and queues b. b is asked with no lock held, about a few
// at a time, until none is left that it was not asked about, of those queued meanwhile too.
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
	slices.Reverse(invalid) // the newest is finished with first
	var finished []Broadcast
	finish := func(old Broadcast) { finished = append(finished, old) }
	q.mu.queue.RemovePlain(invalid, finish)
	q.mu.queue.Push("", kind, message, b, nil)
	q.boundLocked(message, finish)
	q.mu.Unlock()

	finishAll(finished)
}

// indexInvalidated returns the index of the first of the queued broadcasts that b invalidates, or -1. Nil ones are no longer
// queued.
func indexInvalidated(b Broadcast, queued []Broadcast) int {
	for i, other := range queued {
		if other != nil && b.Invalidates(other) {
			return i
		}
	}
	return -1
}

// GetBroadcasts gives the messages for one packet, each counted as its length and overhead, both in bytes, and at most
// limit bytes together; nil if there are none. Each counts as sent: what has now been sent often enough is finished with,
// before GetBroadcasts returns. The messages are those of the broadcasts, not copies.
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
	messages := append([][]byte(nil), q.mu.packet...) // of the caller's own
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

// NumDropped gives how many broadcasts have ever been dropped because of MaxItems and MaxBytes, and because they were too
// large. It does not count those that were replaced, nor what Prune and Reset drop.
func (q *TransmitLimitedQueue) NumDropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.dropped
}

// NumQueued gives the number of queued broadcasts.
func (q *TransmitLimitedQueue) NumQueued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.queue.Len()
}

// Prune drops broadcasts until at most maxRetain are left: those first that have been sent most, among them the smallest,
// among equals the oldest. What is dropped is finished with before Prune returns.
func (q *TransmitLimitedQueue) Prune(maxRetain int) {
	var finished []Broadcast
	q.mu.Lock()
	q.mu.queue.Prune(maxRetain, func(b Broadcast) { finished = append(finished, b) })
	q.mu.Unlock()
	finishAll(finished)
}

// Reset drops all broadcasts, and finishes with them before it returns.
func (q *TransmitLimitedQueue) Reset() {
	var finished []Broadcast
	q.mu.Lock()
	q.mu.queue.Reset(func(b Broadcast) { finished = append(finished, b) })
	q.mu.Unlock()
	finishAll(finished)
}

// tooLarge finishes with broadcasts that are longer than limit.
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
