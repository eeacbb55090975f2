package memberlist

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/explain"
	"github.com/e3431adc/memberlist/internal/printable"
	"github.com/e3431adc/memberlist/internal/swim"
)

// Evidence is why this member takes another one for suspect, dead or left, or for alive again, or why packets do not reach it. It
// must not be written to. Names and errors in it may come from the network.
//
// docs/evidence.md shows how it reads in some situations.
type Evidence struct {
	// Cause is what this follows from.
	Cause EvidenceCause

	// By is the name of the member whose word it is: this member itself for what it found out; the one that refuted. Empty: unknown,
	// as a push/pull does not tell.
	By string

	// Sender is the member that sent the word (CauseGossip, CausePushPull): its name, or its address if no member is known there.
	// With gossip it is any member that passes the message on.
	Sender string

	// Health is this member's own health score at the time: see Memberlist.GetHealthScore. 0: healthy. If it is high, this
	// member may be the one that is slow or cut off.
	Health int

	// Probe is what this member found out itself. Nil: it did not ask.
	Probe *ProbeEvidence

	// SuspectedBy is the name of the member that raised the suspicion, and Confirmed has those that confirmed it independently.
	// Empty: unknown, or not suspected.
	SuspectedBy string
	Confirmed   []string

	// Suspected is how long the suspicion has lasted, and Timeout how long it lasts at most with these confirmations.
	// Timeout is zero if the member was not suspected.
	Suspected, Timeout time.Duration

	// Acked is set if the member answered a ping of this member while it was suspected.
	Acked bool

	// Down is for how long a member that is alive again was dead or had left. Zero: it was not.
	Down time.Duration
}

// ProbeEvidence is what this member, and those that it asked, found out about one that did not answer a ping.
type ProbeEvidence struct {
	// Address is where the pings went.
	Address string

	// Pings is the number of this member's pings without an ack, and Waited how long it waited for the ack to the first
	// before it asked others.
	Pings  int
	Waited time.Duration

	// SendError is the error of the transport if the ping could not be sent. At most 200 bytes.
	SendError string

	// Helpers are the members that were asked to ping the member and answered, or did not in time: at most 16.
	Helpers []HelperEvidence

	// Stream is the result of this member's ping on a stream, with the error if it is ProbeFailed, at most 200 bytes.
	Stream      ProbeResult
	StreamError string
}

// HelperEvidence is what a member that was asked to ping another one found.
type HelperEvidence struct {
	Name   string
	Result ProbeResult
}

// EvidenceCause is what a change of a member's state follows from.
type EvidenceCause uint8

// The causes. More may be added.
const (
	// CauseProbe is a ping of this member that was not answered. For a member that is alive again it is one that was.
	CauseProbe EvidenceCause = iota

	// CauseGossip is a message in a packet.
	CauseGossip

	// CausePushPull is the state of another member in a push/pull.
	CausePushPull

	// CauseTimeout is a suspicion that was not refuted in time.
	CauseTimeout

	// CauseRefused is that several members found that no process listens at the address.
	CauseRefused

	// CauseSilent is that several members got no answer for Config.SilenceTimeout.
	CauseSilent

	// CauseReplaced is another process that has the member's name or its address.
	CauseReplaced

	// CauseProgram is a call of Leave or ForceLeave.
	CauseProgram
)

// String returns the cause in lower case, such as "push/pull".
func (c EvidenceCause) String() string {
	names := [...]string{"probe", "gossip", "push/pull", "timeout", "refused", "silent", "replaced", "program"}
	if int(c) < len(names) {
		return names[c]
	}
	return "cause " + strconv.Itoa(int(c))
}

// ProbeResult is the outcome of a ping through another member, or on a stream.
type ProbeResult uint8

// The results. More may be added.
const (
	// ProbeNone means that none was tried, or has had time for an answer.
	ProbeNone ProbeResult = iota

	// ProbeSilent means that nothing came back in time: from the helper itself, or from the host of the stream.
	ProbeSilent

	// ProbeAcked means that the member answered.
	ProbeAcked

	// ProbeNacked means that the helper answered, and got no answer from the member.
	ProbeNacked

	// ProbeRefused means that the host refused a stream: no process listens at the address.
	ProbeRefused

	// ProbeConnected means that a stream was opened, and the ping on it not answered: the process may be stopped.
	ProbeConnected

	// ProbeFailed means that the stream failed with another error.
	ProbeFailed
)

// String returns the result in lower case, such as "nacked".
func (r ProbeResult) String() string {
	names := [...]string{"not tried", "silent", "acked", "nacked", "refused", "connected", "failed"}
	if int(r) < len(names) {
		return names[r]
	}
	return "result " + strconv.Itoa(int(r))
}

func init() {
	explain.Evidence = func(e *swim.Evidence) string { return newEvidence(e).String() }
}

// newEvidence converts evidence of the core, which may be nil.
func newEvidence(e *swim.Evidence) *Evidence {
	if e == nil {
		return nil
	}
	return &Evidence{
		Cause: EvidenceCause(e.Cause), By: e.By, Sender: e.SenderText(), Health: e.Health, Probe: newProbeEvidence(e.Findings),
		SuspectedBy: e.SuspectedBy, Confirmed: e.Confirmed, Suspected: e.Suspected, Timeout: e.Timeout, Acked: e.Acked, Down: e.Down,
	}
}

func newProbeEvidence(f *swim.Findings) *ProbeEvidence {
	if f == nil {
		return nil
	}
	p := &ProbeEvidence{Address: f.To.String(), Pings: f.Pings, Waited: f.Waited, SendError: f.Unsent,
		Stream: ProbeResult(f.Stream), StreamError: f.Error}
	for _, h := range f.Helpers {
		p.Helpers = append(p.Helpers, HelperEvidence{Name: h.Name, Result: ProbeResult(h.Result)})
	}
	return p
}

// String returns the evidence as a sentence, such as "no ack to the ping to 10.0.0.3:7946 within 500ms; helpers: b silent, c refused;
// stream refused; confirmed by d and e; suspected for 3.2s of 5.1s". It is one line of printable text; long names are cut. Nil has
// none.
func (e *Evidence) String() string {
	if e == nil {
		return ""
	}
	parts := []string{e.cause()}
	if e.Probe != nil {
		parts = append(parts, e.Probe.parts()...)
	}
	parts = append(parts, e.suspicion()...)
	if e.Down > 0 {
		parts = append(parts, "was down for "+short(e.Down))
	}
	if e.Health > 0 {
		parts = append(parts, "own health score "+strconv.Itoa(e.Health))
	}
	if parts[0] == "" {
		parts = parts[1:]
	}
	return strings.Join(parts, "; ")
}

// cause returns the part of the sentence about the cause; none if what the probe found says it.
func (e *Evidence) cause() string {
	switch e.Cause {
	case CauseProbe:
		if e.Probe == nil {
			return "answered a ping"
		}
		return ""
	case CauseGossip, CausePushPull:
		text := "heard"
		if e.By != "" {
			text = "by the word of " + printable.Name(e.By)
		}
		text += " in " + map[EvidenceCause]string{CauseGossip: "gossip", CausePushPull: "a push/pull"}[e.Cause]
		if e.Sender != "" && e.Sender != e.By {
			text += " from " + printable.Name(e.Sender)
		}
		return text
	case CauseTimeout:
		return "not refuted in time"
	case CauseRefused:
		return "several members found that no process listens there"
	case CauseSilent:
		return "several members got no answer"
	case CauseReplaced:
		return "another process has its name or address"
	case CauseProgram:
		return "a program said so"
	default:
		return e.Cause.String()
	}
}

// parts returns the parts of the sentence about what was found.
func (p *ProbeEvidence) parts() (parts []string) {
	switch {
	case p.SendError != "":
		parts = append(parts, "ping to "+p.Address+" not sent: "+printable.Text(p.SendError))
	case p.Pings > 1:
		parts = append(parts, fmt.Sprintf("no ack to %d pings to %s, the first within %s", p.Pings, p.Address, short(p.Waited)))
	default:
		parts = append(parts, "no ack to the ping to "+p.Address+" within "+short(p.Waited))
	}
	if len(p.Helpers) > 0 {
		found := make([]string, len(p.Helpers))
		for i, h := range p.Helpers {
			found[i] = printable.Name(h.Name) + " " + h.Result.String()
		}
		parts = append(parts, "helpers: "+strings.Join(found, ", "))
	}
	switch p.Stream {
	case ProbeNone:
	case ProbeSilent:
		parts = append(parts, "stream timed out")
	default:
		text := "stream " + p.Stream.String()
		if p.StreamError != "" {
			text += ": " + printable.Text(p.StreamError)
		}
		parts = append(parts, text)
	}
	return parts
}

// suspicion returns the parts of the sentence about the suspicion.
func (e *Evidence) suspicion() (parts []string) {
	if e.Timeout == 0 {
		return nil
	}
	if e.SuspectedBy != "" && e.SuspectedBy != e.By {
		parts = append(parts, "suspected by "+printable.Name(e.SuspectedBy))
	}
	if len(e.Confirmed) > 0 {
		parts = append(parts, "confirmed by "+names(e.Confirmed))
	}
	if e.Acked {
		parts = append(parts, "answered a ping meanwhile")
	}
	if e.Suspected > 0 {
		return append(parts, "suspected for "+short(e.Suspected)+" of "+short(e.Timeout))
	}
	return append(parts, "may refute for "+short(e.Timeout))
}

// names returns "a, b and c".
func names(list []string) string {
	var text strings.Builder
	for i, name := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			text.WriteString(" and ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(printable.Name(name))
	}
	return text.String()
}

// short returns a duration with two to three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for unit*1000 <= d {
		unit *= 10
	}
	return d.Round(unit).String()
}

// LogValue returns the evidence as a group of attributes: those that say something.
func (e *Evidence) LogValue() slog.Value {
	if e == nil {
		return slog.GroupValue()
	}
	attrs := []slog.Attr{slog.String("cause", e.Cause.String())}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	duration := func(key string, d time.Duration) {
		if d != 0 {
			attrs = append(attrs, slog.Duration(key, d))
		}
	}
	text("by", e.By)
	text("sender", e.Sender)
	attrs = append(attrs, slog.Int("health", e.Health))
	if p := e.Probe; p != nil {
		helpers := make([]string, len(p.Helpers))
		for i, h := range p.Helpers {
			helpers[i] = h.Name + " " + h.Result.String()
		}
		attrs = append(attrs, slog.String("pinged", p.Address), slog.Int("pings", p.Pings), slog.Duration("waited", p.Waited))
		text("send_error", p.SendError)
		text("helpers", strings.Join(helpers, ", "))
		attrs = append(attrs, slog.String("stream", p.Stream.String()))
		text("stream_error", p.StreamError)
	}
	text("suspected_by", e.SuspectedBy)
	text("confirmed", strings.Join(e.Confirmed, ", "))
	duration("suspected", e.Suspected)
	duration("timeout", e.Timeout)
	if e.Acked {
		attrs = append(attrs, slog.Bool("acked", true))
	}
	duration("down", e.Down)
	return slog.GroupValue(attrs...)
}

// evidenceAttr returns the attribute "evidence" of an event.
func evidenceAttr(e *swim.Event) slog.Attr { return slog.Any("evidence", newEvidence(e.Evidence)) }
