package swim

import (
	"fmt"

	"github.com/e3431adc/memberlist/internal/wire"
)

// About returns lines of text about a member: what arrived from it and about it, what was sent to it, and what happened to it, with the
// evidence as explain has it, which is never called with nil.
func (t *ReplayedTurn) About(name string, explain func(*Evidence) string) (lines []string) {
	member, _ := t.Core.Member(name)
	isIt := func(at *Endpoint) bool { return at.Name == name || at.AddrPort.IsValid() && at.AddrPort == member.Addr }
	for _, c := range t.Calls {
		switch c := c.Arguments.(type) {
		case *callStepGossip:
			if m := &c.Message; string(m.Node) == name {
				lines = append(lines, fmt.Sprintf("in   %v of %q at incarnation %d, reported by %q, from %v", m.Kind, name, m.Incarnation, m.From, c.From.AddrPort))
			}
		case *callStepPing:
			if isIt(&c.From) || string(c.Ping.SourceNode) == name {
				lines = append(lines, fmt.Sprintf("in   ping from %v", c.From.AddrPort))
			}
		case *callStep:
			if isIt(&c.From) {
				lines = append(lines, fmt.Sprintf("in   %v from %v", c.Message.Type(), c.From.AddrPort))
			}
		case *callMerge:
			lines = appendStates(lines, c, name)
		}
	}
	for i := range t.Out.Packets {
		if p := &t.Out.Packets[i]; isIt(&p.To) && len(p.Messages) > 0 {
			lines = append(lines, fmt.Sprintf("out  %v and %d more to %v", wire.Type(p.Messages[0][0]), len(p.Messages)-1, p.To.AddrPort))
		}
	}
	for i := range t.Out.Streams {
		if s := &t.Out.Streams[i]; s.To.Name == name {
			lines = append(lines, fmt.Sprintf("out  stream: %s to %v", streamNames[s.Kind], s.To.Addr))
		}
	}
	for i := range t.Out.Events {
		if e := &t.Out.Events[i]; e.Member.Name == name || e.Other != nil && e.Other.Name == name {
			line := "     " + e.text()
			if e.Evidence != nil {
				line += "; " + explain(e.Evidence)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// appendStates appends what a push/pull has of a member.
func appendStates(lines []string, c *callMerge, name string) []string {
	states := c.States
	for v := (wire.StateView{}); states.Next(&v); {
		if string(v.Name()) == name {
			lines = append(lines, fmt.Sprintf("in   state %v at incarnation %d, in a push/pull with %v", State(v.State), v.Incarnation, c.Peer.AddrPort))
		}
	}
	return lines
}

// text returns a line about an event.
func (e *Event) text() string {
	text := fmt.Sprintf("%s: %v at incarnation %d", eventNames[e.Kind], e.Member.State, e.Member.Incarnation)
	if e.From != "" {
		text += fmt.Sprintf(", by %q", e.From)
	}
	if e.Count > 0 {
		text += fmt.Sprintf(", count %d", e.Count)
	}
	if e.RTT > 0 {
		text += fmt.Sprintf(", after %v", e.RTT)
	}
	return text
}

var streamNames = [...]string{"ping", "push/pull", "push/pull of differences", "leave", "reconnect", "seeds"}

var eventNames = [...]string{"join", "leave", "update", "conflict", "ack", "probe failed", "suspect", "suspicion timed out", "refute", "answers on streams only",
	"moved", "conflict ended", "isolated", "isolation ended", "recovered", "no answer to a ping", "refused", "silent"}
