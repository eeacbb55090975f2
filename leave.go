package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// Leave announces that this member leaves, so that it is not declared dead. If another member is alive it waits until
// the broadcast has been sent, at most for the timeout (0: no limit), and then returns ErrLeaveTimeout. The member
// goes on answering until Shutdown. Calling it again has no effect; after Shutdown it returns ErrShutdown.
//
// Broadcasts of the Delegate from the last seconds, and those that it returns now, are sent with it, and are
// delivered to the other members before this one leaves for them.
//
// Compat: the reference panics after Shutdown.
func (m *Memberlist) Leave(timeout time.Duration) error {
	ctx, cancel := within(timeout)
	defer cancel()
	if err := m.LeaveContext(ctx); !errors.Is(err, ErrLeaveTimeout) {
		return err
	}
	return ErrLeaveTimeout
}

// LeaveContext is Leave with a context in place of the timeout. The member leaves in any case. If the context ends
// before the broadcast has been sent, the error wraps ErrLeaveTimeout and the context's.
func (m *Memberlist) LeaveContext(ctx context.Context) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	broadcasts := m.broadcasts.beforeLeave()
	t := m.begin()
	t.leaveBroadcasts = broadcasts
	ticket, sent := m.mu.waiters.add()
	sends := t.core.Leave(ticket)
	if !sends {
		m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if !sends {
		return nil
	}
	return m.await(ctx, ticket, sent, ErrLeaveTimeout)
}

const (
	// leavePatience is the time for which the message that a member leaves waits for user messages that arrived before it, and for
	// which Leave waits for a round of gossip that has asked the delegate: about a round of gossip.
	leavePatience = 200 * time.Millisecond

	// recentFor is the time after which a user broadcast is no longer sent again when this member leaves: by then it has spread, or
	// has been lost.
	recentFor = 5 * time.Second
)

// recentBroadcasts are the user broadcasts that were sent lately, each of them once, at most as many as fit a packet. They are sent again
// when this member leaves, which is gossiped to several members at once: a broadcast from just before may not have reached them yet. Serf
// announces a leave by a user broadcast, and takes a leave without that for a failure.
type recentBroadcasts struct {
	room int // bytes, as those of Packet.Room; set by Create

	mu struct {
		sync.Mutex
		sent []recentBroadcast // the latest last
		size int               // bytes of a packet
	}
}

type recentBroadcast struct {
	message []byte // with its type
	at      time.Time
}

// note records broadcasts that are sent in one packet, in the order of a packet: the latest first.
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

// forgetLocked removes those for which a function returns true, the oldest first.
func (r *recentBroadcasts) forgetLocked(remove func(recentBroadcast) bool) {
	r.mu.sent = slices.DeleteFunc(r.mu.sent, func(b recentBroadcast) bool {
		if !remove(b) {
			return false
		}
		r.mu.size -= wire.CompoundPartOverhead + len(b.message)
		return true
	})
}

// appendFitting appends to parts those messages that fit the room of a packet.
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
	ctx, cancel := context.WithTimeout(context.Background(), leavePatience)
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

// Forget removes a dead or left member from this member's state at once: it is no longer gossiped about, nor
// reconnected to. Other members are not told, and forget it in their own time (Config.GossipToTheDeadTime,
// Config.ReconnectTimeout). An alive message about it makes it a new member again.
//
// The error wraps ErrUnknownMember if no member of that name is known, ErrMemberAlive if it is alive or suspect,
// ErrIsSelf or ErrShutdown.
func (m *Memberlist) Forget(name string) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	t := m.begin()
	if member, ok := t.core.Member(name); ok && member.State.IsDown() {
		m.mu.seeds.forgetAddress(member.Addr)
	}
	removal := t.core.Forget(name)
	t.commitAndNotify()
	return removalError(name, removal)
}

// ForceLeave declares, on an operator's behalf, that a dead member has left: the whole cluster stops reconnecting to
// it, and its name may be used at another address at once. If another member is alive it waits until the broadcast
// has been sent or the context ends: then the error wraps ErrForceLeaveTimeout and the context's, and the broadcast
// is sent later. NotifyLeave is not called again for it. For a member that has left it has no effect.
//
// The error wraps ErrUnknownMember if no member of that name is known (it may be forgotten already), ErrMemberAlive
// if it is alive or suspect (see ForceLeaveAlive), ErrIsSelf (use Leave) or ErrShutdown.
//
// On the wire this is that member's leave message, so that members of the reference understand it; those that have
// declared it dead keep it as dead until they forget it.
func (m *Memberlist) ForceLeave(ctx context.Context, name string) error {
	return m.forceLeave(ctx, name, (*swim.Turn).ForceLeave)
}

// ForceLeaveAlive is ForceLeave also for a member that is alive or suspect, for example one that hangs, or is
// misconfigured and about to be stopped. A healthy member receives the message, refutes, and is a member again within
// moments. The errors are those of ForceLeave, except ErrMemberAlive.
func (m *Memberlist) ForceLeaveAlive(ctx context.Context, name string) error {
	return m.forceLeave(ctx, name, (*swim.Turn).ForceLeaveAlive)
}

func (m *Memberlist) forceLeave(ctx context.Context, name string, how func(*swim.Turn, string, uint64) swim.Removal) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	t := m.begin()
	ticket, sent := m.mu.waiters.add()
	removal := how(t.core, name, ticket)
	waits := removal == swim.Removed && t.core.AnyAlive()
	if !waits {
		m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if !waits {
		return removalError(name, removal)
	}
	m.log.Info("marking member as left, as requested", slog.String("node", name))
	return m.await(ctx, ticket, sent, ErrForceLeaveTimeout)
}

// removalError returns the error for the result of a removal.
func removalError(name string, removal swim.Removal) error {
	switch removal {
	case swim.NotKnown:
		return fmt.Errorf("%w: %q", ErrUnknownMember, name)
	case swim.NotSelf:
		return fmt.Errorf("%w: %q", ErrIsSelf, name)
	case swim.NotGone:
		return fmt.Errorf("%w: %q", ErrMemberAlive, name)
	default:
		return nil
	}
}
