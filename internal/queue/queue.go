// Package queue is the order in which gossip leaves a node: messages that have been sent least go first, among those the
// largest that still fits, among equals the newest; a message that has been sent often enough is dropped.
//
//	transmits 0   [ 90 bytes ] [ 61, newer ] [ 61, older ] [ 12 ]     <- taken first
//	transmits 1   [ 75 bytes ] [ 75 ] [ 30 ]
//	transmits 2   [ 88 bytes ]                                        <- pruned first
//
// It is infection-style dissemination as in SWIM section 4.1, with the preference for fresh updates of its section 4.4.
// The order is a btree, so that neither filling a packet nor replacing a message walks the queue, however long it is.
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock and uses no randomness.
package queue

import (
	"iter"
	"math"

	"github.com/google/btree"
)

const (
	// degree of the btree: a node holds up to 2*degree-1 slots of 24 bytes.
	degree = 64

	// maxFree is how many dropped entries are kept for reuse.
	maxFree = 1024
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
)

// Queue holds messages, each with a value of its owner's, until they have been transmitted often enough. The zero value
// is an empty queue. A queue is not safe for concurrent use, and must not be copied once used.
//
// Methods that take finished call it with the value of each message that they drop; it may be nil. It is called when the
// queue is consistent again, so that it may call the queue.
//
// The queue keeps the message slices that it is given and hands the same ones out: nobody may write them afterwards.
type Queue[V any] struct {
	tree  *btree.BTreeG[slot[V]]
	named map[string]*entry[V]
	plain *entry[V] // newest first
	bytes int
	id    uint64 // of the last push

	free     *entry[V] // linked by next
	freeLen  int
	taken    []*entry[V] // scratch of Take
	finished []V         // scratch of Take
}

// entry is one queued message.
type entry[V any] struct {
	rank    uint64
	age     uint64
	message []byte
	value   V
	name    string
	kind    Kind
	prev    *entry[V] // among the plain ones
	next    *entry[V] // among the plain ones, or the free ones
}

// slot is an entry's place in the order: by rank, then by age. Both are kept in the tree's nodes so that a comparison
// does not touch the entry.
type slot[V any] struct {
	rank  uint64 // transmits in the upper half, the complement of the size in the lower
	age   uint64 // the complement of the id
	entry *entry[V]
}

// New returns an empty queue.
func New[V any]() *Queue[V] {
	return new(Queue[V])
}

// Len returns the number of queued messages.
func (q *Queue[V]) Len() int {
	if q.tree == nil {
		return 0
	}
	return q.tree.Len()
}

// Bytes returns the total length of the queued messages.
func (q *Queue[V]) Bytes() int {
	return q.bytes
}

// Push queues a message that has not been transmitted yet. If kind is Named, a queued message of that name is dropped
// and finished with.
func (q *Queue[V]) Push(name string, kind Kind, message []byte, value V, finished func(V)) {
	if q.tree == nil {
		q.tree = btree.NewG(degree, less[V])
	}
	if kind == Named {
		if old := q.named[name]; old != nil {
			q.replace(old, message, value, finished)
			return
		}
	}
	e := q.allocate()
	q.fill(e, message, value)
	e.kind = kind
	switch kind {
	case Named:
		if q.named == nil {
			q.named = make(map[string]*entry[V])
		}
		e.name = name
		q.named[name] = e
	case Plain:
		q.linkPlain(e)
	}
	q.tree.ReplaceOrInsert(e.slot())
}

// RemoveNamed drops the message of that name and reports whether there was one.
func (q *Queue[V]) RemoveNamed(name string, finished func(V)) bool {
	old := q.named[name]
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
		for e := q.plain; e != nil && e.id() > after; e = e.next {
			if !yield(e.id(), e.value) {
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
		if invalid(e.id(), e.value) {
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
		last, _ := q.tree.Max()
		q.drop(last.entry, finished)
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
	q.tree.Descend(func(s slot[V]) bool {
		if length <= maxLen && bytes <= maxBytes {
			return false
		}
		if s.entry.id() != q.id {
			doomed = append(doomed, s.entry)
			length--
			bytes -= len(s.entry.message)
		}
		return true
	})
	q.dropAll(doomed, finished)
	return len(doomed)
}

// RemoveLonger drops the messages of more than n bytes. It walks the whole queue.
func (q *Queue[V]) RemoveLonger(n int, finished func(V)) {
	var doomed []*entry[V]
	if q.tree != nil {
		q.tree.Ascend(func(s slot[V]) bool {
			if len(s.entry.message) > n {
				doomed = append(doomed, s.entry)
			}
			return true
		})
	}
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
	tree := q.tree
	*q = Queue[V]{id: q.id}
	if tree == nil || finished == nil {
		return
	}
	tree.Ascend(func(s slot[V]) bool {
		finished(s.entry.value)
		return true
	})
}

// replace gives old's entry to the message that takes its place.
func (q *Queue[V]) replace(old *entry[V], message []byte, value V, finished func(V)) {
	replaced := old.value
	q.tree.Delete(old.slot())
	q.bytes -= len(old.message)
	q.fill(old, message, value)
	q.tree.ReplaceOrInsert(old.slot())
	if finished != nil {
		finished(replaced)
	}
}

// fill writes what a push gives into an entry and counts it.
func (q *Queue[V]) fill(e *entry[V], message []byte, value V) {
	q.id++
	q.bytes += len(message)
	e.rank = rank(0, len(message))
	e.age = ^q.id
	e.message = message
	e.value = value
}

// drop takes an entry out of the tree and forgets it.
func (q *Queue[V]) drop(e *entry[V], finished func(V)) {
	q.tree.Delete(e.slot())
	value := e.value
	q.forget(e)
	if finished != nil {
		finished(value)
	}
}

// forget releases an entry that is in the tree no more.
func (q *Queue[V]) forget(e *entry[V]) {
	switch e.kind {
	case Named:
		delete(q.named, e.name)
	case Plain:
		q.unlinkPlain(e)
	}
	q.bytes -= len(e.message)
	*e = entry[V]{}
	if q.freeLen < maxFree {
		e.next = q.free
		q.free = e
		q.freeLen++
	}
}

func (q *Queue[V]) allocate() *entry[V] {
	e := q.free
	if e == nil {
		return new(entry[V])
	}
	q.free = e.next
	q.freeLen--
	e.next = nil
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

func (e *entry[V]) id() uint64 {
	return ^e.age
}

func (e *entry[V]) slot() slot[V] {
	return slot[V]{rank: e.rank, age: e.age, entry: e}
}

func less[V any](a, b slot[V]) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return a.age < b.age
}

// rank orders by transmits ascending, then by size descending. Sizes of 4 GiB and more count as one less than that.
func rank(transmits uint32, size int) uint64 {
	return uint64(transmits)<<32 | (math.MaxUint32 - min(uint64(size), math.MaxUint32))
}

// transmits returns the upper half of a rank.
func transmits(rank uint64) uint32 {
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
