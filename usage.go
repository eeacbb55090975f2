package memberlist

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// Usage has the traffic received under one key or label, so that you can see whether, and from where, it is still
// used.
type Usage struct {
	// Packets and Streams are the numbers received.
	Packets, Streams uint64

	// LastHeard is when one was received, at most a second before the last one; zero: never.
	LastHeard time.Time

	// LastFrom is its source, as "host:port"; the port of a stream is not the member's.
	LastFrom string
}

// usageCounter counts received packets and streams. A packet costs an atomic addition; the time and the source are
// recorded at most once a second.
type usageCounter struct {
	packets atomic.Uint64
	streams atomic.Uint64
	noted   atomic.Int64 // the second of the last record

	mu struct {
		sync.Mutex
		at   time.Time
		from swim.Endpoint
	}
}

func (u *usageCounter) packet(at time.Time, from swim.Endpoint) {
	u.packets.Add(1)
	u.note(at, from)
}

func (u *usageCounter) stream(at time.Time, from swim.Endpoint) {
	u.streams.Add(1)
	u.note(at, from)
}

func (u *usageCounter) note(at time.Time, from swim.Endpoint) {
	if at.IsZero() { // the transport does not set it
		at = time.Now()
	}
	second := at.Unix()
	if u.noted.Load() == second {
		return
	}
	u.noted.Store(second)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.at, u.mu.from = at, from
}

// snapshot returns the current values.
func (u *usageCounter) snapshot() Usage {
	u.mu.Lock()
	at, from := u.mu.at, u.mu.from
	u.mu.Unlock()
	use := Usage{Packets: u.packets.Load(), Streams: u.streams.Load(), LastHeard: at}
	if !at.IsZero() {
		use.LastFrom = addressText(from)
	}
	return use
}
