package swim

import (
	"slices"
	"strings"
	"time"
)

// suspicion is the time a suspect member has left to refute. Every independent
// confirmation shortens it (Lifeguard section IV-B, LHA-Suspicion).
type suspicion struct {
	due            *deadline
	began          time.Time
	least, longest time.Duration
	wanted         int      // confirmations that bring it down to least
	accusers       []string // the first accuser, or hearsay, then those who confirmed
}

// confirmations is how many members other than the first accuser accused too.
func (s *suspicion) confirmations() int { return len(s.accusers) - 1 }

// end is when the suspicion ends, as confirmed so far.
func (s *suspicion) end() time.Time {
	return s.began.Add(confirmedTimeout(s.confirmations(), s.wanted, s.least, s.longest))
}

// confirm notes an accusation by from and reports whether it is news: neither
// hearsay nor repeated nor more than is wanted. If the suspicion began with
// hearsay, the first accuser may be the very one that it came from, and is not
// counted twice, unless it is self.
func (s *suspicion) confirm(from, self string) bool {
	switch {
	case from == hearsay || slices.Contains(s.accusers, from):
		return false
	case s.accusers[0] == hearsay && from != self:
		s.accusers[0] = strings.Clone(from)
		return true
	case s.confirmations() >= s.wanted:
		return false
	}
	s.accusers = append(s.accusers, strings.Clone(from))
	return true
}

// suspect begins a suspicion of m.
func (t *Turn) beginSuspicion(m *member, from string) {
	n := t.table.len()
	least := suspicionTimeout(t.cfg.SuspicionMult, n, t.cfg.period())
	s := &suspicion{
		due:      newDeadline(dueSuspicion),
		began:    t.now,
		least:    least,
		longest:  time.Duration(t.cfg.SuspicionMaxTimeoutMult) * least,
		wanted:   suspicionConfirmations(t.cfg.SuspicionMult, n),
		accusers: []string{from},
	}
	s.due.member = m
	t.suspicions[m.ID] = s
	t.deadlines.set(s.due, s.end())
}

// suspicion returns m's suspicion, or nil.
func (c *Core) suspicion(m *member) *suspicion {
	if m.State != StateSuspect {
		return nil
	}
	return c.suspicions[m.ID]
}

// dropSuspicion ends m's suspicion, if any, without a verdict.
func (t *Turn) dropSuspicion(m *member) {
	if s := t.suspicion(m); s != nil {
		t.deadlines.stop(s.due)
		delete(t.suspicions, m.ID)
	}
}

// suspicionEnded declares m dead: it did not refute in time.
func (t *Turn) suspicionEnded(m *member) {
	s := t.suspicion(m)
	if s.confirmations() < s.wanted {
		t.out.Counts.DegradedTimeouts++
	}
	t.event(Event{Kind: EventTimeout, Member: t.table.snapshot(m), Count: s.confirmations()})
	t.applyDead(m.Incarnation, m, t.cfg.Name)
}
