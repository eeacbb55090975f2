package sim

import (
	"fmt"
	"slices"
	"time"
)

// NodeCounts is the traffic of one node.
type NodeCounts struct {
	PacketsOut, PacketsIn uint64
	BytesOut, BytesIn     uint64 // of packets, without UDP and IP headers
	StreamBytesOut        uint64 // of push/pulls

	BytesAcross, StreamBytesAcross uint64 // those to nodes of other zones, or without one
}

// Detection is the detection of a crash.
type Detection struct {
	Node  int
	At    time.Duration // of the crash, since the start
	First time.Duration // until the first member declared it dead; 0: not yet
	All   time.Duration // until every member did; 0: not yet

	number  int32 // of the name
	missing int
}

// Result has the measurements.
type Result struct {
	Hash    uint64 // of the history
	Events  uint64 // of the simulation
	Virtual time.Duration

	Lost            uint64     // packets that did not arrive
	Sent, Received  [16]uint64 // messages in packets, by wire.Type
	Refused         uint64     // messages about members for which a queue had no room
	StreamPings     uint64
	PushPulls       uint64 // that succeeded, joins included
	PushPullsFailed uint64
	Differences     uint64 // push/pulls of differences between views that differ
	Reconnects      uint64 // push/pulls to find lost members
	Isolations      uint64 // times that a node lost most others at once
	Nodes           []NodeCounts

	Fired [numKinds]uint64 // Fired is the number of times that each kind of fault had an effect.

	Suspicions     uint64 // started, over all members
	Refutations    uint64
	Conflicts      uint64
	StreamOnly     uint64 // probes acked on a stream only
	Takeovers      uint64 // changes of the address of a name
	FalsePositives uint64 // healthy members declared dead, over all members
	// FalsePositivesHealthy counts those at members that are healthy too.
	FalsePositivesHealthy uint64
	// FalseDeaths is the number of times that a healthy member was declared dead, however many others accepted it.
	FalseDeaths uint64
	// FalseDeathsImpaired is that number for members that are up, and affected by a fault or just were.
	FalseDeathsImpaired uint64
	Detections          []Detection

	// Agreed is set if all agreed when Settle returned, and had done so since AgreedAt.
	Agreed   bool
	AgreedAt time.Duration

	MaxKnown, MaxQueued, MaxTimers int // at any member, at any time

	Violation *Violation
}

// Result returns the measurements so far; it does not change when the simulation goes on.
func (s *Sim) Result() *Result {
	r := s.result
	r.Nodes, r.Detections = make([]NodeCounts, len(s.nodes)), slices.Clone(r.Detections)
	r.Hash = s.hash
	r.Virtual = time.Duration(s.now)
	for i := range s.nodes {
		r.Nodes[i] = s.nodes[i].counts
	}
	return &r
}

// Total sums the traffic of all nodes.
func (r *Result) Total() NodeCounts {
	var t NodeCounts
	for _, n := range r.Nodes {
		t.PacketsOut += n.PacketsOut
		t.PacketsIn += n.PacketsIn
		t.BytesOut += n.BytesOut
		t.BytesIn += n.BytesIn
		t.StreamBytesOut += n.StreamBytesOut
		t.BytesAcross += n.BytesAcross
		t.StreamBytesAcross += n.StreamBytesAcross
	}
	return t
}

// Violation is the violation of a rule.
type Violation struct {
	Rule    string
	At      time.Duration // since the start
	Node    int           // whose view it is
	Name    string        // of the node
	Subject int           // member concerned; -1: none
	Detail  string
}

// Error describes the violation.
func (v *Violation) Error() string {
	about := ""
	if v.Subject >= 0 {
		about = fmt.Sprintf(" about n%d", v.Subject)
	}
	by := v.Name
	if by != nodeName(v.Node) {
		by = fmt.Sprintf("%s, node %d,", v.Name, v.Node)
	}
	return fmt.Sprintf("%s: broken at %v by %s%s: %s", v.Rule, v.At, by, about, v.Detail)
}
