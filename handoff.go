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
	ready chan struct{} // one slot: there may be something to take

	mu struct {
		sync.Mutex
		ring []handedOff // grows to depth; its entries' bytes are used again
		head int         // index of the oldest
		len  int
	}
}

// handedOff is a message with a copy of its body.
type handedOff struct {
	kind wire.Type
	from swim.Endpoint
	body []byte
}

// handoffKeepBytes is the largest body whose memory an idle queue entry keeps.
const handoffKeepBytes = 4096

func newHandoff(depth int) *handoff {
	return &handoff{depth: depth, ready: make(chan struct{}, 1)}
}

// put queues a copy of a message, and reports false if the queue is full.
func (h *handoff) put(kind wire.Type, from swim.Endpoint, body []byte) bool {
	if !h.copyIn(kind, from, body) {
		return false
	}
	select {
	case h.ready <- struct{}{}:
	default:
	}
	return true
}

func (h *handoff) copyIn(kind wire.Type, from swim.Endpoint, body []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.len >= h.depth {
		return false
	}
	if h.mu.len == len(h.mu.ring) {
		h.growLocked()
	}
	e := &h.mu.ring[(h.mu.head+h.mu.len)%len(h.mu.ring)]
	h.mu.len++
	e.kind, e.from = kind, from
	e.body = append(e.body[:0], body...)
	return true
}

// growLocked doubles the ring, the oldest first again.
func (h *handoff) growLocked() {
	ring := make([]handedOff, min(max(16, 2*len(h.mu.ring)), h.depth))
	n := copy(ring, h.mu.ring[h.mu.head:])
	copy(ring[n:], h.mu.ring[:h.mu.head])
	h.mu.ring, h.mu.head = ring, 0
}

// take moves the oldest message into m, whose memory the queue gets in
// exchange, and reports false if there is none.
func (h *handoff) take(m *handedOff) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.len == 0 {
		return false
	}
	e := &h.mu.ring[h.mu.head]
	h.mu.head = (h.mu.head + 1) % len(h.mu.ring)
	h.mu.len--
	*m, *e = *e, *m
	if cap(e.body) > handoffKeepBytes {
		e.body = nil
	}
	return true
}
