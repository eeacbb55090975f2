package memberlist

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/e3431adc/memberlist/internal/swim"
)

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
