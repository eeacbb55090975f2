// Package handoff is the bounded queue between the goroutine that receives packets, which must not wait, and the one
// that handles their messages, which may take long.
//
//	receives:  Batch.Add, Add, ... -> Queue.Offer -> [batches] -> Queue.Take -> Began, Done, Release  :handles
//
// The messages of one packet are queued together, in a batch, and stay in their order. A full queue refuses messages
// instead of waiting. The queue counts the messages put and handled, so that a goroutine can wait until all that
// arrived before a given time have been handled.
package handoff

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// keepBytes is the largest buffer of a batch that is used again, in bytes: what a packet of gossip expands to fits.
	keepBytes = 8 << 10

	// keepBatches is the capacity of the largest list of batches that is used again.
	keepBatches = 64
)

// Batch is copies of messages of one packet. The zero value is empty.
type Batch struct {
	From  swim.Endpoint
	After uint64    // how many messages of another queue are to be handled before this batch
	At    time.Time // when the packet arrived

	spans []span
	bytes []byte
}

// span is one message of a batch: its body is the batch's bytes from start to end.
type span struct {
	kind       wire.Type
	start, end uint32
}

// Message is one message of a batch. It is valid until the batch is released.
type Message struct {
	Batch *Batch
	Kind  wire.Type
	Body  []byte
}

// Add copies a message into the batch.
func (b *Batch) Add(kind wire.Type, body []byte) {
	start := uint32(len(b.bytes))
	b.bytes = append(b.bytes, body...)
	b.spans = append(b.spans, span{kind, start, uint32(len(b.bytes))})
}

// Len returns the number of messages in the batch.
func (b *Batch) Len() int { return len(b.spans) }

// Reverse reverses the order of the messages in the batch.
func (b *Batch) Reverse() { slices.Reverse(b.spans) }

// Messages iterates over the messages of the batch in the order in which they were added.
func (b *Batch) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for _, s := range b.spans {
			if !yield(Message{b, s.kind, b.bytes[s.start:s.end:s.end]}) {
				return
			}
		}
	}
}

// reset empties the batch. It keeps its memory, unless a large packet made that large.
func (b *Batch) reset() {
	if cap(b.bytes) > keepBytes {
		*b = Batch{}
		return
	}
	*b = Batch{spans: b.spans[:0], bytes: b.bytes[:0]}
}

// idle has batches that are not in use, for all queues of the process.
var idle = sync.Pool{New: func() any { return new(Batch) }}

// Queue is a bounded queue of batches. One goroutine offers, and one takes; all other methods may be called by any.
type Queue struct {
	depth int
	limit int
	ready chan struct{} // one slot: there is something to take

	// Of the messages that wait. Only Offer adds.
	messages atomic.Int64
	bytes    atomic.Int64

	put     atomic.Uint64
	handled atomic.Uint64
	waiters atomic.Int32 // goroutines in Await

	mu struct {
		sync.Mutex
		batches  []*Batch      // that were put, the oldest first
		progress chan struct{} // closed when the next messages have been handled; nil: no goroutine waits for that
	}
}

// New returns an empty queue for at most depth messages whose bodies have at most limit bytes together. A message that is
// alone may have more.
func New(depth, limit int) *Queue {
	return &Queue{depth: depth, limit: limit, ready: make(chan struct{}, 1)}
}

// Offer puts the messages of a batch, which is empty afterwards. It returns how many of them, the last ones, were refused
// because the queue is full. It never waits.
func (q *Queue) Offer(b *Batch) (refused int) {
	n, bytes := q.room(b)
	refused = len(b.spans) - n
	if n == 0 {
		b.reset()
		return refused
	}
	b.spans = b.spans[:n]
	q.messages.Add(int64(n))
	q.bytes.Add(int64(bytes))
	q.put.Add(uint64(n))
	next := idle.Get().(*Batch)
	*next, *b = *b, *next
	q.mu.Lock()
	q.mu.batches = append(q.mu.batches, next)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return refused
}

// room returns how many of a batch's messages may be put, and how many bytes they have.
func (q *Queue) room(b *Batch) (messages, bytes int) {
	waiting, before := q.Waiting(), int(q.bytes.Load())
	for _, s := range b.spans {
		size := int(s.end - s.start)
		if waiting >= q.depth || waiting > 0 && before+bytes+size > q.limit {
			break
		}
		waiting++
		messages++
		bytes += size
	}
	return messages, bytes
}

// Ready returns a channel that has a value when there may be something to take.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Take returns the batches that have been put since the last call, the oldest first. Each is given back with Release when its
// messages have been handled. The messages count as waiting until Began says otherwise. The queue uses the memory of taken
// again, which is what the last call returned, or nil.
func (q *Queue) Take(taken []*Batch) []*Batch {
	clear(taken)
	if cap(taken) > keepBatches {
		taken = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	batches := q.mu.batches
	q.mu.batches = taken[:0]
	return batches
}

// Release gives back a batch. Its messages must not be used any more.
func (q *Queue) Release(b *Batch) {
	b.reset()
	idle.Put(b)
}

// Began notes that the handling of messages has begun: they no longer wait.
func (q *Queue) Began(messages ...Message) {
	bytes := 0
	for i := range messages {
		bytes += len(messages[i].Body)
	}
	q.messages.Add(int64(-len(messages)))
	q.bytes.Add(int64(-bytes))
}

// Done notes that n messages have been handled.
func (q *Queue) Done(n int) {
	q.handled.Add(uint64(n))
	if q.waiters.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.progress != nil {
		close(q.mu.progress)
		q.mu.progress = nil
	}
}

// Waiting returns the number of messages that were put and whose handling has not begun.
func (q *Queue) Waiting() int { return int(q.messages.Load()) }

// Put returns how many messages have ever been put.
func (q *Queue) Put() uint64 { return q.put.Load() }

// Handled returns how many messages have ever been handled.
func (q *Queue) Handled() uint64 { return q.handled.Load() }

// Await waits until the first n messages have been handled. It returns false if until delivers a value or stopping is closed
// before that. Either may be nil.
func (q *Queue) Await(n uint64, until <-chan time.Time, stopping <-chan struct{}) bool {
	if q.handled.Load() >= n {
		return true
	}
	q.waiters.Add(1)
	defer q.waiters.Add(-1)
	for {
		progress := q.progress()
		if q.handled.Load() >= n {
			return true
		}
		select {
		case <-progress:
		case <-until:
			return false
		case <-stopping:
			return false
		}
	}
}

// progress returns a channel that is closed when the next messages have been handled.
func (q *Queue) progress() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.progress == nil {
		q.mu.progress = make(chan struct{})
	}
	return q.mu.progress
}
