package memberlist

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// Usage says what has been heard under one key or one label, so that it can be
// told whether anyone still sends with it, and who.
type Usage struct {
	// Packets and Streams are how many have been heard.
	Packets, Streams uint64

	// LastHeard is when one was, at most a second before the very last; zero:
	// never.
	LastHeard time.Time

	// LastFrom is where that one came from, as "host:port"; the port of a stream
	// is not the member's.
	LastFrom string
}

// usageCounter counts what is heard. A packet costs an atomic addition; when and
// whence is noted at most once in a second.
type usageCounter struct {
	packets atomic.Uint64
	streams atomic.Uint64
	noted   atomic.Int64 // the second of the last note

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
	if at.IsZero() { // a transport that does not say
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

// snapshot is what has been heard until now.
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
