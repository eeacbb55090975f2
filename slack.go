package memberlist

import (
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// slack is how many bytes of gossip a packet can hold beyond its size, as gossip shrinks when it is compressed: members'
// announcements are alike, to a third. It follows what the packets sent before have shown: falls at once, rises by half, and
// stays a little below what it could be, for a packet that turns out too large is sent as two.
//
// Compat: the reference fills a packet as if nothing were compressed; its packets are half empty, and news travels at half
// the speed. PROTOCOL.md bounds what is on the wire alone.
type slack struct{ bytes atomic.Int64 }

const (
	// maxPacking is how many times its size a packet may hold.
	maxPacking = 4

	// maxPacked is the most bytes that a packet may hold, but for those that are larger anyway: receivers take up to
	// wire.MaxPacket.
	maxPacked = wire.MaxPacket / 2

	// spareShare is the part of a packet that is left free.
	spareShare = 16
)

// learn takes note of a compound of so many bytes that was packed into so many. The limit is that of a packet.
func (s *slack) learn(plain, packed, limit int) {
	if plain < limit/2 {
		return // too little to tell
	}
	could := plain * (limit - limit/spareShare) / packed
	could = min(could, maxPacking*limit, max(maxPacked, limit))
	next, now := int64(max(could-limit, 0)), s.bytes.Load()
	if next > now {
		next = now + (next-now+1)/2
	}
	s.bytes.Store(next)
}

// load is how many bytes there are now.
func (s *slack) load() int { return int(s.bytes.Load()) }
