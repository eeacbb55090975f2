package swim

import (
	"slices"
	"strings"
	"time"
)

// suspicion is the time in which a suspect member can refute. Every independent confirmation shortens it (Lifeguard
// section IV-B, LHA-Suspicion).
type suspicion struct {
	due            *deadline
	began          time.Time
	least, longest time.Duration
	wanted         int      // confirmations that shorten it to least
	lead           *lead    // nil: this member does not look for evidence
	reporters      []string // the first one, or unattributed, then those that confirmed

	cause    Cause     // of the first report
	sender   Endpoint  // of that
	health   int       // ours then
	findings *Findings // ours; nil: no probe of ours has failed
	acked    bool      // an ack came from the member meanwhile
}

// confirmations returns the number of reporters but the first.
func (s *suspicion) confirmations() int { return len(s.reporters) - 1 }

// end returns when the suspicion ends, with the present confirmations.
func (s *suspicion) end() time.Time {
	return s.began.Add(confirmedTimeout(s.confirmations(), s.wanted, s.least, s.longest))
}

// confirm adds a reporter, and reports whether it counts: it is neither unattributed nor repeated nor beyond those wanted.
// If the suspicion began unattributed, the reporter may be the very source of that, and is not counted twice unless it is
// self.
func (s *suspicion) confirm(from, self string) bool {
	switch {
	case from == unattributed || slices.Contains(s.reporters, from):
		return false
	case s.reporters[0] == unattributed && from != self:
		s.reporters[0] = strings.Clone(from)
		return true
	case s.confirmations() >= s.wanted:
		return false
	}
	s.reporters = append(s.reporters, strings.Clone(from))
	return true
}

// suspicions are those of members whose State is StateSuspect.
type suspicions map[ID]*suspicion

// begin begins a suspicion of m.
func (s suspicions) begin(t *Turn, m *member, from string) {
	n := t.table.len()
	least := suspicionTimeout(t.cfg.SuspicionMult, n, t.cfg.period())
	one := &suspicion{
		due:       newDeadline(dueSuspicion),
		began:     t.now,
		least:     least,
		longest:   time.Duration(t.cfg.SuspicionMaxTimeoutMult) * least,
		wanted:    suspicionConfirmations(t.cfg.SuspicionMult, n),
		reporters: []string{from},
		cause:     t.origin.cause,
		sender:    t.origin.identify(t),
		health:    t.awareness.score,
		findings:  t.origin.findings.clone(),
	}
	one.due.member = m
	s[m.ID] = one
	t.deadlines.set(one.due, one.end())
}

// of returns the suspicion of m, or nil.
func (s suspicions) of(m *member) *suspicion {
	if m.State != StateSuspect {
		return nil
	}
	return s[m.ID]
}

// areMany reports whether so many members are suspect that it may be our side that is cut off: more than two, and than one in twenty.
func (s suspicions) areMany(t *Turn) bool { return len(s) > max(2, t.present/20) }

// drop ends the suspicion of m, if any, without a result.
func (s suspicions) drop(t *Turn, m *member) {
	if one := s.of(m); one != nil {
		t.deadlines.stop(one.due)
		if one.lead != nil {
			one.lead.end(t)
		}
		delete(s, m.ID)
	}
}

// onTimeout declares m dead: it did not refute in time.
func (s suspicions) onTimeout(t *Turn, m *member) {
	one := s.of(m)
	if one.confirmations() < one.wanted {
		t.out.Counts.DegradedTimeouts++
	}
	t.origin.cause = CauseTimeout
	t.out.event(Event{Kind: EventTimeout, Member: t.table.snapshot(m), Count: one.confirmations(), Evidence: t.verdict(m, t.cfg.Name)})
	t.applyDead(m.Incarnation, m, t.cfg.Name)
}
