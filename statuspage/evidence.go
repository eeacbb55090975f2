package statuspage

import (
	"strings"

	"github.com/e3431adc/memberlist"
)

// Evidence is why a member is suspect or dead, has left, or is alive again, or why packets do not reach it: see memberlist.Evidence.
// Durations are in seconds.
type Evidence struct {
	Summary     string   `json:"summary"` // all of it in a sentence
	Cause       string   `json:"cause"`   // as memberlist.EvidenceCause.String
	By          string   `json:"by,omitempty"`
	Sender      string   `json:"sender,omitempty"`
	Health      int      `json:"health"`
	Probe       *Probe   `json:"probe,omitempty"`
	SuspectedBy string   `json:"suspected_by,omitempty"`
	Confirmed   []string `json:"confirmed,omitempty"`
	Suspected   float64  `json:"suspected,omitempty"`
	Timeout     float64  `json:"timeout,omitempty"`
	Acked       bool     `json:"acked,omitempty"`
	Down        float64  `json:"down,omitempty"`
}

// Probe is what this member found out itself: see memberlist.ProbeEvidence.
type Probe struct {
	Address     string            `json:"address"`
	Pings       int               `json:"pings"`
	Waited      float64           `json:"waited"`
	SendError   string            `json:"send_error,omitempty"`
	Helpers     map[string]string `json:"helpers,omitempty"` // by name: as memberlist.ProbeResult.String
	Stream      string            `json:"stream"`            // the same
	StreamError string            `json:"stream_error,omitempty"`
}

// Head returns the part of the summary that says most, for the table of members.
func (e *Evidence) Head() string {
	head, _, _ := strings.Cut(e.Summary, "; ")
	return head
}

// newEvidence returns evidence as it is in JSON; nil of nil.
func newEvidence(e *memberlist.Evidence) *Evidence {
	if e == nil {
		return nil
	}
	return &Evidence{
		Summary: e.String(), Cause: e.Cause.String(), By: e.By, Sender: e.Sender, Health: e.Health, Probe: newProbe(e.Probe),
		SuspectedBy: e.SuspectedBy, Confirmed: e.Confirmed, Suspected: e.Suspected.Seconds(), Timeout: e.Timeout.Seconds(),
		Acked: e.Acked, Down: e.Down.Seconds(),
	}
}

func newProbe(p *memberlist.ProbeEvidence) *Probe {
	if p == nil {
		return nil
	}
	shown := &Probe{Address: p.Address, Pings: p.Pings, Waited: p.Waited.Seconds(), SendError: p.SendError,
		Stream: p.Stream.String(), StreamError: p.StreamError, Helpers: make(map[string]string)}
	for _, h := range p.Helpers {
		shown.Helpers[h.Name] = h.Result.String()
	}
	return shown
}
