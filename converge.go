package memberlist

import (
	"context"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// ViewChecksum returns a hash of this member's view of the cluster: it is equal for members that know the same alive
// members at the same addresses, with the same metadata and incarnations, and differs otherwise, with a chance of 2^-32
// of a collision. Suspect members count as alive. A member raises its incarnation when it refutes a suspicion, so the
// hashes differ until that is known. Other versions of this package may return another hash.
func (m *Memberlist) ViewChecksum() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.ViewChecksum()
}

// quietRounds is the number of rounds of gossip without a change after which the view has converged. News reaches a
// thousand members in about as many.
const quietRounds = 10

// quietDefault is used if there is no gossip.
const quietDefault = 2 * time.Second

// WaitConverged waits until this member's view of the cluster has converged: it has exchanged states with another
// member at least once, as Join does, and since then no member has joined, left, failed or changed for ten times
// Config.GossipInterval (two seconds on a LAN; also without gossip). A member that knows no others waits until it
// meets one. The error is the context's, or ErrShutdown.
func (m *Memberlist) WaitConverged(ctx context.Context) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	quiet := quietRounds * m.config.GossipInterval
	if quiet <= 0 || m.config.GossipNodes <= 0 {
		quiet = quietDefault
	}
	m.mu.Lock()
	synced := m.mu.view.wait()
	m.mu.Unlock()
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
			m.mu.Lock()
			left := time.Until(m.mu.view.changed.Add(quiet))
			m.mu.Unlock()
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

// convergence is when the view of this member last changed. It is guarded by Memberlist.mu.
type convergence struct {
	changed   time.Time     // the last change of the view or, if later, the first state exchange
	exchanged bool          // states have been exchanged with another member
	synced    chan struct{} // closed at the first exchange; nil: nothing waits for that
}

// note takes an event of the core.
func (v *convergence) note(now time.Time, e *swim.Event) {
	switch e.Kind {
	case swim.EventJoin, swim.EventLeave, swim.EventUpdate, swim.EventMoved:
		v.changed = now
	}
}

// noteExchange is called when states have been exchanged with another member.
func (v *convergence) noteExchange(now time.Time) {
	if v.exchanged {
		return
	}
	v.exchanged, v.changed = true, now
	if v.synced != nil {
		close(v.synced)
	}
}

// wait returns a channel that is closed at the first state exchange; nil after it.
func (v *convergence) wait() <-chan struct{} {
	if v.exchanged {
		return nil
	}
	if v.synced == nil {
		v.synced = make(chan struct{})
	}
	return v.synced
}
