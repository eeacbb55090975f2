// Package metrics counts what a member does, for its Stats and for a metrics library: each count is an atomic of the member's own
// and a metric of the process. The library is github.com/armon/go-metrics or, with the build tag hashicorpmetrics,
// github.com/hashicorp/go-metrics.
package metrics

import (
	"slices"
	"sync/atomic"
	"time"
)

// Set is the metrics of one member. Its methods may be called from any goroutine.
type Set struct {
	// Packets in each direction. FlushTraffic reports them to the library.
	Sent, Received Traffic

	labels   []Label
	counters [NumCounters]atomic.Uint64
	health   atomic.Int64 // the last value of the gauge
}

// SetLabels sets the labels of all metrics. It is called before all other methods.
func (s *Set) SetLabels(labels []Label) { s.labels = labels }

// Add adds n to a counter.
func (s *Set) Add(c Counter, n int) {
	s.counters[c].Add(uint64(n))
	incrCounter(counterKeys[c], float32(n), s.labels)
}

// Count returns the value of a counter.
func (s *Set) Count(c Counter) uint64 { return s.counters[c].Load() }

// SetGauge sets a gauge.
func (s *Set) SetGauge(g Gauge, value float32) { setGauge(gaugeKeys[g], value, s.labels) }

// SetHealth sets the gauge HealthScore if it has another value.
func (s *Set) SetHealth(score int) {
	if h := int64(score); s.health.Load() != h && s.health.Swap(h) != h {
		s.SetGauge(HealthScore, float32(score))
	}
}

// SetInstances sets the gauge NodeInstances with the label node_state: the number of members in a state.
func (s *Set) SetInstances(state string, n int) {
	labels := append(slices.Clip(s.labels), Label{Name: "node_state", Value: state})
	setGauge(gaugeKeys[NodeInstances], float32(n), labels)
}

// AddSample adds a value to a sample.
func (s *Set) AddSample(which Sample, value float32) { addSample(sampleKeys[which], value, s.labels) }

// AddDuration adds a duration, in milliseconds, to a sample.
func (s *Set) AddDuration(which Sample, d time.Duration) {
	s.AddSample(which, float32(d)/float32(time.Millisecond))
}

// MeasureSince adds the milliseconds since start to a sample.
func (s *Set) MeasureSince(which Sample, start time.Time) {
	measureSince(sampleKeys[which], start, s.labels)
}

// FlushTraffic reports to the library the bytes of Sent and Received since the last call. One call of the library for each
// packet would add a tenth to the cost of a ping.
func (s *Set) FlushTraffic() {
	if n := s.Sent.unreported(); n > 0 {
		incrCounter(udpSentKey, float32(n), s.labels)
	}
	if n := s.Received.unreported(); n > 0 {
		incrCounter(udpReceivedKey, float32(n), s.labels)
	}
}
