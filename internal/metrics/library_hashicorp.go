//go:build hashicorpmetrics

package metrics

import (
	"time"

	"github.com/hashicorp/go-metrics"
)

// Label is documented in the file without the build tag.
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
