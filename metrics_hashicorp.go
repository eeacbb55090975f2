//go:build hashicorpmetrics

package memberlist

import (
	"time"

	"github.com/hashicorp/go-metrics"
)

// MetricLabel is a label of a metric: Label of github.com/hashicorp/go-metrics, which the metrics go to. Without the build
// tag hashicorpmetrics both are of github.com/armon/go-metrics.
type MetricLabel = metrics.Label

func incrCounter(key []string, by float32, labels []MetricLabel) {
	metrics.IncrCounterWithLabels(key, by, labels)
}

func setGauge(key []string, value float32, labels []MetricLabel) {
	metrics.SetGaugeWithLabels(key, value, labels)
}

func addSample(key []string, value float32, labels []MetricLabel) {
	metrics.AddSampleWithLabels(key, value, labels)
}

// measureSince adds the milliseconds that have passed since start as a sample.
func measureSince(key []string, start time.Time, labels []MetricLabel) {
	metrics.MeasureSinceWithLabels(key, start, labels)
}
