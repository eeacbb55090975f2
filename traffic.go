package memberlist

import (
	"sync"
	"sync/atomic"
)

// traffic counts packets in one direction, and the bytes in them.
type traffic struct {
	recent atomic.Uint64 // packets times onePacket, and bytes: those that are not in mu

	mu struct {
		sync.Mutex
		packets, bytes uint64
		told           uint64 // bytes that the metrics have been told of
	}
}

// The parts of traffic.recent: 24 bits for packets, 40 for bytes. It is emptied when one of them is half full, so that
// neither overflows.
const (
	onePacket   = 1 << 40
	recentBytes = onePacket - 1
	recentFull  = 1<<63 | onePacket>>1
)

// add counts a packet. It takes one atomic addition: four of those were a tenth of what a ping takes.
func (t *traffic) add(bytes int) {
	if t.recent.Add(onePacket+uint64(bytes))&recentFull != 0 {
		t.load() // empties it
	}
}

// load gives the counts.
func (t *traffic) load() (packets, bytes uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.emptyLocked()
	return t.mu.packets, t.mu.bytes
}

// untold gives how many bytes there have been since the last time.
func (t *traffic) untold() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.emptyLocked()
	n := t.mu.bytes - t.mu.told
	t.mu.told = t.mu.bytes
	return n
}

func (t *traffic) emptyLocked() {
	recent := t.recent.Swap(0)
	t.mu.packets += recent / onePacket
	t.mu.bytes += recent & recentBytes
}

// tellTraffic tells the metrics of the bytes in packets since the last time: what a metrics library takes for one call is a
// tenth of what a ping takes.
func (m *Memberlist) tellTraffic() {
	for _, way := range []struct {
		traffic *traffic
		key     []string
	}{{&m.sent, keyUDPSent}, {&m.received, keyUDPReceived}} {
		if n := way.traffic.untold(); n > 0 {
			incrCounter(way.key, float32(n), m.config.MetricLabels)
		}
	}
}
