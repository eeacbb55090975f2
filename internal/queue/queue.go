// Package queue is the order in which gossip leaves a node: messages that have been sent least go first, among those the
// largest that still fits, among equals the newest; a message that has been sent often enough is dropped.
// Before all of them go those that are urgent.
//
//	transmits 0   [ 90 bytes ] [ 61, newer ] [ 61, older ] [ 12 ]     <- taken first
//	transmits 1   [ 75 bytes ] [ 75 ] [ 30 ]
//	transmits 2   [ 88 bytes ]                                        <- pruned first
//
// It is infection-style dissemination as in SWIM section 4.1, with the preference for fresh updates of its section 4.4.
// Messages that rank the same are in one bucket, and the buckets in a btree, so that neither filling a packet nor replacing
// a message walks the queue, however long it is.
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock and uses no randomness.
package queue

import (
	"iter"
	"math"

	"github.com/google/btree"
)

const (
	// degree of the btree of buckets: a node holds up to 2*degree-1 of them.
	degree = 16

	// maxFree is how many dropped entries are kept for reuse when none is queued.
	maxFree = 1024

	// entriesAtOnce is how many entries are allocated at once.
	entriesAtOnce = 32
)

// Kind says which queued messages a new one replaces.
type Kind uint8

const (
	// Named messages replace the queued one of the same name.
	Named Kind = iota

	// Unique messages replace none and are replaced by none. Their name is ignored.
	Unique

	// Plain messages are those that RemovePlain looks at: the owner of the queue decides which ones a new message
	// replaces. Their name is ignored.
	Plain

	// Urgent messages are Named ones, which replace and are replaced by those of the same name, and go before all that are
	// not urgent, however often they have been transmitted.
	Urgent
)

// named reports whether messages of the kind are told apart by their names.
func (k Kind) named() bool { return k == Named || k == Urgent }

// Queue holds messages, each with a value of its owner's, until they have been transmitted often enough. The zero value
// is an empty queue. A queue is not safe for concurrent use, and must not be copied once used.
//
// Methods that take finished call it with the value of each message that they drop; it may be nil. It is called when the
// queue is consistent again, so that it may call the queue.
//
// The queue keeps the message slices that it is given and hands the same ones out: nobody may write them afterwards.
type Queue[V any] struct {
	order *btree.BTreeG[place[V]] // the buckets that are not empty
	last  *bucket[V]              // what was looked for last
	named names[V]
	plain *entry[V] // newest first
	len   int
	bytes int
	id    uint64 // of the last push

	unused   []*bucket[V]
	spare    *bucket[V] // an unused one that is large
	free     *entry[V]  // linked by next
	freeLen  int
	fresh    []entry[V] // never used
	taken    []moved[V] // scratch of Take
	finished []V        // scratch of Take
}

// entry is one queued message.
type entry[V any] struct {
	bucket  *bucket[V] // nil while it is taken
	id      uint64     // of its push
	message []byte
	value   V
	name    string
	kind    Kind
	hash    uint32    // of the name
	prev    *entry[V] // among the plain ones
	next    *entry[V] // among the plain ones, or the free ones
}

// place is a bucket's place in the order. Its rank is kept in the tree's nodes so that a comparison does not touch the
// bucket.
type place[V any] struct {
	rank   uint64
	bucket *bucket[V]
}

// New returns an empty queue.
func New[V any]() *Queue[V] {
	return new(Queue[V])
}

// Len returns the number of queued messages.
func (q *Queue[V]) Len() int {
	return q.len
}

// Bytes returns the total length of the queued messages.
func (q *Queue[V]) Bytes() int {
	return q.bytes
}

// Push queues a message that has not been transmitted yet. If kind is Named or Urgent, a queued message of that
// name is dropped and finished with.
func (q *Queue[V]) Push(name string, kind Kind, message []byte, value V, finished func(V)) {
	if kind.named() {
		if old := q.named.get(name); old != nil {
			q.replace(old, kind, message, value, finished)
			return
		}
	}
	e := q.allocate()
	q.fill(e, kind, message, value)
	switch kind {
	case Named, Urgent:
		e.name = name
		q.named.add(e)
	case Plain:
		q.linkPlain(e)
	}
	q.len++
	q.insert(e, rank(kind.tier(), len(message)))
}

// RemoveNamed drops the message of that name and reports whether there was one.
func (q *Queue[V]) RemoveNamed(name string, finished func(V)) bool {
	old := q.named.get(name)
	if old == nil {
		return false
	}
	q.drop(old, finished)
	return true
}

// Plain iterates over the plain messages that were pushed after the one with the given id (0: all of them), newest
// first, with their ids. The queue must not change meanwhile.
func (q *Queue[V]) Plain(after uint64) iter.Seq2[uint64, V] {
	return func(yield func(uint64, V) bool) {
		for e := q.plain; e != nil && e.id > after; e = e.next {
			if !yield(e.id, e.value) {
				return
			}
		}
	}
}

// RemovePlain drops the plain messages for which invalid, given id and value, reports true. It must not call the queue.
func (q *Queue[V]) RemovePlain(invalid func(uint64, V) bool, finished func(V)) {
	var dropped []V
	for e := q.plain; e != nil; {
		next := e.next
		if invalid(e.id, e.value) {
			dropped = append(dropped, e.value)
			q.drop(e, nil)
		}
		e = next
	}
	finishAll(dropped, finished)
}

// Prune drops messages from the far end, those transmitted most and of them the smallest and oldest first, until at most
// maxLen are left. A negative maxLen counts as 0.
func (q *Queue[V]) Prune(maxLen int, finished func(V)) {
	for excess := q.Len() - max(maxLen, 0); excess > 0 && q.Len() > 0; excess-- {
		last, _ := q.order.Max()
		q.drop(last.bucket.oldest(), finished)
	}
}

// Bound drops messages in the order of Prune, but for the one that was pushed last, until at most maxLen are left and
// they have at most maxBytes bytes together. It returns how many it dropped.
func (q *Queue[V]) Bound(maxLen, maxBytes int, finished func(V)) (dropped int) {
	length, bytes := q.Len(), q.bytes
	if length <= maxLen && bytes <= maxBytes {
		return 0
	}
	var doomed []*entry[V]
	q.descend(func(e *entry[V]) bool {
		if length <= maxLen && bytes <= maxBytes {
			return false
		}
		if e.id != q.id {
			doomed = append(doomed, e)
			length--
			bytes -= len(e.message)
		}
		return true
	})
	q.dropAll(doomed, finished)
	return len(doomed)
}

// RemoveLonger drops the messages of more than n bytes. It walks the whole queue.
func (q *Queue[V]) RemoveLonger(n int, finished func(V)) {
	var doomed []*entry[V]
	q.ascend(func(e *entry[V]) {
		if len(e.message) > n {
			doomed = append(doomed, e)
		}
	})
	q.dropAll(doomed, finished)
}

// dropAll drops entries, and only then finishes with them.
func (q *Queue[V]) dropAll(doomed []*entry[V], finished func(V)) {
	values := make([]V, 0, len(doomed))
	for _, e := range doomed {
		values = append(values, e.value)
		q.drop(e, nil)
	}
	finishAll(values, finished)
}

// Reset drops every message, in the queue's order, and gives its memory back.
func (q *Queue[V]) Reset(finished func(V)) {
	old := *q
	*q = Queue[V]{id: q.id}
	if finished != nil {
		old.ascend(func(e *entry[V]) { finished(e.value) })
	}
}

// ascend calls visit for each entry in the queue's order.
func (q *Queue[V]) ascend(visit func(*entry[V])) {
	if q.order == nil {
		return
	}
	q.order.Ascend(func(p place[V]) bool {
		b := p.bucket
		for i := b.tail - 1; i >= b.head; i-- {
			if s := &b.slots[i]; b.isLive(s) {
				visit(s.entry)
			}
		}
		return true
	})
}

// descend calls visit for each entry from the far end of the queue, until it reports false.
func (q *Queue[V]) descend(visit func(*entry[V]) bool) {
	if q.order == nil {
		return
	}
	q.order.Descend(func(p place[V]) bool {
		b := p.bucket
		for i := b.head; i < b.tail; i++ {
			if s := &b.slots[i]; b.isLive(s) && !visit(s.entry) {
				return false
			}
		}
		return true
	})
}

// replace gives old's entry to the message that takes its place.
func (q *Queue[V]) replace(old *entry[V], kind Kind, message []byte, value V, finished func(V)) {
	replaced := old.value
	q.detach(old)
	q.bytes -= len(old.message)
	q.fill(old, kind, message, value)
	q.insert(old, rank(kind.tier(), len(message)))
	if finished != nil {
		finished(replaced)
	}
}

// fill writes what a push gives into an entry and counts its bytes.
func (q *Queue[V]) fill(e *entry[V], kind Kind, message []byte, value V) {
	q.id++
	q.bytes += len(message)
	e.id = q.id
	e.kind = kind
	e.message = message
	e.value = value
}

// insert puts an entry that is in no bucket into the one of a rank.
func (q *Queue[V]) insert(e *entry[V], rank uint64) { q.bucketOf(rank).add(e) }

// bucketOf returns the bucket of a rank, for something to be added.
func (q *Queue[V]) bucketOf(rank uint64) *bucket[V] {
	if q.last != nil && q.last.rank == rank {
		return q.last
	}
	if q.order == nil {
		q.order = btree.NewG(degree, less[V])
	}
	p, ok := q.order.Get(place[V]{rank: rank})
	if !ok {
		p = place[V]{rank, q.newBucket()}
		p.bucket.rank = rank
		q.order.ReplaceOrInsert(p)
	}
	q.last = p.bucket
	return p.bucket
}

func (q *Queue[V]) newBucket() *bucket[V] {
	if b := q.spare; b != nil {
		q.spare = nil
		return b
	}
	if n := len(q.unused); n > 0 {
		b := q.unused[n-1]
		q.unused = q.unused[:n-1]
		return b
	}
	return new(bucket[V])
}

// detach takes an entry out of its bucket, and an empty bucket out of the order.
func (q *Queue[V]) detach(e *entry[V]) {
	b := e.bucket
	e.bucket = nil
	b.live--
	if b.live > 0 {
		return
	}
	q.order.Delete(place[V]{rank: b.rank})
	if q.last == b {
		q.last = nil
	}
	b.clear()
	switch {
	case len(b.slots) > 4*max(q.len, keepSlots):
	case len(b.slots) > keepSlots:
		q.spare = b // a whole queue goes from tier to tier, each time into the bucket that was emptied before
	case len(q.unused) < maxUnused:
		q.unused = append(q.unused, b)
	}
}

// maxUnused is how many empty buckets are kept for reuse.
const maxUnused = 64

// drop takes an entry out of the queue.
func (q *Queue[V]) drop(e *entry[V], finished func(V)) {
	q.detach(e)
	value := e.value
	q.forget(e)
	if finished != nil {
		finished(value)
	}
}

// forget releases an entry that is in no bucket.
func (q *Queue[V]) forget(e *entry[V]) {
	switch e.kind {
	case Named, Urgent:
		q.named.remove(e)
	case Plain:
		q.unlinkPlain(e)
	}
	q.bytes -= len(e.message)
	q.len--
	*e = entry[V]{next: q.free}
	q.free = e
	q.freeLen++
	if q.len == 0 && q.freeLen > maxFree { // a rare load: it would stay as large for ever
		q.free, q.freeLen, q.fresh = nil, 0, nil
		q.named, q.unused, q.spare = names[V]{}, nil, nil
	}
}

func (q *Queue[V]) allocate() *entry[V] {
	if e := q.free; e != nil {
		q.free = e.next
		q.freeLen--
		e.next = nil
		return e
	}
	if len(q.fresh) == 0 {
		q.fresh = make([]entry[V], entriesAtOnce)
	}
	e := &q.fresh[0]
	q.fresh = q.fresh[1:]
	return e
}

func (q *Queue[V]) linkPlain(e *entry[V]) {
	e.next = q.plain
	if e.next != nil {
		e.next.prev = e
	}
	q.plain = e
}

func (q *Queue[V]) unlinkPlain(e *entry[V]) {
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.plain = e.next
	}
}

func less[V any](a, b place[V]) bool { return a.rank < b.rank }

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

// rank orders by tier ascending, then by size descending. Sizes of 4 GiB and more count as one less than that.
func rank(tier uint32, size int) uint64 {
	return uint64(tier)<<32 | (math.MaxUint32 - min(uint64(size), math.MaxUint32))
}

// tierOf returns the upper half of a rank.
func tierOf(rank uint64) uint32 {
	return uint32(rank >> 32)
}

func finishAll[V any](values []V, finished func(V)) {
	if finished == nil {
		return
	}
	for _, v := range values {
		finished(v)
	}
}
