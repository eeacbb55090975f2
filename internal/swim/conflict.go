package swim

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// checksAtOnce limits the checks that wait for an answer. Above it a claim is
	// ignored until it is received again.
	checksAtOnce = 128

	// MaxChecks limits the checks that are remembered, decided ones included. One
	// more takes the place of the decided one that expires first.
	MaxChecks = 1024
)

// recheck is how many protocol periods the outcome of a check is valid. No member
// is checked more often.
const recheck = 10

// ConflictOutcome is the outcome of a name conflict.
type ConflictOutcome uint8

// The outcomes of a conflict.
const (
	ConflictOpen  ConflictOutcome = iota // undecided: the check runs, or the claim is not newer
	ConflictKept                         // the member acked at its old address
	ConflictMoved                        // it did not, and the newer claim was accepted
)

// check asks the member with a name whether it is still at its known address, because another claims the name: a process
// that was restarted elsewhere, or an impostor. If the name is our own, the claimant is asked: it may be an earlier life of
// this process.
//
//	begin --ack--> kept
//	  |
//	  +--ack from the claimed address--> silent: the member is there
//	  |
//	ProbeTimeout: ping again, others too, and a stream --ack--> kept
//	  |
//	2 ProbeTimeouts: silent --> the claim is accepted if it is newer; else the claimant
//	                            is told what to refute, until it does
//
// It is a conflict only if both exist, so the claimant is pinged too: stale gossip about a former address is no conflict.
//
// For a while after that the outcome is applied to any claim to the name.
type check struct {
	name        string
	seq         uint32 // of the ping to the member
	claimantSeq uint32 // of the ping to the claimant; 0: that is ourselves
	due         *deadline
	ends        time.Time // when the wait for an answer ends; once decided: when the outcome expires
	phase       checkPhase
	newest      assertion // the newest claim

	helpers       []ID // that were asked
	streamAnswers bool
	claimantLives bool
}

type checkPhase uint8

const (
	checkDirect checkPhase = iota
	checkIndirect
	checkKept
	checkSilent
)

// decided reports whether the check has an outcome.
func (k *check) decided() bool { return k.phase >= checkKept }

// claimed returns the address of the newest claim.
func (k *check) claimed() Endpoint { return Endpoint{Name: k.name, AddrPort: k.newest.addr.addrPort()} }

// checks are the running checks and those decided lately.
type checks struct {
	byName    map[string]*check
	asking    map[uint32]*check // by the sequence numbers of the pings to members
	claimants map[uint32]*check // by the sequence numbers of the pings to claimants
}

func newChecks() checks {
	return checks{byName: make(map[string]*check), asking: make(map[uint32]*check), claimants: make(map[uint32]*check)}
}

// add adds a check.
func (s *checks) add(k *check) {
	s.byName[k.name], s.asking[k.seq] = k, k
	if k.claimantSeq != 0 {
		s.claimants[k.claimantSeq] = k
	}
}

// remove removes a check.
func (s *checks) remove(k *check) {
	delete(s.byName, k.name)
	delete(s.asking, k.seq)
	delete(s.claimants, k.claimantSeq)
}

// decidedFirst returns the decided check that expires first, or nil.
func (s *checks) decidedFirst() (first *check) {
	for _, k := range s.byName {
		if k.decided() && (first == nil || k.ends.Before(first.ends) || k.ends.Equal(first.ends) && k.name < first.name) {
			first = k
		}
	}
	return first
}

// challenge handles a claim to m's name at another address. It reports whether to accept the claim.
//
// Compat: the reference ignores it until m has left or is forgotten, and notifies the ConflictDelegate at once, mostly
// without a conflict.
func (s *checks) challenge(t *Turn, m *member, asserted assertion) (take bool) {
	if t.local.leaving {
		return false
	}
	k := s.byName[m.Name]
	switch {
	case k == nil:
		s.begin(t, m, asserted)
	case k.phase == checkSilent:
		return m != t.table.self && asserted.incarnation > m.Incarnation
	case !k.decided() && asserted.incarnation > k.newest.incarnation && (m != t.table.self || asserted.addr.same(k.newest.addr)):
		k.newest = asserted.clone()
	}
	return false
}

// clone returns the assertion with a copy of its metadata.
func (s assertion) clone() assertion {
	s.meta, s.zone = bytes.Clone(s.meta), bytes.Clone(s.zone)
	return s
}

// begin pings m at its known address, or the claimant of our own name.
func (s *checks) begin(t *Turn, m *member, asserted assertion) {
	if len(s.asking) >= checksAtOnce {
		t.out.drop(DropBusy)
		return
	}
	if len(s.byName) >= MaxChecks {
		if first := s.decidedFirst(); first != nil {
			s.drop(t, first)
		}
	}
	k := &check{name: m.Name, seq: t.seq.next(), due: newDeadline(dueCheck), ends: t.now.Add(2 * t.cfg.ProbeTimeout), newest: asserted.clone()}
	k.due.check = k
	if k.claimantLives = m == t.table.self; !k.claimantLives {
		k.claimantSeq = t.seq.next()
		t.sendAlone(k.claimed(), t.newPing(k.claimantSeq, m.Name))
	}
	s.add(k)
	t.deadlines.set(k.due, t.now.Add(t.cfg.ProbeTimeout))
	t.sendAlone(s.target(t.Core, k, m), t.newPing(k.seq, m.Name))
}

// target returns the address that a check pings.
func (s *checks) target(c *Core, k *check, m *member) Endpoint {
	if m == c.table.self {
		return k.claimed()
	}
	return c.table.endpoint(m)
}

// claimant returns the other address: where the name is if the target does not answer.
func (s *checks) claimant(c *Core, k *check, m *member) address {
	if m == c.table.self {
		return c.table.address(m)
	}
	return k.newest.addr
}

// drop ends a check without an outcome, or forgets its outcome.
func (s *checks) drop(t *Turn, k *check) {
	t.deadlines.stop(k.due)
	s.remove(k)
}

// onDue continues a check at its deadline.
func (s *checks) onDue(t *Turn, k *check) {
	m := t.table.named(k.name)
	switch {
	case k.phase == checkSilent && t.now.Before(k.ends):
		s.demandRefutation(t, k, m)
	case k.decided() || m == nil || m.State == StateLeft || t.table.isAt(m, k.newest.addr):
		s.drop(t, k)
	case k.phase == checkDirect:
		k.phase = checkIndirect
		t.deadlines.set(k.due, k.ends)
		to := s.target(t.Core, k, m)
		t.sendAlone(to, t.newPing(k.seq, m.Name))
		asked := t.table.snapshot(m)
		asked.Addr = to.AddrPort
		question{seq: k.seq, members: t.cfg.IndirectChecks}.ask(t, m, &asked, &k.helpers)
		if (m == t.table.self || m.answered) && t.dials.take(t.now) {
			t.pingOnStream(m, &asked, k.seq, k.ends)
		}
	case k.streamAnswers:
		s.endKept(t, k, m)
	default:
		s.endSilent(t, k, m)
	}
}

// onAck handles an ack to the ping of a check. An ack from the claimed address confirms the claim: the transport routes by
// name rather than by address.
func (s *checks) onAck(t *Turn, k *check, from Endpoint) {
	m := t.table.named(k.name)
	switch claimed := s.claimant(t.Core, k, m); {
	case m == nil:
		s.drop(t, k)
	case claimed.same(addressOf(from.AddrPort)) && from.mayBe(k.name):
		s.endSilent(t, k, m)
	case !s.mayAck(t, k, m, &from):
		t.out.drop(DropStranger)
	default:
		s.endKept(t, k, m)
	}
}

// mayAck reports whether an ack to the ping of a check may be that of the member or, for our own name, of the claimant.
func (s *checks) mayAck(t *Turn, k *check, m *member, from *Endpoint) bool {
	if m == t.table.self && isFromHost(k.newest.addr, from) && from.mayBe(k.name) || m != t.table.self && t.ackSources.isFrom(t, m, from) {
		return true
	}
	return t.ackSources.anyFrom(t, k.helpers, from)
}

// onClaimantAck notes that the claimant of a check answered. An ack from the address of the member is the member's own.
func (s *checks) onClaimantAck(t *Turn, k *check, from Endpoint) {
	m := t.table.named(k.name)
	if m == nil || t.table.isAt(m, addressOf(from.AddrPort)) {
		return
	}
	if !isFromHost(k.newest.addr, &from) || !from.mayBe(k.name) {
		t.out.drop(DropStranger)
		return
	}
	first := !k.claimantLives
	k.claimantLives = true
	switch {
	case k.phase == checkKept && first:
		s.notify(t, k, m)
	case k.phase == checkSilent && m.State != StateLeft && k.newest.incarnation <= m.Incarnation: // see demandRefutation
		t.sendAlone(k.claimed(), &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: t.cfg.Name})
	}
}

// endSilent ends a check without an answer.
func (s *checks) endSilent(t *Turn, k *check, m *member) {
	s.end(t, k, checkSilent)
	switch {
	case m == t.table.self:
		s.keepOwnName(t, k)
	case k.newest.incarnation > m.Incarnation:
		t.checks.takeOver(t, m, k.newest)
	default:
		s.demandRefutation(t, k, m)
	}
}

// keepOwnName ends a check of our own name without an answer: the claim was our own, from an earlier life, and we need a
// higher incarnation.
func (s *checks) keepOwnName(t *Turn, k *check) {
	if k.newest.incarnation >= t.table.self.Incarnation && !t.local.addressChange.begun {
		t.table.self.Incarnation = nextIncarnation(k.newest.incarnation)
		t.view.update(t, t.table.self)
		t.queue.add(t, t.table.self, broadcast{incarnation: t.table.self.Incarnation}, 0)
	}
	self := t.Self()
	t.out.event(Event{Kind: EventConflictEnded, Member: k.newest.of(t.table.self), Other: &self, Outcome: ConflictMoved})
}

// demandRefutation pings the claimant of m's name, whose claim is not newer, each period: a process that was restarted
// answers, is told what is known of the name, and refutes it. (To another process there it is gossip.) It is repeated
// because replies to others may not reach us.
func (s *checks) demandRefutation(t *Turn, k *check, m *member) {
	if m == nil || m == t.table.self || m.State == StateLeft || t.table.isAt(m, k.newest.addr) {
		t.deadlines.set(k.due, k.ends)
		return
	}
	t.sendAlone(k.claimed(), t.newPing(k.claimantSeq, m.Name))
	again := t.now.Add(t.cfg.period())
	if again.After(k.ends) {
		again = k.ends
	}
	t.deadlines.set(k.due, again)
}

// endKept ends a check with an answer: the member is at its known address.
func (s *checks) endKept(t *Turn, k *check, m *member) {
	s.end(t, k, checkKept)
	if k.claimantLives {
		s.notify(t, k, m)
	}
}

// notify puts out that two members have one name.
func (s *checks) notify(t *Turn, k *check, m *member) {
	other := k.newest.of(m)
	t.out.event(Event{Kind: EventConflict, Member: t.table.snapshot(m), Other: &other})
	t.out.event(Event{Kind: EventConflictEnded, Member: t.table.snapshot(m), Other: &other, Outcome: ConflictKept})
}

// end decides a check.
func (s *checks) end(t *Turn, k *check, phase checkPhase) {
	delete(s.asking, k.seq)
	k.phase, k.ends = phase, t.now.Add(recheck*t.cfg.period())
	t.deadlines.set(k.due, k.ends)
}

// NameContested reports whether a check of our own name is running.
func (c *Core) NameContested() bool {
	k := c.checks.byName[c.cfg.Name]
	return k != nil && !k.decided()
}

// Namesake returns the address of another member with our name, if a check found one lately.
func (c *Core) Namesake() (netip.AddrPort, bool) {
	k := c.checks.byName[c.cfg.Name]
	if k == nil || k.phase != checkKept {
		return netip.AddrPort{}, false
	}
	return k.newest.addr.addrPort(), true
}

// of returns the assertion about m as a Member.
func (s assertion) of(m *member) Member {
	return Member{Name: m.Name, Addr: s.addr.addrPort(), Meta: bytes.Clone(s.meta), Versions: s.versions, Incarnation: s.incarnation}
}

// takeOver gives the name of m, which did not answer, to a claim. It is another process, so one leaves and one joins.
func (c *checks) takeOver(t *Turn, m *member, asserted assertion) {
	before := t.table.snapshot(m)
	t.origin.cause = CauseReplaced
	if !m.State.IsDown() {
		verdict := t.verdict(m, t.cfg.Name)
		t.suspicions.drop(t, m)
		m.State, m.since = StateDead, t.table.since(t.now)
		t.present--
		t.out.event(Event{Kind: EventLeave, Member: t.table.snapshot(m), From: t.cfg.Name, Evidence: verdict})
	}
	t.becomeAlive(m, asserted, 0)
	after := t.table.snapshot(m)
	t.out.event(Event{Kind: EventMoved, Member: after, Other: &before})
	t.out.event(Event{Kind: EventConflictEnded, Member: before, Other: &after, Outcome: ConflictMoved})
}
