//go:build !hashicorpmetrics

package memberlist

const metricsLibrary = "github.com/armon/go-metrics"
