package swim

import (
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// lead is what the member does about a suspect whose own probe began the suspicion: in rounds it pings the suspect, which gets
// the suspicion beside the ping, tries a stream to it, and asks some other members to ping it too. What the others find
//
//   - confirms the suspicion here, as their own suspect messages would, if all that were asked in a round send nacks. With the ring few
//     members probe one, so that few would find out by themselves. If some send nothing, our own network may be what fails;
//   - ends it early, if they were refused (refusal.go), or if Detector.SilenceTimeout has passed: see isSilent.
//
// An ack, to us or to one of them, or a stream that was opened ends the lead: then the suspicion lasts for Lifeguard's time.
type lead struct {
	suspect   *member
	suspicion *suspicion
	due       *deadline // the next round
	rounds    []*round
	ends      time.Time
	refused   bool // our own last stream was refused
	refusers  []ID // members whose streams were refused after the grace
	silent    []ID // members that got no answer
}

// round is one round of a lead.
type round struct {
	lead   *lead
	seq    uint32
	asked  []ID     // those that have not answered
	nacked []string // names of those that sent nacks
	late   bool     // began when the grace was over: its refusals count
	silent int      // members that got no answer in this round
}

// rounds are those of all leads, by the sequence numbers of their pings.
type rounds map[uint32]*round

const (
	roundEvery   = time.Second
	roundHelpers = 6               // members asked in a round
	roundsAfter  = 2 * time.Second // rounds go on for so long after the last time at which a suspicion may end early

	silentInRound = 3 // members without an answer in the last round, and in all rounds, that let a suspicion end early
	silentInAll   = 4
)

// lead begins to lead the suspicion of m after a failed probe, if that began the suspicion or was refused, or if nobody leads
// it: who began it is down, or of the reference. The members that were refused in the probe count if there is no grace.
func (s suspicions) lead(t *Turn, m *member, refusers []ID) {
	d, one := &t.cfg.Detector, s.of(m)
	refused := d.Refusals && slices.Contains(refusers, t.table.self.ID)
	if one == nil || one.lead != nil || !refused && (!d.Corroborate || one.isLedByOther(t)) {
		return
	}
	l := &lead{suspect: m, suspicion: one, due: newDeadline(dueRound), refused: refused}
	l.due.member = m
	l.ends = one.began.Add(max(d.RefusalGrace, d.SilenceTimeout) + roundsAfter)
	one.lead = l
	if refused && d.RefusalGrace <= 0 {
		l.refusers = append(l.refusers, refusers...)
		if l.endRefused(t) {
			return
		}
	}
	l.begin(t)
}

// isLedByOther reports whether another member leads it, as far as is known: the one that began it.
func (s *suspicion) isLedByOther(t *Turn) bool {
	m := t.table.named(s.reporters[0])
	return m != nil && m != t.table.self && m.State == StateAlive && m.extended()
}

// begin begins a round. When it is too late for evidence the suspect alone is pinged, with the suspicion, until that ends: else a suspect
// that can be reached again, after nacks have confirmed the suspicion, might not learn of it in time.
func (l *lead) begin(t *Turn) {
	d, m := &t.cfg.Detector, l.suspect
	l.noteSilent(t)
	r := &round{lead: l, seq: t.seq.next(), late: t.now.Sub(l.suspicion.began) >= d.RefusalGrace}
	l.rounds = append(l.rounds, r)
	t.rounds[r.seq] = r
	t.deadlines.set(l.due, l.next(t))
	t.sendAlone(t.table.endpoint(m), t.newPing(r.seq, m.Name),
		&wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: t.cfg.Name})
	if len(l.rounds) > 1 && !t.now.Before(l.ends) {
		return
	}
	target := t.table.snapshot(m)
	t.out.tryStream(m, &target, r.seq, t.now.Add(roundEvery))
	dial := l.refused && r.late || d.SilenceTimeout > 0
	question{seq: r.seq, members: roundHelpers, dial: dial}.ask(t, m, &target, &r.asked)
}

// noteSilent notes for the evidence what had no answer in the last round.
func (l *lead) noteSilent(t *Turn) {
	f := l.suspicion.findings
	if f == nil || len(l.rounds) == 0 {
		return
	}
	f.Pings++
	for _, id := range l.rounds[len(l.rounds)-1].asked {
		if m := t.table.at(id); m.Name != "" {
			f.note(m.Name, ResultSilent)
		}
	}
}

// noteAnswer notes for the evidence what a helper found.
func (r *round) noteAnswer(helper *member, result Result) {
	if f := r.lead.suspicion.findings; f != nil && helper != nil {
		f.note(helper.Name, result)
	}
}

// next returns the time of the next round: one begins when the grace ends, and one at the SilenceTimeout.
func (l *lead) next(t *Turn) time.Time {
	next := t.now.Add(roundEvery)
	for _, after := range []time.Duration{t.cfg.Detector.RefusalGrace, t.cfg.Detector.SilenceTimeout} {
		if at := l.suspicion.began.Add(after); at.After(t.now) && at.Before(next) {
			next = at
		}
	}
	return next
}

// end ends a lead. The suspicion goes on.
func (l *lead) end(t *Turn) {
	t.deadlines.stop(l.due)
	for _, r := range l.rounds {
		delete(t.rounds, r.seq)
	}
	l.rounds = nil
}

// onAck ends the lead: the suspect answered us, or a helper.
func (r *round) onAck(t *Turn, from *Endpoint) {
	if m := r.lead.suspect; !t.ackSources.isFrom(t, m, from) && !t.ackSources.anyFrom(t, r.asked, from) {
		t.out.drop(DropStranger)
		return
	}
	r.noteAnswer(t.ackSources.whose(t, r.asked, from), ResultAcked)
	r.lead.suspect.answered = true
	t.suspicions.noteAck(r.lead.suspect)
	r.lead.end(t)
}

// onNack takes what a helper found.
func (r *round) onNack(t *Turn, from *Endpoint, n *wire.Nack) {
	helper := t.ackSources.whose(t, r.asked, from)
	if helper == nil {
		return
	}
	r.asked = slices.DeleteFunc(r.asked, func(id ID) bool { return id == helper.ID }) // it is heard once
	r.noteAnswer(helper, resultOf(n))
	r.nacked = append(r.nacked, helper.Name)
	r.lead.onEvidence(t, r, helper, n.Evidence)
	if t.cfg.Detector.Corroborate && len(r.asked) == 0 && t.rounds[r.seq] == r { // the suspicion goes on, and is led
		r.confirm(t)
	}
}

// confirm confirms the suspicion by those that sent nacks.
func (r *round) confirm(t *Turn) {
	s, counts := r.lead.suspicion, false
	for _, name := range r.nacked {
		counts = s.confirm(name, t.cfg.Name) || counts
	}
	if counts {
		t.deadlines.set(s.due, later(s.end(), t.now))
	}
}

// onEvidence takes the outcome of a ping by a member, and of its stream.
func (l *lead) onEvidence(t *Turn, r *round, by *member, evidence uint8) {
	switch {
	case evidence == wire.EvidenceConnected:
		l.end(t)
		return
	case evidence == wire.EvidenceRefused:
		l.refused = l.refused || by == t.table.self
		if r.late && !slices.Contains(l.refusers, by.ID) {
			l.refusers = append(l.refusers, by.ID)
		}
		if l.endRefused(t) {
			return
		}
	case by != t.table.self:
		r.silent++
		if !slices.Contains(l.silent, by.ID) {
			l.silent = append(l.silent, by.ID)
		}
	}
	if l.isSilent(t, r) {
		l.declareDead(t, EventSilent, len(l.silent)+1)
	}
}

// endRefused ends the suspicion if enough members, this one included, were refused, and this member is not late.
func (l *lead) endRefused(t *Turn) bool {
	if t.lateness.at(t.now) > 0 || len(l.refusers) < t.refusersWanted() || !slices.Contains(l.refusers, t.table.self.ID) {
		return false
	}
	l.declareDead(t, EventRefused, len(l.refusers))
	return true
}

// isSilent reports whether the suspicion ends by its SilenceTimeout, stretched by our health: several members get no answer,
// some of them just now, and few members are suspect.
func (l *lead) isSilent(t *Turn, r *round) bool {
	after := t.cfg.Detector.SilenceTimeout
	return after > 0 && t.lateness.at(t.now) == 0 && t.now.Sub(l.suspicion.began) >= t.awareness.stretch(after) &&
		r == l.rounds[len(l.rounds)-1] && 1+r.silent >= silentInRound && 1+len(l.silent) >= silentInAll &&
		!t.suspicions.areMany(t)
}

// declareDead declares the suspect dead. Of the events that end a suspicion, EventRefused and EventSilent have the number of
// members, this one included, that found out.
func (l *lead) declareDead(t *Turn, kind EventKind, members int) {
	m := l.suspect
	t.origin = origin{cause: CauseSilent}
	if kind == EventRefused {
		t.origin.cause = CauseRefused
	}
	t.out.event(Event{Kind: kind, Member: t.table.snapshot(m), Count: members, Evidence: t.verdict(m, t.cfg.Name)})
	t.applyDead(m.Incarnation, m, t.cfg.Name)
}
