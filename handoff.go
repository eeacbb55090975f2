package memberlist

import (
	"sync"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// handoff is a bounded queue of messages between the goroutine that receives
// packets, which must not wait, and one that handles what may take long. It
// keeps the order of arrival. When it is full, what arrives is refused.
type handoff struct {
	depth int
	limit int       // bytes of the bodies of all messages that wait
	begin sync.Once // what the first message starts
	start func()
	ready chan struct{} // one slot: there may be something to take
	moved chan struct{} // one slot: something was handled

	mu struct {
		sync.Mutex
		ring  []handedOff // grows to depth; its entries' bytes are used again
		head  int         // index of the oldest
		len   int
		bytes int // of the bodies

		put     uint64 // how many have ever been put
		handled uint64 // and how many of them are done with
	}
}

// handedOff is a message with a copy of its body.
type handedOff struct {
	kind wire.Type
	from swim.Endpoint
	body []byte

	after uint64 // of a user message: what was put about members before it
}

// handoffKeepBytes is the largest body whose memory an idle queue entry keeps.
const handoffKeepBytes = 4096

// handoffLimit is how many bytes may wait for each message that may, on the average: a packet of those that members of our
// configuration send, and some that expand.
func handoffLimit(c *Config) int { return c.HandoffQueueDepth * max(c.UDPBufferSize, handoffKeepBytes) }

// newHandoff gives an empty handoff. The first message that is put calls start, which has somebody take it: most members
// never get a user message, and one that is alone gets none at all.
func newHandoff(depth, limit int, start func()) *handoff {
	return &handoff{depth: depth, limit: limit, start: start, ready: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
}

// put queues copies of messages and returns how many of them, the last ones, found the queue full.
func (h *handoff) put(messages []handedOff) (refused int) {
	h.begin.Do(h.start)
	refused = h.copyIn(messages)
	select {
	case h.ready <- struct{}{}:
	default:
	}
	return refused
}

func (h *handoff) copyIn(messages []handedOff) (refused int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range messages {
		if h.mu.len >= h.depth || h.mu.len > 0 && h.mu.bytes+len(messages[i].body) > h.limit {
			return len(messages) - i
		}
		if h.mu.len == len(h.mu.ring) {
			h.growLocked()
		}
		m, e := &messages[i], &h.mu.ring[(h.mu.head+h.mu.len)%len(h.mu.ring)]
		h.mu.len++
		h.mu.put++
		h.mu.bytes += len(m.body)
		e.kind, e.from, e.after = m.kind, m.from, m.after
		e.body = append(e.body[:0], m.body...)
	}
	return 0
}

// growLocked doubles the ring, the oldest first again.
func (h *handoff) growLocked() {
	ring := make([]handedOff, min(max(16, 2*len(h.mu.ring)), h.depth))
	n := copy(ring, h.mu.ring[h.mu.head:])
	copy(ring[n:], h.mu.ring[:h.mu.head])
	h.mu.ring, h.mu.head = ring, 0
}

// take moves the oldest messages into the given entries, whose memory the queue gets in exchange, and returns how many
// there were.
func (h *handoff) take(into []handedOff) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(into), h.mu.len)
	for i := range into[:n] {
		e := &h.mu.ring[h.mu.head]
		h.mu.head = (h.mu.head + 1) % len(h.mu.ring)
		into[i], *e = *e, into[i]
		h.mu.bytes -= len(into[i].body)
		if cap(e.body) > handoffKeepBytes {
			e.body = nil
		}
	}
	h.mu.len -= n
	return n
}

// accepted is how many messages have ever been put, for await.
func (h *handoff) accepted() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.put
}

// waiting is how many messages have been put and not taken.
func (h *handoff) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.len
}

// done tells that so many of the messages taken have been handled.
func (h *handoff) done(n int) {
	h.mu.Lock()
	h.mu.handled += uint64(n)
	h.mu.Unlock()
	select {
	case h.moved <- struct{}{}:
	default:
	}
}

// await returns when the first n messages have been handled, or with false
// when stopping is closed. One goroutine at a time may wait.
func (h *handoff) await(n uint64, stopping <-chan struct{}) bool {
	for !h.hasHandled(n) {
		select {
		case <-h.moved:
		case <-stopping:
			return false
		}
	}
	return true
}

func (h *handoff) hasHandled(n uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.handled >= n
}
