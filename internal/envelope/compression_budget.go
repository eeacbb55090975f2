package envelope

import (
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// compressionBudget is the number of bytes of gossip that a packet may carry beyond Budget.Room, because gossip
// shrinks when it is compressed: alive messages of members are similar, and shrink to a third. It adapts to the
// packets that were sent: it falls at once, rises by half the difference, and stays a little below the possible, as a
// packet that turns out too large is sent as two.
//
// Compat: the reference fills a packet without regard to compression; its packets are half empty, and news spreads at
// half the speed. The protocol limits only the bytes on the network.
type compressionBudget struct{ bytes atomic.Int64 }

const (
	// maxPacking is the largest ratio of a packet's content to its size limit.
	maxPacking = 4

	// maxPacked is the largest content of a packet in bytes, unless one message is larger: receivers take up to
	// wire.MaxPacket.
	maxPacked = wire.MaxPacket / 2

	// spareShare is the reciprocal of the share of a packet that is left free.
	spareShare = 16
)

// learn adapts to a compound of plain bytes that became a packet of packed bytes, where the limit applied.
func (b *compressionBudget) learn(plain, packed, limit int) {
	if plain < limit/2 {
		return // too few bytes to judge
	}
	possible := plain * (limit - limit/spareShare) / packed
	possible = min(possible, maxPacking*limit, max(maxPacked, limit))
	next, now := int64(max(possible-limit, 0)), b.bytes.Load()
	if next > now {
		next = now + (next-now+1)/2
	}
	b.bytes.Store(next)
}

// CompressionBudget returns the number of bytes of gossip that a packet may carry at present beyond Budget.Room.
func (e *Envelope) CompressionBudget() int { return int(e.compression.bytes.Load()) }
