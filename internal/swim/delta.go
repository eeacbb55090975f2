package swim

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// A push/pull of differences moves the states of members that two views disagree on, and no others. Members are in buckets
// by the hash of their names:
//
//	A asks                                       B answers
//	  the checksum of its view ------------------>
//	  <------------------------------------------ its own and, if that is another one, the sum of each bucket: Digests
//	  which sums differ, and the hashes of
//	  the members in these buckets: Listing ----->
//	  <------------------------------------------ its states of members in them that have none of these hashes, and the hashes
//	                                              for which it has no member: Comparison
//	  its states of members with those hashes,
//	  and of those that B sent: WantedStates --->
//
// What a peer sends sizes nothing here but memory in proportion to itself. A peer that lies gets at most all states, as from
// any other push/pull.
//
// Each type below is filled in parts, as a Snapshot is, and holds each member as it was at some moment in between.

const (
	// bucketSize is the number of members for which there is a bucket.
	bucketSize = 16

	// maxBuckets is the maximum number of buckets. A header has room for twice their sums.
	maxBuckets = 8192
)

// errDigests is returned for digests, a list of buckets or hashes in no form that a member sends.
var errDigests = fmt.Errorf("digests: %w", wire.ErrMalformed)

// nameHash returns the hash of a name. Its first bits are the number of the bucket.
func nameHash(name string) uint32 { return uint32(spread64(uint64(hashName(name)))) }

// bucketOf returns the bucket of a hash of a name, of a number that is a power of two.
func bucketOf(hash uint32, buckets int) int { return int(uint64(hash) * uint64(buckets) >> 32) }

// Digests are the sums of the hashes of members, for each bucket.
type Digests struct {
	sums []uint32
	next ID
}

// NewDigests returns Digests to be filled for a number of buckets that suits the table.
func (c *Core) NewDigests() *Digests {
	n := 1
	for n < maxBuckets && bucketSize*n < c.table.len() {
		n *= 2
	}
	return &Digests{sums: make([]uint32, n)}
}

// ParseDigests reads the digests of a peer.
func ParseDigests(b []byte) (*Digests, error) {
	n := len(b) / 4
	if len(b)%4 != 0 || n == 0 || n&(n-1) != 0 || n > maxBuckets {
		return nil, errDigests
	}
	d := &Digests{sums: make([]uint32, n)}
	for i := range d.sums {
		d.sums[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return d, nil
}

// Append appends the digests as ParseDigests reads them.
func (d *Digests) Append(dst []byte) []byte {
	for _, sum := range d.sums {
		dst = binary.BigEndian.AppendUint32(dst, sum)
	}
	return dst
}

// Digest adds the next part, and reports whether there is more.
func (c *Core) Digest(d *Digests) (more bool) {
	return c.eachInPart(&d.next, func(m *member) {
		if m.hash != 0 {
			d.sums[bucketOf(nameHash(m.Name), len(d.sums))] += m.hash
		}
	})
}

// bucketSet has a bit for each bucket.
type bucketSet struct {
	bits []byte
	n    int // number of buckets
}

func (s *bucketSet) has(nameHash uint32) bool {
	b := bucketOf(nameHash, s.n)
	return s.bits[b/8]&(1<<(b%8)) != 0
}

// Listing has the hashes of the members in some buckets.
type Listing struct {
	Buckets []byte // which buckets: a bit for each
	Hashes  []byte // for each member 4 bytes of its name's hash, and 4 of its own
	set     bucketSet
	next    ID
}

// NewListing returns a Listing to be filled, of the buckets whose sums differ. own and theirs must have as many.
func NewListing(own, theirs *Digests) *Listing {
	set := bucketSet{bits: make([]byte, (len(own.sums)+7)/8), n: len(own.sums)}
	for i, sum := range own.sums {
		if theirs.sums[i] != sum {
			set.bits[i/8] |= 1 << (i % 8)
		}
	}
	return &Listing{Buckets: set.bits, set: set}
}

// Like returns Digests to be filled for as many buckets as d has.
func (d *Digests) Like() *Digests { return &Digests{sums: make([]uint32, len(d.sums))} }

// Len returns the number of buckets.
func (d *Digests) Len() int { return len(d.sums) }

// List adds the next part, and reports whether there is more.
func (c *Core) List(l *Listing) (more bool) {
	return c.eachInPart(&l.next, func(m *member) {
		if hash := nameHash(m.Name); m.hash != 0 && l.set.has(hash) {
			l.Hashes = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(l.Hashes, hash), m.hash)
		}
	})
}

// Comparison is the states that differ from those of a peer, for the peer, and the hashes of those that it has to send.
type Comparison struct {
	Snapshot
	set     bucketSet
	theirs  []uint64 // sorted: the hash of a name and that of the member
	matched []bool   // those that are known here
}

// NewComparison returns a Comparison with the listing of a peer to be filled: of the digests that it was sent, and the rest of
// the bytes from it.
func NewComparison(d *Digests, buckets, hashes []byte) (*Comparison, error) {
	if len(buckets) != (len(d.sums)+7)/8 || len(hashes)%8 != 0 {
		return nil, errDigests
	}
	x := &Comparison{set: bucketSet{bits: slices.Clone(buckets), n: len(d.sums)}, theirs: make([]uint64, len(hashes)/8)}
	for i := range x.theirs {
		x.theirs[i] = binary.BigEndian.Uint64(hashes[8*i:])
	}
	slices.Sort(x.theirs)
	x.matched = make([]bool, len(x.theirs))
	return x, nil
}

// Compare adds the next part, and reports whether there is more. Of members that are down here it adds those that the peer has
// as alive.
func (c *Core) Compare(x *Comparison) (more bool) {
	return c.eachInPart(&x.next, func(m *member) {
		name := nameHash(m.Name)
		if !x.set.has(name) {
			return
		}
		if m.hash == 0 {
			if i, _ := slices.BinarySearch(x.theirs, uint64(name)<<32); i < len(x.theirs) && uint32(x.theirs[i]>>32) == name {
				x.addVerdict(c, m)
			}
			return
		}
		if i, found := slices.BinarySearch(x.theirs, uint64(name)<<32|uint64(m.hash)); found {
			x.matched[i] = true
			return
		}
		x.addVerdict(c, m)
	})
}

// Wanted returns the hashes of the names of those members of the peer that are not known here as they are there: 4 bytes each.
func (x *Comparison) Wanted() []byte {
	var wanted []byte
	for i, theirs := range x.theirs {
		if !x.matched[i] {
			wanted = binary.BigEndian.AppendUint32(wanted, uint32(theirs>>32))
		}
	}
	return wanted
}

// WantedStates is the states of the members that a peer wants.
type WantedStates struct {
	Snapshot
	hashes []uint32 // sorted, of their names
}

// NewWantedStates returns WantedStates to be filled, for the hashes that Wanted returned to the peer, and for its states: of
// these some may be down here, and so were not in the listing.
func NewWantedStates(hashes []byte, states wire.States) (*WantedStates, error) {
	if len(hashes)%4 != 0 {
		return nil, errDigests
	}
	w := &WantedStates{hashes: make([]uint32, len(hashes)/4, len(hashes)/4+states.Len())}
	for i := range w.hashes {
		w.hashes[i] = binary.BigEndian.Uint32(hashes[4*i:])
	}
	for v := (wire.StateView{}); states.Next(&v); {
		w.hashes = append(w.hashes, nameHash(string(v.Name())))
	}
	slices.Sort(w.hashes)
	return w, nil
}

// Collect adds the next part, and reports whether there is more.
func (c *Core) Collect(w *WantedStates) (more bool) {
	return c.eachInPart(&w.next, func(m *member) {
		if _, wanted := slices.BinarySearch(w.hashes, nameHash(m.Name)); wanted {
			w.addVerdict(c, m)
		}
	})
}

// addVerdict adds the state of m. If it is dead, it is so at the incarnation of the verdict, at which peers that suspect it
// believe it: see Peer.OfDifferences.
func (s *Snapshot) addVerdict(c *Core, m *member) {
	incarnation := m.Incarnation
	if m.State == StateDead {
		incarnation = c.table.deadIncarnation(m)
	}
	s.add(c, m, incarnation)
}

// OfDifferences returns a peer for the states of a push/pull of differences. A member that it has as dead, and that is suspected
// here at that incarnation or a lower one, is dead. The message that says so was missed, and once the verdict is known no member
// gossips further suspicions, which would end this one in time.
func (p Peer) OfDifferences() Peer {
	p.differences = true
	return p
}

// believeVerdict makes m dead if it is suspected and a state of a peer has it as dead, and reports whether mergeState is not to be told
// of it. One that is alive, or suspected because of a push/pull alone, is pinged first (see deadCheck): when two sides of a partition meet,
// each has members of the other as dead, and these are to refute it.
func (t *Turn) believeVerdict(peer *Peer, m *member, v *wire.StateView) bool {
	if State(v.State) != StateDead || m.State.IsDown() || v.Incarnation < m.Incarnation || v.Incarnation == MaxIncarnation {
		return false
	}
	if t.suspicions.isUnsuspected(m) {
		return t.deadChecks.begin(t, &peer.Endpoint, m, &wire.Dead{Incarnation: v.Incarnation, Node: m.Name, From: t.cfg.Name})
	}
	t.applyDead(v.Incarnation, m, t.cfg.Name)
	return true
}
