package memberlist

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// handoff is a bounded queue of messages between the goroutine that receives
// packets, which must not wait, and one that handles what may take long. It
// keeps the order of arrival. When it is full, what arrives is refused.
//
// Messages change hands by the parcel, those of one packet together: no byte is
// copied under its lock. One goroutine puts, and one takes.
type handoff struct {
	depth int
	limit int           // bytes of the bodies of all messages that wait
	ready chan struct{} // one slot: there may be something to take

	// Of the messages that nobody has begun to handle. Only who puts adds.
	messages atomic.Int64
	bytes    atomic.Int64

	told    uint64        // put, when whoever takes was last woken; for who puts
	put     atomic.Uint64 // how many messages have ever been put
	handled atomic.Uint64 // and how many of them are done with

	awaiting atomic.Int32 // how many goroutines are in awaitUntil

	mu struct {
		sync.Mutex
		moved chan struct{} // closed when something was handled; nil: no goroutine waits for that
		ring  []parcel      // grows to depth; the memory of its entries is used again
		head  int           // index of the oldest
		len   int
		idle  int // bytes of memory that entries not in use keep
	}
}

// parcel is copies of messages of one packet.
type parcel struct {
	from  swim.Endpoint
	after uint64 // what was put into the other queue and is to be handled before it, of user messages and farewells
	parts []part
	bytes []byte
}

// part is one message of a parcel: its body is the parcel's bytes from start to end.
type part struct {
	kind       wire.Type
	start, end uint32
}

// partSize is how much memory a part takes, in bytes.
const partSize = 12

func (p part) size() int { return int(p.end - p.start) }

// handedOff is one message of a parcel, as it is for as long as that is.
type handedOff struct {
	of   *parcel
	kind wire.Type
	body []byte
}

// How much memory is used again: of a parcel that holds what a packet of gossip expands to, and of all that are in a queue
// and hold nothing.
const (
	parcelKeepBytes  = 8 << 10
	parcelKeepParts  = 256
	handoffKeepBytes = 1 << 20
)

// parcelBytes and parcelParts are how much a parcel begins with.
const (
	parcelBytes = 1 << 10
	parcelParts = 16
)

// withRoom gives s with room for n more. Doubling leaves less behind than append does.
func withRoom[T any](s []T, n, atLeast int) []T {
	if n <= cap(s)-len(s) {
		return s
	}
	return append(make([]T, 0, max(len(s)+n, 2*cap(s), atLeast)), s...)
}

// expandedBytes is what a packet that expands may have, on the average of all that wait.
const expandedBytes = 4 << 10

// handoffLimit is how many bytes may wait for each message that may, on the average: a packet of those that members of our
// configuration send, and some that expand.
func handoffLimit(c *Config) int { return c.HandoffQueueDepth * max(c.UDPBufferSize, expandedBytes) }

// newHandoff returns an empty handoff.
func newHandoff(depth, limit int) *handoff {
	return &handoff{depth: depth, limit: limit, ready: make(chan struct{}, 1)}
}

// add copies a message into a parcel.
func (p *parcel) add(kind wire.Type, body []byte) {
	start := uint32(len(p.bytes))
	p.bytes = append(withRoom(p.bytes, len(body), parcelBytes), body...)
	p.parts = append(withRoom(p.parts, 1, parcelParts), part{kind, start, uint32(len(p.bytes))})
}

// memory is how many bytes a parcel has memory for.
func (p *parcel) memory() int { return cap(p.bytes) + cap(p.parts)*partSize }

// messages iterates over the parcel's messages.
func (p *parcel) messages() iter.Seq[handedOff] {
	return func(yield func(handedOff) bool) {
		for _, of := range p.parts {
			if !yield(handedOff{p, of.kind, p.bytes[of.start:of.end:of.end]}) {
				return
			}
		}
	}
}

// empty has a parcel hold nothing, and no more memory than an idle one may.
func (p *parcel) empty() {
	if cap(p.bytes) > parcelKeepBytes {
		p.bytes = nil
	}
	if cap(p.parts) > parcelKeepParts {
		p.parts = nil
	}
	p.bytes, p.parts = p.bytes[:0], p.parts[:0]
}

// offer puts the messages of a parcel, which has other memory and nothing in it afterwards, and returns how many of them,
// the last ones, found the queue full. Whoever takes hears of it by wake.
func (h *handoff) offer(p *parcel) (refused int) {
	n, bytes := h.room(p)
	refused = len(p.parts) - n
	if n == 0 {
		p.empty()
		return refused
	}
	p.parts = p.parts[:n]
	h.messages.Add(int64(n))
	h.bytes.Add(int64(bytes))
	h.put.Add(uint64(n))
	h.mu.Lock()
	if h.mu.len == len(h.mu.ring) {
		h.growLocked()
	}
	e := &h.mu.ring[(h.mu.head+h.mu.len)%len(h.mu.ring)]
	h.mu.idle -= e.memory()
	*e, *p = *p, *e
	h.mu.len++
	h.mu.Unlock()
	p.empty()
	return refused
}

// room is how many of a parcel's messages may be put, and how many bytes they have.
func (h *handoff) room(p *parcel) (messages, bytes int) {
	waiting, before := h.waiting(), int(h.bytes.Load())
	for _, of := range p.parts {
		size := of.size()
		if waiting >= h.depth || waiting > 0 && before+bytes+size > h.limit {
			break
		}
		waiting++
		messages++
		bytes += size
	}
	return messages, bytes
}

// wake has somebody take what was put since the last time, if anything was.
func (h *handoff) wake() {
	put := h.put.Load()
	if put == h.told {
		return
	}
	h.told = put
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

// growLocked doubles the ring, the oldest first again. There are never more parcels than messages.
func (h *handoff) growLocked() {
	ring := make([]parcel, min(max(16, 2*len(h.mu.ring)), h.depth))
	n := copy(ring, h.mu.ring[h.mu.head:])
	copy(ring[n:], h.mu.ring[:h.mu.head])
	h.mu.ring, h.mu.head = ring, 0
}

// take moves the oldest parcels into the given ones, whose memory the queue gets in exchange, and returns how many there
// were. Their messages still wait until they are begun.
func (h *handoff) take(into []parcel) int {
	for i := range into {
		into[i].empty()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(into), h.mu.len)
	for i := range into[:n] {
		e := &h.mu.ring[h.mu.head]
		h.mu.head = (h.mu.head + 1) % len(h.mu.ring)
		into[i], *e = *e, into[i]
		if memory := e.memory(); h.mu.idle+memory <= handoffKeepBytes {
			h.mu.idle += memory
		} else {
			*e = parcel{}
		}
	}
	if h.mu.len -= n; h.mu.len == 0 {
		h.mu.head = 0 // so that the memory of the same few parcels is used again and again
	}
	return n
}

// began tells that messages, which were taken, wait no longer.
func (h *handoff) began(messages []handedOff) {
	bytes := 0
	for i := range messages {
		bytes += len(messages[i].body)
	}
	h.messages.Add(int64(-len(messages)))
	h.bytes.Add(int64(-bytes))
}

// waiting is how many messages have been put that nobody has begun to handle.
func (h *handoff) waiting() int { return int(h.messages.Load()) }

// done tells that so many of the messages taken have been handled.
func (h *handoff) done(n int) {
	h.handled.Add(uint64(n))
	if h.awaiting.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.moved != nil {
		close(h.mu.moved)
		h.mu.moved = nil
	}
}

// await returns when the first n messages have been handled, or with false
// when stopping is closed.
func (h *handoff) await(n uint64, stopping <-chan struct{}) bool {
	return h.awaitUntil(n, nil, stopping)
}

// awaitUntil is await that returns false also when until gives a value.
func (h *handoff) awaitUntil(n uint64, until <-chan time.Time, stopping <-chan struct{}) bool {
	if h.handled.Load() >= n {
		return true
	}
	h.awaiting.Add(1)
	defer h.awaiting.Add(-1)
	for {
		moved := h.nextMove()
		if h.handled.Load() >= n {
			return true
		}
		select {
		case <-moved:
		case <-until:
			return false
		case <-stopping:
			return false
		}
	}
}

// nextMove returns a channel that is closed when the next message has been handled.
func (h *handoff) nextMove() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.moved == nil {
		h.mu.moved = make(chan struct{})
	}
	return h.mu.moved
}
