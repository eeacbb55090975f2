//go:build hashicorpmetrics

package clustertest

import (
	"testing"

	"github.com/hashicorp/go-metrics"
)

// useSink has all metrics of the process go to a sink until the test ends.
func useSink(t *testing.T, sink *metricSink) {
	t.Helper()
	if _, err := metrics.NewGlobal(&metrics.Config{FilterDefault: true}, sink); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(metrics.Shutdown)
}
