package memberlist

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// ViewChecksum returns a number that says whether two members see the same cluster: those whose Members have the same
// names, addresses, ports, metadata and versions return the same number, and others, but for one chance in 2^64, do not.
// The order of the members does not count, nor who is suspected, nor incarnations, which differ while they travel. It
// takes no lock, and a time that grows with the cluster. Another version of this package may compute another number.
func (m *Memberlist) ViewChecksum() uint64 {
	var sum uint64
	for _, n := range m.Members() {
		sum += nodeChecksum(n)
	}
	return sum
}

// nodeChecksum is a member's part of the sum.
func nodeChecksum(n *Node) uint64 {
	var head [2 + 2 + 6]byte
	binary.BigEndian.PutUint16(head[:], uint16(len(n.Name)))
	binary.BigEndian.PutUint16(head[2:], n.Port)
	copy(head[4:], []byte{n.PMin, n.PMax, n.PCur, n.DMin, n.DMax, n.DCur})
	hash := fnv.New64a()
	hash.Write(head[:])
	hash.Write([]byte(n.Name))
	hash.Write(n.Addr.To16())
	hash.Write(n.Meta)
	return mixed(hash.Sum64())
}

// mixed spreads each bit of a hash over all others, so that sums of hashes seldom meet (the finalizer of splitmix64).
func mixed(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// quietRounds is for how many rounds of gossip the view must not have changed to be settled. News reaches a thousand
// members in about as many.
const quietRounds = 10

// quietDefault is how long that is if there is no gossip.
const quietDefault = 2 * time.Second

// WaitConverged waits until this member's view of the cluster has settled: it has exchanged states with another member at
// least once, as Join does, and since then nobody has joined, left, failed or changed for ten times Config.GossipInterval
// (two seconds on a LAN; also if there is no gossip). A member that is alone does not settle until it meets another. The
// error is the context's, or ErrShutdown.
func (m *Memberlist) WaitConverged(ctx context.Context) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	quiet := quietRounds * m.config.GossipInterval
	if quiet <= 0 || m.config.GossipNodes <= 0 {
		quiet = quietDefault
	}
	synced := m.synced()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		expired := timer.C
		if synced != nil {
			expired = nil
		}
		select {
		case <-synced:
			synced = nil
		case <-expired:
			left := time.Until(m.changed().Add(quiet))
			if left <= 0 {
				return nil
			}
			timer.Reset(left)
		case <-ctx.Done():
			return contextError(ctx)
		case <-m.tasks.Done():
			return ErrShutdown
		}
	}
}

// changed is when the view last changed, or states were first exchanged.
func (m *Memberlist) changed() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.changed
}

// noteChangeLocked notes when the view last changed.
func (m *Memberlist) noteChangeLocked(now time.Time, e *swim.Event) {
	switch e.Kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate, swim.EventMoved:
		m.mu.changed = now
	}
}

// exchanged notes that states were exchanged with another member.
func (m *Memberlist) exchanged() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.exchanged {
		return
	}
	m.mu.exchanged, m.mu.changed = true, time.Now()
	if m.mu.synced != nil {
		close(m.mu.synced)
	}
}

// synced is closed when states have been exchanged for the first time; nil: they have been.
func (m *Memberlist) synced() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.exchanged {
		return nil
	}
	if m.mu.synced == nil {
		m.mu.synced = make(chan struct{})
	}
	return m.mu.synced
}
