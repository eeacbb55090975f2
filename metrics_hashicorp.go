//go:build hashicorpmetrics

package memberlist

import (
	"time"

	"github.com/hashicorp/go-metrics"
)

// metricLabel is what Config.MetricLabels is made of: see the file without the build tag.
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
