package envelope

import (
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// compressionBudget is how many bytes of gossip a packet may carry beyond Budget.Room, as gossip shrinks when it is compressed: alive
// messages of members are alike, to a third. It follows the packets that were sent: it falls at once, rises by half the difference,
// and stays a little below what was possible, as a packet that turns out too large is sent as two.
//
// Compat: the reference fills a packet as if nothing were compressed; its packets are half empty, and news spreads at half
// the speed. The protocol limits only the bytes on the network.
type compressionBudget struct{ bytes atomic.Int64 }

const (
	// maxPacking is how many times its size a packet may hold.
	maxPacking = 4

	// maxPacked is the most bytes that a packet may hold, but for those that are larger anyway: receivers take up to
	// wire.MaxPacket.
	maxPacked = wire.MaxPacket / 2

	// spareShare is the part of a packet that is left free: one in so many bytes.
	spareShare = 16
)

// learn takes account of a compound of plain bytes that became a packet of packed bytes, where limit are allowed.
func (b *compressionBudget) learn(plain, packed, limit int) {
	if plain < limit/2 {
		return // too few bytes to tell
	}
	possible := plain * (limit - limit/spareShare) / packed
	possible = min(possible, maxPacking*limit, max(maxPacked, limit))
	next, now := int64(max(possible-limit, 0)), b.bytes.Load()
	if next > now {
		next = now + (next-now+1)/2
	}
	b.bytes.Store(next)
}

// CompressionBudget returns how many bytes of gossip a packet may carry beyond Budget.Room at present.
func (e *Envelope) CompressionBudget() int { return int(e.compression.bytes.Load()) }
