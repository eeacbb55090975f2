package envelope

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Usage is the usage of a key or a label by others. Its fields are those of memberlist.Usage, which documents them.
type Usage struct {
	Packets, Streams uint64
	LastHeard        time.Time
	LastFrom         string
}

// Source is the origin of a packet or stream.
type Source struct {
	Addr netip.AddrPort
	Text string // if the transport has no IP addresses
}

// usageCounter counts packets and streams. A packet costs an atomic addition; time and source are stored at most once
// a second.
type usageCounter struct {
	packets atomic.Uint64
	streams atomic.Uint64
	noted   atomic.Int64 // the second of the last update

	mu struct {
		sync.Mutex
		at   time.Time
		from Source
	}
}

func (u *usageCounter) packet(at time.Time, from Source) {
	u.packets.Add(1)
	u.note(at, from)
}

func (u *usageCounter) stream(at time.Time, from Source) {
	u.streams.Add(1)
	u.note(at, from)
}

func (u *usageCounter) note(at time.Time, from Source) {
	if at.IsZero() { // a transport that sets no timestamp
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

func (u *usageCounter) snapshot() Usage {
	u.mu.Lock()
	at, from := u.mu.at, u.mu.from
	u.mu.Unlock()
	usage := Usage{Packets: u.packets.Load(), Streams: u.streams.Load(), LastHeard: at}
	switch {
	case at.IsZero():
	case from.Addr.IsValid():
		usage.LastFrom = from.Addr.String()
	default:
		usage.LastFrom = from.Text
	}
	return usage
}
