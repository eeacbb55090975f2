//go:build !hashicorpmetrics

package metrics

import "github.com/armon/go-metrics"

// useLibrary gives all metrics of the process to a sink, until stopLibrary.
func useLibrary(s *sink) error {
	_, err := metrics.NewGlobal(&metrics.Config{FilterDefault: true}, s)
	return err
}

func stopLibrary() { metrics.Shutdown() }
