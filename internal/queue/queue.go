// Package queue orders the gossip that a node sends: the messages that have been sent least go first, among those the
// largest that still fits, among equals the newest. A message that has been sent often enough is dropped. Urgent
// messages go before all others.
//
//	transmits 0   [ 90 bytes ] [ 61, newer ] [ 61, older ] [ 12 ]     <- taken first
//	transmits 1   [ 75 bytes ] [ 75 ] [ 30 ]
//	transmits 2   [ 88 bytes ]                                        <- pruned first
//
// It is infection-style dissemination as in SWIM section 4.1, with the preference for fresh updates of its section
// 4.4. The messages are in a btree, so that neither filling a packet nor replacing a message walks the queue.
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock and uses no randomness.
package queue

// Kind determines which queued messages a new one replaces.
type Kind uint8

const (
	// Named messages replace the queued one of the same name.
	Named Kind = iota

	// Unique messages neither replace others nor are replaced. Their name is ignored.
	Unique

	// Plain messages are those that CopyPlain copies: the owner of the queue decides which of them a new message
	// replaces, and calls RemovePlain. Their name is ignored.
	Plain

	// Urgent messages are Named ones that go before all messages that are not urgent, however often they have been
	// transmitted. Named and Urgent messages of the same name replace each other.
	Urgent
)

// named reports whether messages of the kind have a name.
func (k Kind) named() bool { return k == Named || k == Urgent }

// Queue is an Order with names: it holds messages, each with a value of the owner's, until they have been transmitted
// often enough. The zero value is an empty queue. A queue is not safe for concurrent use, and must not be copied
// after first use.
//
// Methods with the parameter finished call it with the value of each message that they drop; it may be nil. The queue
// is consistent by then, so that finished may call it.
//
// The queue keeps and returns the message slices themselves: their content must not be changed afterwards.
type Queue[V any] struct {
	order    Order[queued[V]]
	named    map[string]*Item[queued[V]]
	plain    plainList[V]
	finished []V // scratch of Take
}

// queued is one queued message.
type queued[V any] struct {
	bytes []byte
	value V
	name  string
	kind  Kind
}

// New returns an empty queue.
func New[V any]() *Queue[V] {
	return new(Queue[V])
}

// Len returns the number of queued messages.
func (q *Queue[V]) Len() int {
	return q.order.Len()
}

// Bytes returns the total length of the queued messages.
func (q *Queue[V]) Bytes() int {
	return q.order.Bytes()
}

// Push queues a message that has not been transmitted yet. If kind is Named or Urgent, it drops the queued message of
// that name.
func (q *Queue[V]) Push(name string, kind Kind, bytes []byte, value V, finished func(V)) {
	pushed := queued[V]{bytes: bytes, value: value, kind: kind}
	switch kind {
	case Named, Urgent:
		pushed.name = name
		if old := q.named[name]; old != nil {
			replaced := q.order.Replace(old, kind, len(bytes), pushed).value
			if finished != nil {
				finished(replaced)
			}
			return
		}
		if q.named == nil {
			q.named = make(map[string]*Item[queued[V]])
		}
		q.named[name] = q.order.Push(kind, len(bytes), pushed)
	case Plain:
		q.plain.add(q.order.Push(kind, len(bytes), pushed))
	default:
		q.order.Push(kind, len(bytes), pushed)
	}
}

// Take appends to dst the messages for one packet and returns it: see Order.Take. It calls finished, once all are
// taken, for those that have now been transmitted transmitLimit times. finished may call Take.
func (q *Queue[V]) Take(dst [][]byte, overhead, limit, transmitLimit int, finished func(V)) [][]byte {
	done := q.finished[:0]
	q.finished = nil // finished may call Take
	q.order.Take(overhead, limit, transmitLimit, func(i *Item[queued[V]], removed bool) {
		dst = append(dst, i.Value.bytes)
		if removed {
			done = append(done, i.Value.value)
			q.unlink(i)
		}
	})
	finishAll(done, finished)
	clear(done)
	q.finished = done[:0]
	return dst
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

// Prune drops messages from the end, those transmitted most first, and of them the smallest and oldest, until at most
// maxLen are left. A negative maxLen counts as 0.
func (q *Queue[V]) Prune(maxLen int, finished func(V)) {
	for excess := q.Len() - max(maxLen, 0); excess > 0 && q.Len() > 0; excess-- {
		q.drop(q.order.Last(), finished)
	}
}

// Bound drops messages in the order of Prune, except the one that was pushed last, until at most maxLen messages of
// at most maxBytes bytes in total are left. It returns the number of dropped messages.
func (q *Queue[V]) Bound(maxLen, maxBytes int, finished func(V)) (dropped int) {
	length, bytes := q.Len(), q.Bytes()
	if length <= maxLen && bytes <= maxBytes {
		return 0
	}
	var doomed []*Item[queued[V]]
	for i := range q.order.backward {
		if length <= maxLen && bytes <= maxBytes {
			break
		}
		if i.ID() != q.order.id {
			doomed = append(doomed, i)
			length--
			bytes -= i.Size()
		}
	}
	q.dropAll(doomed, finished)
	return len(doomed)
}

// RemoveLonger drops the messages of more than n bytes. It walks the whole queue.
func (q *Queue[V]) RemoveLonger(n int, finished func(V)) {
	var doomed []*Item[queued[V]]
	for i := range q.order.all {
		if i.Size() > n {
			doomed = append(doomed, i)
		}
	}
	q.dropAll(doomed, finished)
}

// Reset drops all messages, in the queue's order, and releases its memory.
func (q *Queue[V]) Reset(finished func(V)) {
	old := *q
	q.order.Reset()
	*q = Queue[V]{order: q.order}
	if finished != nil {
		for i := range old.order.all {
			finished(i.Value.value)
		}
	}
}

// drop removes a message from the queue.
func (q *Queue[V]) drop(i *Item[queued[V]], finished func(V)) {
	q.unlink(i)
	value := q.order.Remove(i).value
	if finished != nil {
		finished(value)
	}
}

// dropAll drops messages, and calls finished once all are dropped.
func (q *Queue[V]) dropAll(doomed []*Item[queued[V]], finished func(V)) {
	values := make([]V, 0, len(doomed))
	for _, i := range doomed {
		values = append(values, i.Value.value)
		q.drop(i, nil)
	}
	finishAll(values, finished)
}

// unlink removes a message from the indexes.
func (q *Queue[V]) unlink(i *Item[queued[V]]) {
	switch i.Value.kind {
	case Named, Urgent:
		delete(q.named, i.Value.name)
	case Plain:
		q.plain.remove(i.ID())
	}
	if len(q.named) == 0 {
		q.named = nil // releases the memory of a burst
	}
}

func finishAll[V any](values []V, finished func(V)) {
	if finished == nil {
		return
	}
	for _, v := range values {
		finished(v)
	}
}
