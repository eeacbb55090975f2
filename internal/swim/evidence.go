package swim

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Evidence is why this member takes another one for suspect, dead or left, or for alive again, or why a ping was not answered. It
// is kept for members that are suspect (in the suspicion) or have failed or left (in failedMember), and for no others. One that is put out is
// not changed any more.
type Evidence struct {
	Cause    Cause
	By       string    // whose word it is; "": unattributed, from a push/pull
	Sender   Endpoint  // from which it came, with the name if that is known (CauseGossip, CausePushPull)
	Health   int       // our health score at the time
	Findings *Findings // ours; nil: we did not ask

	// Of the suspicion that runs, or that has ended with this; Timeout is 0 if there was none.
	SuspectedBy string
	Confirmed   []string
	Suspected   time.Duration // how long it has lasted
	Timeout     time.Duration // how long it lasts unless it is refuted, with these confirmations
	Acked       bool          // an ack came from the member meanwhile

	Down time.Duration // how long the member was down, if it is alive again
}

// Cause is what a change of state follows from.
type Cause uint8

// The causes.
const (
	CauseProbe    Cause = iota // our own ping: not answered, or answered by one that is alive again
	CauseGossip                // a message in a packet
	CausePushPull              // a state in a push/pull
	CauseTimeout               // a suspicion was not refuted in time
	CauseRefused               // the streams of several members were refused: see refusal.go
	CauseSilent                // several members got no answer: see Detector.SilenceTimeout
	CauseReplaced              // another process has its name, or its address
	CauseProgram               // the program of this member said so
)

// Findings is what this member, and those that it asked, found out about one that did not answer its ping.
type Findings struct {
	To      netip.AddrPort
	Pings   int           // our own, without an ack
	Waited  time.Duration // for the ack to the first one, before others were asked
	Unsent  string        // the error, if the first could not be sent
	Helpers []Helped      // those that were asked, at most maxHelped
	Stream  Result        // of our last stream that had a result
	Error   string        // of the stream
}

// Helped is a member that was asked to ping another one, and what it found.
type Helped struct {
	Name   string
	Result Result
}

// Result is the outcome of a ping through another member, or on a stream.
type Result uint8

// The results.
const (
	ResultNone      Result = iota // none was tried, or has had time for an answer
	ResultSilent                  // no answer in time: of the helper, or of the stream's host
	ResultAcked                   // the member answered
	ResultNacked                  // the helper got no answer
	ResultRefused                 // a stream was refused: no process listens at the address
	ResultConnected               // a stream was opened, and the ping on it was not answered
	ResultFailed                  // a stream could not be opened
)

// Limits of what is kept of one suspicion, in helpers and in bytes of an error.
const (
	maxHelped = 16
	maxReason = 200
)

// resultOf returns the Result that a nack means.
func resultOf(n *wire.Nack) Result {
	switch n.Evidence {
	case wire.EvidenceRefused:
		return ResultRefused
	case wire.EvidenceConnected:
		return ResultConnected
	default:
		return ResultNacked
	}
}

// cutReason returns a copy of the first bytes of the text of an error.
func cutReason(text string) string { return strings.Clone(text[:min(len(text), maxReason)]) }

// note notes what a helper found. That it was silent replaces no earlier result.
func (f *Findings) note(name string, result Result) {
	for i := range f.Helpers {
		if f.Helpers[i].Name == name {
			if result != ResultSilent {
				f.Helpers[i].Result = result
			}
			return
		}
	}
	if len(f.Helpers) < maxHelped {
		f.Helpers = append(f.Helpers, Helped{Name: name, Result: result})
	}
}

// clone returns a copy, or nil of nil.
func (f *Findings) clone() *Findings {
	if f == nil {
		return nil
	}
	c := *f
	c.Helpers = slices.Clone(f.Helpers)
	return &c
}

// origin is what the changes of a turn follow from at the moment. Whatever enters the core sets it: its zero value is a probe.
type origin struct {
	cause    Cause
	sender   Endpoint
	findings *Findings
}

// evidence returns the evidence of it, by the word of a member.
func (o *origin) evidence(t *Turn, by string) *Evidence {
	return &Evidence{Cause: o.cause, By: by, Sender: o.identify(t), Health: t.awareness.score, Findings: o.findings}
}

// identify returns the sender with the name of the member that is at its address, if it has none.
func (o *origin) identify(t *Turn) Endpoint {
	sender := o.sender
	if sender.Name == "" && sender.AddrPort.IsValid() {
		if m := t.table.otherAt(&sender); m != nil {
			sender.Name = m.Name
		} else if m := t.ackSources.memberAt(&t.table, addressOf(sender.AddrPort)); m != nil {
			sender.Name = m.Name
		}
	}
	return sender
}

// noteUnsent notes that our ping could not be sent.
func (p *probe) noteUnsent(t *Turn, seq uint32, err error) {
	if p.isDirect(t.Core, seq) {
		p.unsent = cutReason(err.Error())
	}
}

// answer is what a helper found.
type answer struct {
	helper ID
	result Result
}

// note notes what the sender of a message, a helper, found.
func (p *probe) note(t *Turn, from *Endpoint, result Result) {
	if helper := t.ackSources.whose(t, p.helpers, from); helper != nil && len(p.answers) < maxHelped {
		p.answers = append(p.answers, answer{helper.ID, result})
	}
}

// tellUnanswered puts out that the direct ping was not answered in time, with what was found out since. A probe that ends before its time
// tells nothing about helpers, and a stream, that are still to answer.
func (p *probe) tellUnanswered(t *Turn) *Evidence {
	f := &Findings{To: t.table.addrPort(p.target), Pings: 1, Waited: p.waited, Unsent: p.unsent, Stream: p.stream, Error: p.streamError}
	for _, a := range p.answers {
		f.note(t.table.at(a.helper).Name, a.result)
	}
	if !t.now.Before(p.ends) {
		for _, id := range p.helpers {
			f.note(t.table.at(id).Name, ResultSilent)
		}
	} else if p.stream == ResultSilent {
		f.Stream = ResultNone
	}
	t.origin = origin{findings: f}
	e := t.origin.evidence(t, t.cfg.Name)
	t.out.event(Event{Kind: EventUnanswered, Member: t.table.snapshot(p.target), Evidence: e})
	return e
}

// verdict returns the evidence that m is down, by the word of a member.
func (t *Turn) verdict(m *member, by string) *Evidence {
	e := t.origin.evidence(t, by)
	if e.Cause == CausePushPull && by == t.cfg.Name {
		e.By = unattributed // see believeVerdict
	}
	if s := t.suspicions.of(m); s != nil {
		s.describe(e, t.now)
	}
	return e
}

// recovery returns the evidence that m, which is suspect or down, is alive, or nil if it was neither.
func (t *Turn) recovery(m *member) *Evidence {
	s, gone := t.suspicions.of(m), t.failed.named(m.Name)
	if s == nil && gone == nil || m == t.table.self {
		return nil
	}
	e := t.origin.evidence(t, m.Name)
	if s != nil {
		s.describe(e, t.now)
	} else {
		e.Down = t.table.since(t.now) - gone.since
	}
	return e
}

// evidence returns why m is suspect, as of now.
func (s *suspicion) evidence(now time.Time) *Evidence {
	e := &Evidence{Cause: s.cause, By: s.reporters[0], Sender: s.sender, Health: s.health}
	s.describe(e, now)
	return e
}

// describe adds what is known of a suspicion.
func (s *suspicion) describe(e *Evidence, now time.Time) {
	e.SuspectedBy, e.Confirmed = s.reporters[0], slices.Clone(s.reporters[1:])
	e.Suspected, e.Timeout, e.Acked = now.Sub(s.began), s.end().Sub(s.began), s.acked
	if s.findings != nil {
		e.Findings = s.findings.clone()
	}
}

// noteAck notes an ack of a member that may be suspect.
func (s suspicions) noteAck(m *member) {
	if one := s.of(m); one != nil {
		one.acked = true
	}
}

// Evidence returns why the known member with an ID is suspect or down, as of now, or nil if it is neither. Nil is returned too for
// one that was never alive here, and if so many others have failed since that it was forgotten: see MaxLost.
func (c *Core) Evidence(id ID, now time.Time) *Evidence {
	m := c.table.at(id)
	if s := c.suspicions.of(m); s != nil {
		return s.evidence(now)
	}
	if gone := c.failed.named(m.Name); gone != nil && m.State.IsDown() {
		return gone.verdict
	}
	return nil
}

// SenderText returns the sender in text: its name, or its address. The port from which a member dials a push/pull tells nothing.
func (e *Evidence) SenderText() string {
	switch from := &e.Sender; {
	case from.Name != "":
		return from.Name
	case from.AddrPort.IsValid() && e.Cause == CausePushPull:
		return from.AddrPort.Addr().String()
	case from.AddrPort.IsValid():
		return from.AddrPort.String()
	default:
		return from.Text
	}
}
