package swim

import "time"

// lateness is how far this member is behind: its timers have run late, or messages have waited for it, since its machine or its process
// is busy or was stopped. Meanwhile a missing answer says nothing about others, as it may be here unread: probes and suspicions wait.
// Rounds of gossip become less frequent, since they cost time here and at those who receive them.
//
// A member that was late by some time is late for as long, so that it reads what has arrived; it is never late for more than
// mostLate. All is measured by this member: it needs no word of others, unlike the health score, and no probe has to fail first.
//
// Compat: the reference has the health score alone. A thousand members in a process that is stopped for some seconds suspect each
// other, and the messages about that keep them late.
type lateness struct {
	until time.Time
}

// LateAfter returns the Config.LateAfter for a ProbeTimeout: a quarter of it, as an indirect ping and its ack wait at three members, but no
// less than the delays that there are on any machine.
func LateAfter(probeTimeout time.Duration) time.Duration { return max(probeTimeout/4, usualDelay) }

const usualDelay = 50 * time.Millisecond

// note notes that something was late, and ignores what is not more than Config.LateAfter.
func (l *lateness) note(t *Turn, late time.Duration) {
	if t.cfg.LateAfter <= 0 || late <= t.cfg.LateAfter {
		return
	}
	if until := t.now.Add(min(late, t.cfg.mostLate())); until.After(l.until) {
		l.until = until
	}
}

// mostLate returns the limit of lateness: that of a probe's interval at the worst health.
func (c *Config) mostLate() time.Duration {
	return time.Duration(c.AwarenessMaxMultiplier) * c.period()
}

// longestWait returns how long an answer is waited for in all while this member is late: on a machine that is busy for minutes a ping may
// wait for mostLate at the other member, and its ack here; and most members that are late for so long are late for longer.
func (c *Config) longestWait() time.Duration { return 3 * c.mostLate() }

// at returns how late this member is; 0: it is not.
func (l *lateness) at(now time.Time) time.Duration { return max(l.until.Sub(now), 0) }

// Lateness returns how late this member is at a time; 0: it is not.
func (c *Core) Lateness(now time.Time) time.Duration { return c.lateness.at(now) }

// Waited notes that a message about members is handled this long after it has arrived.
func (t *Turn) Waited(d time.Duration) {
	if r := t.rec; r != nil && d > t.cfg.LateAfter {
		put(r, &r.calls.Waited, callWaited{d})
	}
	t.lateness.note(t, d)
}

// postpone sets a deadline by which another member has not answered again if this member is late, and reports whether it is. It does so
// for no longer than longestWait in all: a member that is always late finds failures too, only later.
func (l *lateness) postpone(t *Turn, d *deadline) bool {
	switch d.kind {
	case dueProbeTimeout, dueProbeEnd, dueSuspicion, dueNewcomer, dueDeadCheck:
	default:
		return false
	}
	late := l.at(t.now)
	if late == 0 || d.postponed >= t.cfg.longestWait() {
		return false
	}
	t.out.Counts.DegradedLate++
	before, postponed := d.at, d.postponed+late
	t.deadlines.set(d, t.now.Add(late))
	d.postponed = postponed
	if d.kind == dueProbeTimeout {
		t.probe.extend(t, d.at.Sub(before))
	}
	return true
}
