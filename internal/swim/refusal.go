package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// A host refuses a stream if no process listens at the address: the process has ended, though the host runs. A paused process
// still has its streams opened, by its kernel, and a host that is gone answers nothing. So a refusal is evidence of an end, but
// no proof: a firewall, or a proxy, may refuse for a process that runs. A member is taken for dead only if
//
//   - our ping in a packet is not answered, and our stream is refused;
//   - refusersWanted members in all, this one included, are refused, and no ping of theirs is answered either;
//   - no stream was opened and no ack came, here or there, since the suspicion began;
//   - all these streams were tried Detector.RefusalGrace after the suspicion began: the process may be about to return.
//
// The first streams are tried in a probe, which ends early if enough are refused; later ones in the rounds of a lead
// (corroboration.go).

const (
	refusersWanted = 3 // or all members that are there, if there are fewer

	// probeHelpers is the number of members that are asked to try a stream once ours is refused in a probe: one more than are
	// wanted, as one may not answer.
	probeHelpers = refusersWanted + 1
)

// refusersWanted returns how many members, this one included, must be refused.
func (t *Turn) refusersWanted() int { return min(refusersWanted, t.present) }

// StreamRefused reports that the host of a member refused a stream for a ping: it answered that no process listens at the
// address. Only an answer of the host itself counts. Time limits and unreachable networks are not reported.
func (t *Turn) StreamRefused(seq uint32) {
	if r := t.rec; r != nil {
		put(r, &r.calls.StreamRefused, callStreamRefused{seq})
	}
	t.origin = origin{}
	t.noteStream(seq, ResultRefused, "")
	if !t.cfg.Detector.Refusals {
		return
	}
	if p := &t.probe; p.target != nil && p.seq == seq {
		p.onRefused(t)
	}
	if r := t.rounds[seq]; r != nil {
		r.lead.onEvidence(t, r, t.table.self, wire.EvidenceRefused)
	}
	if one := t.relays[seq]; one != nil {
		t.relays.onRefused(t, one)
	}
}

// StreamOpened reports that a stream for a ping was opened, before the ping is answered.
func (t *Turn) StreamOpened(seq uint32) {
	if r := t.rec; r != nil {
		put(r, &r.calls.StreamOpened, callStreamOpened{seq})
	}
	t.noteStream(seq, ResultConnected, "")
	if p := &t.probe; p.target != nil && p.seq == seq {
		p.opened = true
	}
	if r := t.rounds[seq]; r != nil {
		r.lead.end(t)
	}
	if one := t.relays[seq]; one != nil {
		one.evidence = wire.EvidenceConnected
	}
}

// StreamFailed reports that a stream for a ping failed for another reason than a refusal or its time limit. Without a reason none was
// tried, as the program does not want it.
func (t *Turn) StreamFailed(seq uint32, reason string) {
	if r := t.rec; r != nil {
		put(r, &r.calls.StreamFailed, callStreamFailed{seq, reason})
	}
	if reason == "" {
		t.noteStream(seq, ResultNone, "")
	} else {
		t.noteStream(seq, ResultFailed, cutReason(reason))
	}
}

// noteStream notes what became of our stream, for the evidence.
func (t *Turn) noteStream(seq uint32, result Result, reason string) {
	if p := &t.probe; p.target != nil && p.seq == seq {
		noteStream(&p.stream, &p.streamError, result, reason)
	}
	if r := t.rounds[seq]; r != nil && r.lead.suspicion.findings != nil {
		f := r.lead.suspicion.findings
		noteStream(&f.Stream, &f.Error, result, reason)
	}
}

// noteStream replaces a result and its reason. A stream that fails after it was opened stays one that was opened.
func noteStream(known *Result, knownReason *string, result Result, reason string) {
	if result != ResultFailed || *known != ResultConnected {
		*known = result
	}
	*knownReason = reason
}

// onRefused asks others to try a stream too, once ours is refused.
func (p *probe) onRefused(t *Turn) {
	p.refusers = append(p.refusers, t.table.self.ID)
	if !p.hasRefusals(t) {
		target := t.table.snapshot(p.target)
		question{seq: p.seq, members: probeHelpers, dial: true}.ask(t, p.target, &target, &p.helpers)
		return
	}
	p.endRefused(t)
}

// onEvidence takes the outcome of a helper's stream.
func (p *probe) onEvidence(t *Turn, from *Endpoint, evidence uint8) {
	helper := t.ackSources.whose(t, p.helpers, from)
	switch {
	case helper == nil:
	case evidence == wire.EvidenceConnected:
		p.opened = true
	case evidence == wire.EvidenceRefused && !slices.Contains(p.refusers, helper.ID):
		p.refusers = append(p.refusers, helper.ID)
		if p.hasRefusals(t) {
			p.endRefused(t)
		}
	}
}

// hasRefusals reports whether a probe need not go on: enough members were refused, and none reached the target. While this member
// is late an ack may be here unread.
func (p *probe) hasRefusals(t *Turn) bool {
	return len(p.refusers) >= t.refusersWanted() && t.lateness.at(t.now) == 0 && !p.opened && !p.streamAnswers && slices.Contains(p.refusers, t.table.self.ID)
}

// endRefused ends a probe before its time. That others answered shows that we are healthy.
func (p *probe) endRefused(t *Turn) { p.fail(t, 0) }

// onRefused answers an indirect ping whose asker wants to know that the target refuses streams. An ack that comes later is still
// relayed.
func (r relays) onRefused(t *Turn, one *relay) {
	one.evidence = wire.EvidenceRefused
	if one.nack {
		r.onDue(t, one.seq)
	}
}

// dial tries a stream to the target of an indirect ping, a known member, if there have not been too many.
func (r relays) dial(t *Turn, one *relay, target *member) {
	if !t.cfg.Detector.Refusals || target.Versions.PMax() < protocolStreamPing {
		return
	}
	if !t.requestedDials.take(t.now) {
		t.out.drop(DropRate)
		return
	}
	one.evidence = wire.EvidenceSilent // until it is known
	to := t.table.snapshot(target)
	t.out.tryStream(target, &to, one.seq, one.ends)
}
