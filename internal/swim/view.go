package swim

import (
	"encoding/binary"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// view is the checksum of what a Core knows of the cluster: the sum of a hash of each member that is alive or suspect, itself
// included. It is equal for two members that know the same members at the same incarnations, addresses and metadata. Members
// that are dead or have left do not count, so it does not matter when they are forgotten; nor does suspicion, which spreads
// and ends by itself.
//
// Pings, acks and beats carry it (wire.Ping.View), so that each probe and each beat compares two views.
type view struct {
	sum      uint64
	changed  time.Time // the last change of sum
	heard    int       // number of other members, alive or suspect, that have sent a ping or an ack
	extended int       // number of those that sent their views with the last one

	synced time.Time // when it was last equal to that of another member, or differences were exchanged

	pause time.Duration // after the last exchange because of another view; 0: the last one compared was equal
	next  time.Time     // the end of it
}

// settleRounds is the number of rounds of gossip in which a view must not have changed before it is compared: what gossip
// spreads need not be exchanged.
const settleRounds = 3

// staleRounds is the number of rounds of gossip after which a view that has not been equal to any other's meanwhile is compared though
// it changes: news that came since may be missing for good, and while members come and go no view settles. What is exchanged then is
// mostly on its way by gossip too, so this is not done more often.
const staleRounds = 25

// The pause between two exchanges because of different views, while they stay different. It doubles each time, up to
// Config.PushPullInterval.
const (
	firstPause = time.Second
	maxPause   = 32 * time.Second
)

// settleDefault is used if there is no gossip.
const settleDefault = 600 * time.Millisecond

func (c *Config) settleTime() time.Duration {
	if interval := c.gossipInterval(); interval > 0 {
		return settleRounds * interval
	}
	return settleDefault
}

// hasSettled reports whether a view has not changed lately.
func (v *view) hasSettled(t *Turn) bool { return t.now.Sub(v.changed) >= t.cfg.settleTime() }

// isStale reports whether a view has not been equal to another's for long.
func (v *view) isStale(t *Turn) bool {
	return t.now.Sub(v.synced) >= t.cfg.settleTime()*staleRounds/settleRounds
}

// update updates the checksum after a change of m.
func (v *view) update(t *Turn, m *member) {
	before, now := m.hash, uint32(0)
	if !m.State.IsDown() && m.Incarnation != 0 {
		now = t.rec.hash(m, t.table.hash(m))
	}
	if now == before {
		return
	}
	m.hash = now
	v.sum += spread(now) - spread(before)
	v.changed = t.now
	if v.synced.IsZero() {
		v.synced = t.now
	}
	if m != t.table.self && (now == 0) != (before == 0) {
		by := 1
		if now == 0 {
			by = -1
		}
		v.count(m, by)
	}
}

// count adds m to the numbers of members by what is known of their extensions, or removes it.
func (v *view) count(m *member, by int) {
	if m.extensions != extensionsUnheard {
		v.heard += by
	}
	if m.extended() {
		v.extended += by
	}
}

// note notes whether a message from another member itself had a view: a member of the reference sends none.
func (v *view) note(m *member, said uint64) {
	now := extensionsUnknown
	if said != 0 {
		now = extensionsKnown
	}
	if m.extensions == now {
		return
	}
	if m.hash != 0 {
		v.count(m, -1)
	}
	m.extensions = now
	if m.hash != 0 {
		v.count(m, 1)
	}
}

// inPing returns the view to send in a ping or a beat: wire.ViewUnsaid while it changes, unless it is stale, and 0 without extensions.
func (v *view) inPing(t *Turn) uint64 {
	switch {
	case !t.cfg.Extensions:
		return 0
	case !v.hasSettled(t) && !v.isStale(t):
		return wire.ViewUnsaid
	default:
		return v.checksum()
	}
}

// inAck returns the view to send in the ack to a ping: wire.ViewEqual if the ping has the same. An ack to a ping without a view
// has none.
func (v *view) inAck(t *Turn, pinged uint64) uint64 {
	if pinged == 0 {
		return 0
	}
	own := v.inPing(t)
	if own == pinged && own != wire.ViewUnsaid {
		v.synced = t.now
		return wire.ViewEqual
	}
	return own
}

// compare compares the view in the ack or the beat of a member with ours. If both have settled, or are stale, and differ, the two exchange
// what differs.
// The one that pinged, or got the beat, begins, so that only one does. If the program selects the members to exchange states with,
// none is chosen here.
func (v *view) compare(t *Turn, m *member, said uint64) {
	own := v.inPing(t)
	switch {
	case said == wire.ViewEqual, said == own && own > wire.ViewEqual:
		v.pause, v.synced = 0, t.now
		return
	case said <= wire.ViewEqual, own <= wire.ViewEqual, t.local.leaving, t.cfg.PushPullInterval <= 0, t.cfg.SelectsTargets:
		return
	case !v.hasSettled(t): // it is stale
	case t.now.Before(v.next):
		return
	default:
		v.pause = min(max(2*v.pause, firstPause), maxPause, t.cfg.PushPullInterval)
		v.next = t.now.Add(v.pause)
	}
	v.synced = t.now
	t.out.Streams = append(t.out.Streams, Stream{Kind: StreamDifferences, To: t.table.snapshot(m)})
}

func (v *view) checksum() uint64 { return checksumOf(v.sum) }

// checksumOf returns the checksum with a sum, which is never a number with another meaning on the wire.
func checksumOf(sum uint64) uint64 {
	if sum <= wire.ViewEqual {
		return sum + wire.ViewEqual + 1
	}
	return sum
}

// Checksum returns the checksum of a view with these members.
func Checksum(members []Member) uint64 {
	var sum uint64
	for i := range members {
		if m := &members[i]; !m.State.IsDown() {
			sum += spread(hashMember(m.Name, addressOf(m.Addr), m.Incarnation, m.Meta, []byte(m.Zone)))
		}
	}
	return checksumOf(sum)
}

// ViewChecksum returns the checksum of the members that are alive or suspect.
func (c *Core) ViewChecksum() uint64 { return c.view.checksum() }

func (t *table) hash(m *member) uint32 {
	return hashMember(m.Name, t.address(m), m.Incarnation, m.Meta, t.zones.bytes(m.zone))
}

// hashMember returns the hash of a member, which is never 0. It is the same in each process, and for both spellings of an IPv4
// address.
func hashMember(name string, addr address, incarnation uint32, meta, zone []byte) uint32 {
	h := hashName(name).word(binary.LittleEndian.Uint64(addr.ip[:8])).word(binary.LittleEndian.Uint64(addr.ip[8:]))
	h = h.word(uint64(addr.port)<<32 | uint64(incarnation)).bytes(meta)
	if len(zone) > 0 {
		h = h.bytes(zone)
	}
	return max(uint32(spread64(uint64(h))), 1)
}

// hash64 is a hash in progress, which takes eight bytes at a time. It is the same in each process, and no protection from
// names that are chosen to collide.
type hash64 uint64

func hashName(name string) hash64 { return hash64(0).bytes([]byte(name)) }

// word adds eight bytes.
func (h hash64) word(w uint64) hash64 {
	h = (h ^ hash64(w)) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// bytes adds any number of bytes: words, least significant byte first, and as the last one the up to seven bytes that
// remain, with the length, modulo 256, as the most significant byte.
func (h hash64) bytes(b []byte) hash64 {
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		h = h.word(binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return h.word(last)
}

// spread returns what the hash of a member, or 0 for none, adds to the checksum.
func spread(hash uint32) uint64 {
	if hash == 0 {
		return 0
	}
	return spread64(uint64(hash))
}

// spread64 spreads each bit of a hash over all others (the finalizer of splitmix64), so that sums of hashes rarely collide.
func spread64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
