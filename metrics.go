//go:build !hashicorpmetrics

package memberlist

import (
	"time"

	"github.com/armon/go-metrics"
)

// metricLabel is what Config.MetricLabels is made of. It is that of github.com/armon/go-metrics; the build tag
// hashicorpmetrics makes it that of github.com/hashicorp/go-metrics, and has the metrics go there.
type metricLabel = metrics.Label

func incrCounter(key []string, by float32, labels []metricLabel) {
	metrics.IncrCounterWithLabels(key, by, labels)
}

func setGauge(key []string, value float32, labels []metricLabel) {
	metrics.SetGaugeWithLabels(key, value, labels)
}

func addSample(key []string, value float32, labels []metricLabel) {
	metrics.AddSampleWithLabels(key, value, labels)
}

// measureSince adds the milliseconds that have passed since start as a sample.
func measureSince(key []string, start time.Time, labels []metricLabel) {
	metrics.MeasureSinceWithLabels(key, start, labels)
}
