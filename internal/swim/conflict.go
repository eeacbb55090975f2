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
	asksAtOnce = 128

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
	name  string
	seq   uint32 // of the ping to the member
	claim uint32 // of the ping to the claimant; 0: it is us
	due   *deadline
	ends  time.Time // the wait for an answer; once that is over: what came of it
	phase checkPhase
	best  claim // the newest

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
func (k *check) claimed() Endpoint { return Endpoint{Name: k.name, AddrPort: k.best.addr.addrPort()} }

// checks are those under way, and those that were decided lately.
type checks struct {
	byName map[string]*check
	asking map[uint32]*check // by the sequence numbers of pings to members that wait for an answer
	claims map[uint32]*check // by those of pings to claimants
}

func newChecks() checks {
	return checks{byName: make(map[string]*check), asking: make(map[uint32]*check), claims: make(map[uint32]*check)}
}

// add makes a check known.
func (s *checks) add(k *check) {
	s.byName[k.name], s.asking[k.seq] = k, k
	if k.claim != 0 {
		s.claims[k.claim] = k
	}
}

// remove forgets a check.
func (s *checks) remove(k *check) {
	delete(s.byName, k.name)
	delete(s.asking, k.seq)
	delete(s.claims, k.claim)
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
func (c *Core) contest(now time.Time, m *member, says claim) (take bool) {
	if c.leaving {
		return false
	}
	k := c.checks.byName[m.Name]
	switch {
	case k == nil:
		c.beginCheck(now, m, says)
	case k.phase == checkSilent:
		return m != c.self && says.incarnation > m.Incarnation
	case !k.decided() && says.incarnation > k.best.incarnation && (m != c.self || says.addr.same(k.best.addr)):
		k.best = says.clone()
	}
	return false
}

// clone copies what is another's.
func (s claim) clone() claim {
	s.meta = bytes.Clone(s.meta)
	return s
}

// beginCheck pings m where it was, or whoever has our name.
func (c *Core) beginCheck(now time.Time, m *member, says claim) {
	if len(c.checks.asking) >= asksAtOnce {
		c.drop(DropBusy)
		return
	}
	if len(c.checks.byName) >= MaxChecks {
		if first := c.checks.decidedFirst(); first != nil {
			c.dropCheck(first)
		}
	}
	k := &check{name: m.Name, seq: c.nextSeq(), due: newDeadline(dueCheck), ends: now.Add(2 * c.cfg.ProbeTimeout), best: says.clone()}
	k.due.check = k
	if k.claimantLives = m == c.self; !k.claimantLives {
		k.claim = c.nextSeq()
		c.sendAlone(k.claimed(), c.pingOf(k.claim, m.Name))
	}
	c.checks.add(k)
	c.deadlines.set(k.due, now.Add(c.cfg.ProbeTimeout))
	c.sendAlone(c.asked(k, m), c.pingOf(k.seq, m.Name))
}

// asked is where a check asks whether m is there.
func (c *Core) asked(k *check, m *member) Endpoint {
	if m == c.self {
		return k.claimed()
	}
	return c.endpoint(m)
}

// claimant is where the one is said to be that has m's name if nobody answers where the check asks.
func (c *Core) claimant(k *check, m *member) address {
	if m == c.self {
		return c.table.address(m)
	}
	return k.best.addr
}

func (c *Core) dropCheck(k *check) {
	c.deadlines.stop(k.due)
	c.checks.remove(k)
}

// checkDue goes on with a check whose time is up.
func (c *Core) checkDue(now time.Time, k *check) {
	m := c.table.named(k.name)
	switch {
	case k.phase == checkSilent && now.Before(k.ends):
		c.contradict(now, k, m)
	case k.decided() || m == nil || m.State == StateLeft || c.table.isAt(m, k.best.addr):
		c.dropCheck(k)
	case k.phase == checkDirect:
		k.phase = checkIndirect
		c.deadlines.set(k.due, k.ends)
		to := c.asked(k, m)
		c.sendAlone(to, c.pingOf(k.seq, m.Name))
		asked := c.table.snapshot(m)
		asked.Addr = to.AddrPort
		c.pingThroughOthers(m, &asked, k.seq, k.ends)
	case k.streamAnswers:
		c.checkKept(now, k, m)
	default:
		c.checkSilent(now, k, m)
	}
}

// checkAnswered takes an ack of a check's ping, which came from an address. One that comes from where the claim says that
// the name is speaks for the claim: the transport leads by name rather than by address.
func (c *Core) checkAnswered(now time.Time, k *check, from Endpoint) {
	m := c.table.named(k.name)
	switch claimed := c.claimant(k, m); {
	case m == nil:
		c.dropCheck(k)
	case claimed.same(addressOf(from.AddrPort)):
		c.checkSilent(now, k, m)
	default:
		c.checkKept(now, k, m)
	}
}

// claimantAnswered notes that the claimant of a check acked. An ack that comes from where the member is is the member's own.
func (c *Core) claimantAnswered(k *check, from Endpoint) {
	m := c.table.named(k.name)
	if m == nil || c.table.isAt(m, addressOf(from.AddrPort)) {
		return
	}
	first := !k.claimantLives
	k.claimantLives = true
	switch {
	case k.phase == checkKept && first:
		c.tellConflict(k, m)
	case k.phase == checkSilent && m.State != StateLeft && k.best.incarnation <= m.Incarnation: // see contradict
		c.sendAlone(k.claimed(), &wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name})
	}
}

// checkSilent ends a check that was not answered.
func (c *Core) checkSilent(now time.Time, k *check, m *member) {
	c.endCheck(now, k, checkSilent)
	switch {
	case m == c.self:
		c.keepName(k)
	case k.best.incarnation > m.Incarnation:
		c.takeOver(now, m, k.best)
	default:
		c.contradict(now, k, m)
	}
}

// keepName notes that the other of our name is not there: it was us, in an earlier life, and what we say has to be newer.
func (c *Core) keepName(k *check) {
	if k.best.incarnation >= c.self.Incarnation && !c.departed {
		c.self.Incarnation = nextIncarnation(k.best.incarnation)
		c.broadcast(c.self, broadcast{incarnation: c.self.Incarnation}, 0)
	}
	self := c.Self()
	c.event(Event{Kind: EventConflictEnded, Member: k.best.of(c.self), Other: &self, Verdict: VerdictMoved})
}

// contradict has the maker of a claim refute what we know of its name, m, as it
// may have begun anew: who answers a ping to the name is told. (Another who is
// there would take it for gossip.) It does so again each period: what is answered
// to others may not reach us.
func (c *Core) contradict(now time.Time, k *check, m *member) {
	if m == nil || m == c.self || m.State == StateLeft || c.table.isAt(m, k.best.addr) {
		c.deadlines.set(k.due, k.ends)
		return
	}
	c.sendAlone(k.claimed(), c.pingOf(k.claim, m.Name))
	again := now.Add(c.cfg.period())
	if again.After(k.ends) {
		again = k.ends
	}
	c.deadlines.set(k.due, again)
}

// checkKept ends a check that was answered: the member is where it was.
func (c *Core) checkKept(now time.Time, k *check, m *member) {
	c.endCheck(now, k, checkKept)
	if k.claimantLives {
		c.tellConflict(k, m)
	}
}

// tellConflict tells that there are two of one name.
func (c *Core) tellConflict(k *check, m *member) {
	other := k.best.of(m)
	c.event(Event{Kind: EventConflict, Member: c.table.snapshot(m), Other: &other})
	c.event(Event{Kind: EventConflictEnded, Member: c.table.snapshot(m), Other: &other, Verdict: VerdictKept})
}

func (c *Core) endCheck(now time.Time, k *check, phase checkPhase) {
	delete(c.checks.asking, k.seq)
	k.phase, k.ends = phase, now.Add(recheck*c.cfg.period())
	c.deadlines.set(k.due, k.ends)
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
	return k.best.addr.addrPort(), true
}

// of is the claim as a member that would be m.
func (s claim) of(m *member) Member {
	return Member{Name: m.Name, Addr: s.addr.addrPort(), Meta: bytes.Clone(s.meta), Versions: s.versions, Incarnation: s.incarnation}
}

// takeOver has a claim take the name of m, of which nothing was heard: another
// process, so one leaves and one joins.
func (c *Core) takeOver(now time.Time, m *member, says claim) {
	before := c.table.snapshot(m)
	if !m.State.Gone() {
		c.dropSuspicion(m)
		m.State, m.since = StateDead, c.table.since(now)
		c.present--
		c.event(Event{Kind: EventLeave, Member: c.table.snapshot(m), From: c.cfg.Name})
	}
	c.becomeAlive(now, m, says, 0)
	after := c.table.snapshot(m)
	c.event(Event{Kind: EventMoved, Member: after, Other: &before})
	c.event(Event{Kind: EventConflictEnded, Member: before, Other: &after, Verdict: VerdictMoved})
}
