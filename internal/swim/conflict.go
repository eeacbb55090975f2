package swim

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// asksAtOnce is how many members are asked at a time whether they are still
	// where they were. A claim to the name of one more waits until it is heard again.
	checksAtOnce = 128

	// MaxChecks is how many checks are remembered, those that have been decided
	// included. One more takes the place of the decided one that ends first.
	MaxChecks = 1024
)

// recheck is for how many protocol periods what came of a check holds. A member is
// checked no more often than that, whoever claims its name.
const recheck = 10

// Verdict says what came of two claims to one name.
type Verdict uint8

// The verdicts on a conflict.
const (
	VerdictOpen  Verdict = iota // not yet: the member is being asked, or the claim is not newer
	VerdictKept                 // the member answered at its old address
	VerdictMoved                // it did not, and the newer claim was taken
)

// check asks the member of a name whether it is still where we know it, because
// another claims its name: a process that was started anew elsewhere, or an
// impostor. If the name is our own, it is the other who is asked whether it is
// where it is said to be: it may be what was here before us.
//
//	begin --ack--> kept
//	  |
//	  +--ack from where the claim says it is--> silent: whoever has the name is there
//	  |
//	ProbeTimeout: ping again, others too, and a stream --ack--> kept
//	  |
//	2 ProbeTimeouts: silent --> the claim is taken if it is newer, else its maker
//	                            is told what it has to be newer than, until it is
//
// It is a conflict only if there are two: so the claimant is pinged too, and what is old, of a former address, makes none.
//
// For a while after that a claim is judged by what came of it.
type check struct {
	name        string
	seq         uint32 // of the ping to the member
	claimantSeq uint32 // of the ping to the claimant; 0: it is us
	due         *deadline
	ends        time.Time // the wait for an answer; once that is over: what came of it
	phase       checkPhase
	newest      assertion // the newest

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

// decided reports whether it is known what came of the check.
func (k *check) decided() bool { return k.phase >= checkKept }

// claimed is where the newest claim says that the name is.
func (k *check) claimed() Endpoint { return Endpoint{Name: k.name, AddrPort: k.newest.addr.addrPort()} }

// checks are those under way, and those that were decided lately.
type checks struct {
	byName    map[string]*check
	asking    map[uint32]*check // by the sequence numbers of pings to members that wait for an answer
	claimants map[uint32]*check // by those of pings to claimants
}

func newChecks() checks {
	return checks{byName: make(map[string]*check), asking: make(map[uint32]*check), claimants: make(map[uint32]*check)}
}

// add makes a check known.
func (s *checks) add(k *check) {
	s.byName[k.name], s.asking[k.seq] = k, k
	if k.claimantSeq != 0 {
		s.claimants[k.claimantSeq] = k
	}
}

// remove forgets a check.
func (s *checks) remove(k *check) {
	delete(s.byName, k.name)
	delete(s.asking, k.seq)
	delete(s.claimants, k.claimantSeq)
}

// decidedFirst returns the decided check that ends first, or nil.
func (s *checks) decidedFirst() (first *check) {
	for _, k := range s.byName {
		if k.decided() && (first == nil || k.ends.Before(first.ends) || k.ends.Equal(first.ends) && k.name < first.name) {
			first = k
		}
	}
	return first
}

// contest takes a claim to m's name at another address, and reports whether the
// claim is to be taken.
//
// Compat: the reference ignores it, until m has left or was forgotten, and tells
// the ConflictDelegate of a conflict at once, though there mostly is none.
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

// clone copies what is another's.
func (s assertion) clone() assertion {
	s.meta = bytes.Clone(s.meta)
	return s
}

// beginCheck pings m where it was, or whoever has our name.
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
		t.sendAlone(k.claimed(), t.table.newPing(k.claimantSeq, m.Name))
	}
	s.add(k)
	t.deadlines.set(k.due, t.now.Add(t.cfg.ProbeTimeout))
	t.sendAlone(s.target(t.Core, k, m), t.table.newPing(k.seq, m.Name))
}

// asked is where a check asks whether m is there.
func (s *checks) target(c *Core, k *check, m *member) Endpoint {
	if m == c.table.self {
		return k.claimed()
	}
	return c.table.endpoint(m)
}

// claimant is where the one is said to be that has m's name if nobody answers where the check asks.
func (s *checks) claimant(c *Core, k *check, m *member) address {
	if m == c.table.self {
		return c.table.address(m)
	}
	return k.newest.addr
}

func (s *checks) drop(t *Turn, k *check) {
	t.deadlines.stop(k.due)
	s.remove(k)
}

// checkDue goes on with a check whose time is up.
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
		t.sendAlone(to, t.table.newPing(k.seq, m.Name))
		asked := t.table.snapshot(m)
		asked.Addr = to.AddrPort
		t.pingThroughOthers(m, &asked, k.seq, k.ends)
	case k.streamAnswers:
		s.endKept(t, k, m)
	default:
		s.endSilent(t, k, m)
	}
}

// checkAnswered takes an ack of a check's ping, which came from an address. One that comes from where the claim says that
// the name is speaks for the claim: the transport leads by name rather than by address.
func (s *checks) onAck(t *Turn, k *check, from Endpoint) {
	m := t.table.named(k.name)
	switch claimed := s.claimant(t.Core, k, m); {
	case m == nil:
		s.drop(t, k)
	case claimed.same(addressOf(from.AddrPort)):
		s.endSilent(t, k, m)
	default:
		s.endKept(t, k, m)
	}
}

// claimantAnswered notes that the claimant of a check acked. An ack that comes from where the member is is the member's own.
func (s *checks) onClaimantAck(t *Turn, k *check, from Endpoint) {
	m := t.table.named(k.name)
	if m == nil || t.table.isAt(m, addressOf(from.AddrPort)) {
		return
	}
	first := !k.claimantLives
	k.claimantLives = true
	switch {
	case k.phase == checkKept && first:
		s.notify(t, k, m)
	case k.phase == checkSilent && m.State != StateLeft && k.newest.incarnation <= m.Incarnation: // see contradict
		t.sendAlone(k.claimed(), &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: t.cfg.Name})
	}
}

// checkSilent ends a check that was not answered.
func (s *checks) endSilent(t *Turn, k *check, m *member) {
	s.end(t, k, checkSilent)
	switch {
	case m == t.table.self:
		s.keepOwnName(t, k)
	case k.newest.incarnation > m.Incarnation:
		t.takeOver(m, k.newest)
	default:
		s.demandRefutation(t, k, m)
	}
}

// keepName notes that the other of our name is not there: it was us, in an earlier life, and what we say has to be newer.
func (s *checks) keepOwnName(t *Turn, k *check) {
	if k.newest.incarnation >= t.table.self.Incarnation && !t.local.addressChange.begun {
		t.table.self.Incarnation = nextIncarnation(k.newest.incarnation)
		t.queue.add(t, t.table.self, broadcast{incarnation: t.table.self.Incarnation}, 0)
	}
	self := t.Self()
	t.out.event(Event{Kind: EventConflictEnded, Member: k.newest.of(t.table.self), Other: &self, Verdict: VerdictMoved})
}

// contradict has the maker of a claim refute what we know of its name, m, as it
// may have begun anew: who answers a ping to the name is told. (Another who is
// there would take it for gossip.) It does so again each period: what is answered
// to others may not reach us.
func (s *checks) demandRefutation(t *Turn, k *check, m *member) {
	if m == nil || m == t.table.self || m.State == StateLeft || t.table.isAt(m, k.newest.addr) {
		t.deadlines.set(k.due, k.ends)
		return
	}
	t.sendAlone(k.claimed(), t.table.newPing(k.claimantSeq, m.Name))
	again := t.now.Add(t.cfg.period())
	if again.After(k.ends) {
		again = k.ends
	}
	t.deadlines.set(k.due, again)
}

// checkKept ends a check that was answered: the member is where it was.
func (s *checks) endKept(t *Turn, k *check, m *member) {
	s.end(t, k, checkKept)
	if k.claimantLives {
		s.notify(t, k, m)
	}
}

// tellConflict tells that there are two of one name.
func (s *checks) notify(t *Turn, k *check, m *member) {
	other := k.newest.of(m)
	t.out.event(Event{Kind: EventConflict, Member: t.table.snapshot(m), Other: &other})
	t.out.event(Event{Kind: EventConflictEnded, Member: t.table.snapshot(m), Other: &other, Verdict: VerdictKept})
}

func (s *checks) end(t *Turn, k *check, phase checkPhase) {
	delete(s.asking, k.seq)
	k.phase, k.ends = phase, t.now.Add(recheck*t.cfg.period())
	t.deadlines.set(k.due, k.ends)
}

// NameContested reports whether it is being found out if another has our name.
func (c *Core) NameContested() bool {
	k := c.checks.byName[c.cfg.Name]
	return k != nil && !k.decided()
}

// Namesake returns where another member is that has our name, if it was found out lately that there is one.
func (c *Core) Namesake() (netip.AddrPort, bool) {
	k := c.checks.byName[c.cfg.Name]
	if k == nil || k.phase != checkKept {
		return netip.AddrPort{}, false
	}
	return k.newest.addr.addrPort(), true
}

// of is the claim as a member that would be m.
func (s assertion) of(m *member) Member {
	return Member{Name: m.Name, Addr: s.addr.addrPort(), Meta: bytes.Clone(s.meta), Versions: s.versions, Incarnation: s.incarnation}
}

// takeOver has a claim take the name of m, of which nothing was heard: another
// process, so one leaves and one joins.
func (t *Turn) takeOver(m *member, asserted assertion) {
	before := t.table.snapshot(m)
	if !m.State.IsDown() {
		t.suspicions.drop(t, m)
		m.State, m.since = StateDead, t.table.since(t.now)
		t.present--
		t.out.event(Event{Kind: EventLeave, Member: t.table.snapshot(m), From: t.cfg.Name})
	}
	t.becomeAlive(m, asserted, 0)
	after := t.table.snapshot(m)
	t.out.event(Event{Kind: EventMoved, Member: after, Other: &before})
	t.out.event(Event{Kind: EventConflictEnded, Member: before, Other: &after, Verdict: VerdictMoved})
}
