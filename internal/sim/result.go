package sim

import (
	"fmt"
	"slices"
	"time"
)

// NodeCounts are what one node sent and received.
type NodeCounts struct {
	PacketsOut, PacketsIn uint64
	BytesOut, BytesIn     uint64 // of packets, without UDP and IP headers
	StreamBytesOut        uint64 // of push/pull states
}

// Detection is how long it took to find a crash.
type Detection struct {
	Node  int
	At    time.Duration // of the crash, since the start
	First time.Duration // until the first member declared it dead; 0: not yet
	All   time.Duration // until every member did; 0: not yet

	number  int32 // of the name
	missing int
}

// Result is what was measured.
type Result struct {
	Hash    uint64 // of the history
	Events  uint64 // of the simulation
	Virtual time.Duration

	Lost            uint64     // packets that did not arrive
	Sent, Received  [16]uint64 // messages in packets, by wire.Type
	StreamPings     uint64
	PushPulls       uint64 // that succeeded, joins included
	PushPullsFailed uint64
	Reconnects      uint64 // push/pulls begun to find members that were lost
	Isolations      uint64 // times that a node lost sight of most others
	Nodes           []NodeCounts

	Fired [numKinds]uint64 // how often each kind of fault had an effect

	Suspicions     uint64 // begun, over all members
	Refutations    uint64
	Conflicts      uint64
	StreamOnly     uint64 // probes that only a stream answered
	Takeovers      uint64 // of a name by another address
	FalsePositives uint64 // healthy members declared dead or taken for it, over all members
	// FalsePositivesHealthy are those of them at members that are healthy too.
	FalsePositivesHealthy uint64
	// FalseDeaths are how often a healthy member was taken for dead, however many others believed it.
	FalseDeaths uint64
	// FalseDeathsImpaired are how often a member was that is up, but under a fault or just was.
	FalseDeathsImpaired uint64
	Detections          []Detection

	// Agreed says that when Settle returned all agreed, and had done so since AgreedAt.
	Agreed   bool
	AgreedAt time.Duration

	MaxKnown, MaxQueued, MaxTimers int // at any member, at any time

	Violation *Violation
}

// Result returns what was measured up to now; it does not change when the simulation goes on.
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

// Total adds up what all nodes sent and received.
func (r *Result) Total() NodeCounts {
	var t NodeCounts
	for _, n := range r.Nodes {
		t.PacketsOut += n.PacketsOut
		t.PacketsIn += n.PacketsIn
		t.BytesOut += n.BytesOut
		t.BytesIn += n.BytesIn
		t.StreamBytesOut += n.StreamBytesOut
	}
	return t
}

// Violation is a rule that was broken.
type Violation struct {
	Rule    string
	At      time.Duration // since the start
	Node    int           // in whose view
	Name    string        // of the node
	Subject int           // about whom; -1: nobody
	Detail  string
}

// Error says what was broken, when and by whom.
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
