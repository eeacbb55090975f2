package memberlist

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// Forget removes a member that is dead or left from all that this member knows,
// at once: it is no longer gossiped about, nor looked for. Other members are not
// told, and go by their own clocks (Config.GossipToTheDeadTime,
// Config.ReconnectTimeout). Whoever hears of it again as alive takes it for new.
//
// The error wraps ErrUnknownMember if nobody of that name is known, ErrMemberAlive
// if it is alive or suspect, ErrIsSelf or ErrShutdown.
func (m *Memberlist) Forget(name string) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	t := m.beginTurn()
	if member, ok := t.core.Member(name); ok && member.State.Gone() {
		m.mu.seeds.forgetAddress(member.Addr)
	}
	removal := t.core.Forget(t.now, name)
	m.endTurnAndDeliver(t)
	return removalError(name, removal)
}

// ForceLeave has the whole cluster take a dead member for one that left, on an
// operator's word: it is not looked for any more, and its name may be used at
// another address at once. If anyone else is alive it waits until that has been
// sent, or until the context ends: then the error wraps ErrForceLeaveTimeout and
// the context's, and the others will be told later. NotifyLeave is not called
// again for it. A member that has left already is left as it is.
//
// The error wraps ErrUnknownMember if nobody of that name is known (it may be
// forgotten already), ErrMemberAlive if it is alive or suspect: see
// ForceLeaveAlive. Others are ErrIsSelf (Leave is for that) and ErrShutdown.
//
// On the wire it is the farewell of that member, so that members of the
// reference understand it; those that have found it dead already keep it as that
// until they forget it.
func (m *Memberlist) ForceLeave(ctx context.Context, name string) error {
	return m.forceLeave(ctx, name, (*swim.Core).ForceLeave)
}

// ForceLeaveAlive is ForceLeave also for a member that is alive or suspect. It
// is for one that hangs, or is misconfigured and about to be stopped: one that
// is well hears of it, refutes, and is a member again within moments. Errors are
// those of ForceLeave, but for ErrMemberAlive.
func (m *Memberlist) ForceLeaveAlive(ctx context.Context, name string) error {
	return m.forceLeave(ctx, name, (*swim.Core).ForceLeaveAlive)
}

func (m *Memberlist) forceLeave(ctx context.Context, name string, how func(*swim.Core, time.Time, string, uint64) swim.Removal) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	t := m.beginTurn()
	notice, sent := m.newNoticeLocked()
	removal := how(t.core, t.now, name, notice)
	anyAlive := t.core.AnyAlive()
	m.endTurnAndDeliver(t)
	if removal != swim.Removed || !anyAlive {
		m.dropNotice(notice)
		return removalError(name, removal)
	}
	m.log.Info("marking member as left, as requested", slog.String("node", name))
	return m.await(ctx, notice, sent, ErrForceLeaveTimeout)
}

// removalError is the error for what came of removing a member.
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
