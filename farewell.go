package memberlist

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/lifecycle"
	"github.com/e3431adc/memberlist/internal/metrics"
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

// userBroadcasts are the broadcasts of Config.Delegate.
type userBroadcasts struct {
	m      *Memberlist
	mutex  lifecycle.Mutex // held while the delegate may be asked
	recent recentBroadcasts
}

func (u *userBroadcasts) init(m *Memberlist) {
	u.m, u.mutex = m, m.tasks.NewMutex()
	// User broadcasts that fit a packet with the message that this member leaves.
	leave := wire.Dead{Incarnation: swim.MaxIncarnation, Node: m.config.Name, From: m.config.Name}
	u.recent.room = m.envelope.Budget().Message - leave.Size()
}

// ask asks the delegate for messages that fit the room, in bytes, and frames each as a user message. The caller holds u.mutex.
func (u *userBroadcasts) ask(room int) [][]byte {
	m := u.m
	if m.config.Delegate == nil || !m.tasks.BeginCallback() {
		return nil
	}
	broadcasts := m.config.Delegate.GetBroadcasts(wire.CompoundPartOverhead+envelope.UserOverhead, room)
	m.tasks.EndCallback()
	var framed [][]byte
	for _, b := range broadcasts {
		cost := wire.CompoundPartOverhead + envelope.UserOverhead + len(b)
		if cost > room {
			m.metrics.Add(metrics.DroppedOversize, 1)
			m.log.Limited("oversize broadcast", slog.LevelWarn, "dropping delegate broadcasts that do not fit the packet",
				slog.Int("bytes", len(b)), slog.Int("room", room))
			continue
		}
		room -= cost
		message := make([]byte, 0, envelope.UserOverhead+len(b))
		message = append(message, byte(wire.TypeUser))
		framed = append(framed, append(message, b...))
	}
	if len(framed) > 0 {
		u.recent.note(time.Now(), framed)
	}
	return framed
}

// beforeLeave returns the broadcasts to send along when this member leaves: those that the delegate has, and recent ones.
func (u *userBroadcasts) beforeLeave() [][]byte {
	if u.m.config.Delegate == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellPatience)
	defer cancel()
	if u.mutex.Lock(ctx) == nil { // else the delegate is slow
		defer u.mutex.Unlock()
		if u.recent.room > 0 && u.wouldBeHeard() {
			u.ask(u.recent.room)
		}
	}
	return u.recent.list(time.Now())
}

// wouldBeHeard reports whether LeaveContext would send anything.
func (u *userBroadcasts) wouldBeHeard() bool {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	return u.m.mu.core.AnyAlive() && !u.m.mu.core.Leaving()
}
