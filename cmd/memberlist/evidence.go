package main

import (
	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/swim"
)

// evidenceText returns the evidence of a replayed core as the library has it in its events and logs; "" of nil.
func evidenceText(e *swim.Evidence) string {
	if e == nil {
		return ""
	}
	text := memberlist.Evidence{Cause: memberlist.EvidenceCause(e.Cause), By: e.By, Sender: e.SenderText(), Health: e.Health, SuspectedBy: e.SuspectedBy,
		Confirmed: e.Confirmed, Suspected: e.Suspected, Timeout: e.Timeout, Acked: e.Acked, Down: e.Down}
	if f := e.Findings; f != nil {
		text.Probe = &memberlist.ProbeEvidence{Address: f.To.String(), Pings: f.Pings, Waited: f.Waited, SendError: f.Unsent,
			Stream: memberlist.ProbeResult(f.Stream), StreamError: f.Error}
		for _, h := range f.Helpers {
			text.Probe.Helpers = append(text.Probe.Helpers, memberlist.HelperEvidence{Name: h.Name, Result: memberlist.ProbeResult(h.Result)})
		}
	}
	return text.String()
}
