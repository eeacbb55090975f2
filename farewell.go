package memberlist

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// farewellPatience is how long a member's farewell waits for the user messages that arrived before it, and how long Leave
	// waits for a round of gossip that has asked the delegate: about a round of gossip.
	farewellPatience = 200 * time.Millisecond

	// recentFor is how long after it was sent last a user broadcast is repeated with a farewell. By then it has spread, or
	// has been lost.
	recentFor = 5 * time.Second
)

// recentBroadcasts are the user broadcasts that were sent lately, each of them once, at most as many as fit into a packet. They
// are sent again with our farewell, which reaches several members at once: a broadcast that the program made before it left
// may not have reached them yet. Serf's members announce that they will leave, and take a leave without that for a failure.
type recentBroadcasts struct {
	room int // bytes, as those of Packet.Room; set by Create

	mu struct {
		sync.Mutex
		sent []recentBroadcast // the latest last
		size int               // what they take of a packet
	}
}

type recentBroadcast struct {
	message []byte // with its type
	at      time.Time
}

// note takes note of broadcasts that are sent in one packet, in the order of a packet: the latest first.
func (r *recentBroadcasts) note(now time.Time, messages [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, message := range slices.Backward(messages) {
		r.forgetLocked(func(b recentBroadcast) bool { return bytes.Equal(b.message, message) })
		r.mu.sent = append(r.mu.sent, recentBroadcast{message, now})
		r.mu.size += wire.CompoundPartOverhead + len(message)
	}
	r.forgetLocked(func(b recentBroadcast) bool { return r.mu.size > r.room || now.Sub(b.at) > recentFor })
}

// list returns the broadcasts in the order of a packet.
func (r *recentBroadcasts) list(now time.Time) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(func(b recentBroadcast) bool { return now.Sub(b.at) > recentFor })
	var messages [][]byte
	for _, b := range slices.Backward(r.mu.sent) {
		messages = append(messages, b.message)
	}
	return messages
}

// forgetLocked removes those that a function wants removed, the oldest first.
func (r *recentBroadcasts) forgetLocked(remove func(recentBroadcast) bool) {
	r.mu.sent = slices.DeleteFunc(r.mu.sent, func(b recentBroadcast) bool {
		if !remove(b) {
			return false
		}
		r.mu.size -= wire.CompoundPartOverhead + len(b.message)
		return true
	})
}

// appendFitting appends those messages to parts that fit into so much room of a packet.
func appendFitting(parts, messages [][]byte, room int) [][]byte {
	for _, message := range messages {
		if cost := wire.CompoundPartOverhead + len(message); cost <= room {
			parts, room = append(parts, message), room-cost
		}
	}
	return parts
}

// farewellRoom returns how many bytes of user broadcasts fit into a packet with our farewell.
func (m *Memberlist) farewellRoom() int {
	farewell := wire.Dead{Incarnation: swim.MaxIncarnation, Node: m.config.Name, From: m.config.Name}
	return m.envelope.Budget().Message - farewell.Size()
}

// lastWords returns the user broadcasts that go with our farewell: those that the delegate has, and those sent lately.
func (m *Memberlist) lastWords() [][]byte {
	if m.config.Delegate == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellPatience)
	defer cancel()
	if m.gossiping.Lock(ctx) == nil { // else the delegate is slow
		defer m.gossiping.Unlock()
		if room := m.farewellRoom(); room > 0 && m.wouldBeHeard() {
			m.userBroadcasts(room)
		}
	}
	return m.recent.list(time.Now())
}

// wouldBeHeard reports whether Leave would send a farewell.
func (m *Memberlist) wouldBeHeard() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.AnyAlive() && !m.mu.core.Leaving()
}

// awaitUserMessages returns when the first n user messages that arrived have been handed to the delegate, or after
// farewellPatience. It does not wait twice for the same call of a slow delegate.
func (m *Memberlist) awaitUserMessages(n uint64) {
	handled := m.userMessages.Handled()
	if handled >= n || m.stuckAt.Load() == handled+1 {
		return
	}
	timer := time.NewTimer(farewellPatience)
	defer timer.Stop()
	if !m.userMessages.Await(n, timer.C, m.tasks.Done()) {
		m.stuckAt.Store(m.userMessages.Handled() + 1)
	}
}
