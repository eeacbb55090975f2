package swim

import (
	"bytes"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// maxChecks is how many names are remembered whose member is, or was just,
// asked whether it is still where it was. A conflict about one more is told, and
// nothing else comes of it.
const maxChecks = 64

// recheck is for how many ProbeIntervals what came of a check holds. A member is
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
// impostor.
//
//	begin --ack--> kept
//	  |
//	ProbeTimeout: ping again, others too, and a stream --ack--> kept
//	  |
//	ProbeInterval: silent --> the claim is taken if it is newer, else its maker
//	                          is told what it has to be newer than, until it is
//
// For a while after that a claim is judged by what came of it.
type check struct {
	name  string
	seq   uint32
	due   *deadline
	ends  time.Time // the wait for an answer; once that is over: what came of it
	phase checkPhase
	best  claim // the newest

	streamAnswers bool
}

type checkPhase uint8

const (
	checkDirect checkPhase = iota
	checkIndirect
	checkKept
	checkSilent
)

// contest takes a claim to m's name at another address, and reports whether the
// claim is to be taken.
//
// Compat: the reference ignores it, until m has left or was forgotten.
func (c *Core) contest(now time.Time, m *member, says claim) (take bool) {
	if m == c.self || c.leaving || c.cfg.ProbeInterval <= 0 {
		return false
	}
	k := c.checkOf(m.Name)
	switch {
	case k == nil:
		c.beginCheck(now, m, says)
	case k.phase == checkSilent:
		return says.incarnation > m.Incarnation
	case k.phase != checkKept && says.incarnation > k.best.incarnation:
		k.best = says.clone()
	}
	return false
}

// clone copies what is another's.
func (s claim) clone() claim {
	s.meta, s.vsn = bytes.Clone(s.meta), bytes.Clone(s.vsn)
	return s
}

func (c *Core) checkOf(name string) *check {
	i := slices.IndexFunc(c.checks, func(k *check) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return c.checks[i]
}

// checkBySeq returns the check that waits for an answer to a ping.
func (c *Core) checkBySeq(seq uint32) *check {
	i := slices.IndexFunc(c.checks, func(k *check) bool { return k.seq == seq && k.phase <= checkIndirect })
	if i < 0 {
		return nil
	}
	return c.checks[i]
}

// beginCheck pings m where it was.
func (c *Core) beginCheck(now time.Time, m *member, says claim) {
	if len(c.checks) >= maxChecks {
		return
	}
	k := &check{name: m.Name, seq: c.nextSeq(), due: newDeadline(dueCheck), ends: now.Add(c.cfg.ProbeInterval), best: says.clone()}
	k.due.seq = k.seq
	c.checks = append(c.checks, k)
	c.deadlines.set(k.due, now.Add(min(c.cfg.ProbeTimeout, c.cfg.ProbeInterval)))
	c.sendAlone(c.endpoint(m), c.pingOf(k.seq, m.Name))
}

// checkDue goes on with a check whose time is up.
func (c *Core) checkDue(now time.Time, seq uint32) {
	i := slices.IndexFunc(c.checks, func(k *check) bool { return k.seq == seq })
	k := c.checks[i]
	m := c.table.named(k.name)
	switch {
	case k.phase == checkSilent && now.Before(k.ends):
		c.contradict(now, k, m)
	case k.phase >= checkKept || m == nil || m.State == StateLeft || c.table.isAt(m, k.best.addr):
		c.checks = slices.Delete(c.checks, i, i+1)
	case k.phase == checkDirect:
		k.phase = checkIndirect
		c.deadlines.set(k.due, k.ends)
		c.sendAlone(c.endpoint(m), c.pingOf(k.seq, m.Name))
		c.pingThroughOthers(m, k.seq, k.ends)
	case k.streamAnswers:
		c.checkAnswered(now, k)
	default:
		c.judgeCheck(now, k, m)
	}
}

// judgeCheck ends a check that m did not answer.
func (c *Core) judgeCheck(now time.Time, k *check, m *member) {
	c.endCheck(now, k, checkSilent)
	if k.best.incarnation > m.Incarnation {
		c.takeOver(now, m, k.best)
		return
	}
	c.contradict(now, k, m)
}

// contradict has the maker of a claim refute what we know of its name, m, as it
// may have begun anew. It does so again each ProbeInterval: what is answered to
// others may not reach us.
func (c *Core) contradict(now time.Time, k *check, m *member) {
	if m == nil || m.State == StateLeft || c.table.isAt(m, k.best.addr) {
		c.deadlines.set(k.due, k.ends)
		return
	}
	c.sendAlone(Endpoint{Name: m.Name, AddrPort: k.best.addr.addrPort()},
		&wire.Suspect{Incarnation: m.Incarnation, Node: m.Name, From: c.cfg.Name})
	again := now.Add(c.cfg.ProbeInterval)
	if again.After(k.ends) {
		again = k.ends
	}
	c.deadlines.set(k.due, again)
}

// checkAnswered ends a check: the member is where it was.
func (c *Core) checkAnswered(now time.Time, k *check) {
	c.endCheck(now, k, checkKept)
	if m := c.table.named(k.name); m != nil {
		other := k.best.of(m)
		c.event(Event{Kind: EventConflictEnded, Member: c.table.snapshot(m), Other: &other, Verdict: VerdictKept})
	}
}

func (c *Core) endCheck(now time.Time, k *check, phase checkPhase) {
	k.phase, k.ends = phase, now.Add(recheck*c.cfg.ProbeInterval)
	c.deadlines.set(k.due, k.ends)
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
