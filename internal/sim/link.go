package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Link describes the transmission from one node to another. Rates are probabilities, 0 to 1.
type Link struct {
	Latency   Latency       // one way
	Loss      float64       // of packets
	Duplicate float64       // of packets: the copy has a latency of its own
	Reorder   float64       // of packets: delayed further, by ReorderBy
	ReorderBy time.Duration //
	Fail      float64       // of exchanges over streams

	// Bandwidth is the number of bytes per second that each node can send in packets; 0: unlimited. Packets that
	// would wait for longer than MaxBacklog are lost.
	Bandwidth int
}

// MaxBacklog is the maximum time that a packet waits for bandwidth; others are lost.
const MaxBacklog = 500 * time.Millisecond

// LatencyKind is a distribution.
type LatencyKind uint8

// The distributions of latencies.
const (
	Constant    LatencyKind = iota // Min
	Uniform                        // between Min and Min + Spread
	Exponential                    // Min, and exponential with mean Spread
	LogNormal                      // Min, and log-normal with median Spread and sigma 1: a long tail
	Pareto                         // Min, and Pareto with scale Spread and shape 1.5: a very long tail
)

// maxLatency is the maximum latency of every distribution.
const maxLatency = 10 * time.Second

// Latency is a distribution of one-way latencies.
type Latency struct {
	Kind        LatencyKind
	Min, Spread time.Duration
}

// draw returns one latency, at most maxLatency.
func (l Latency) draw(r *rand.Rand) time.Duration {
	if l.Kind == Constant || l.Spread <= 0 {
		return l.Min
	}
	spread := float64(l.Spread)
	var d float64
	switch l.Kind {
	case Uniform:
		d = r.Float64() * spread
	case Exponential:
		d = r.ExpFloat64() * spread
	case LogNormal:
		d = math.Exp(r.NormFloat64()) * spread
	case Pareto:
		d = spread * (math.Pow(1-r.Float64(), -1/1.5) - 1)
	}
	return min(l.Min+time.Duration(min(d, float64(maxLatency))), maxLatency)
}

// set is a set of nodes. Nil holds every node.
type set []uint64

func newSet(nodes []int, n int) set {
	if nodes == nil {
		return nil
	}
	s := make(set, (n+63)/64)
	for _, i := range nodes {
		s[i/64] |= 1 << (i % 64)
	}
	return s
}

func (s set) has(node int32) bool { return s == nil || s[node/64]>>(node%64)&1 != 0 }

// rule is the effect of an active fault on messages between nodes.
type rule struct {
	fault    int
	kind     Kind
	from, to set
	both     bool // in both directions
}

func (r *rule) applies(from, to int32) bool {
	return r.from.has(from) && r.to.has(to) || r.both && r.from.has(to) && r.to.has(from)
}
