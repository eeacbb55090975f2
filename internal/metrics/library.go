//go:build !hashicorpmetrics

package metrics

import (
	"time"

	"github.com/armon/go-metrics"
)

// Label is a name and a value that a metric has in addition to its key. It is that of github.com/armon/go-metrics; with the build
// tag hashicorpmetrics, that of github.com/hashicorp/go-metrics, which then also receives the metrics.
type Label = metrics.Label

func incrCounter(key []string, by float32, labels []Label) {
	metrics.IncrCounterWithLabels(key, by, labels)
}

func setGauge(key []string, value float32, labels []Label) {
	metrics.SetGaugeWithLabels(key, value, labels)
}

func addSample(key []string, value float32, labels []Label) {
	metrics.AddSampleWithLabels(key, value, labels)
}

func measureSince(key []string, start time.Time, labels []Label) {
	metrics.MeasureSinceWithLabels(key, start, labels)
}
