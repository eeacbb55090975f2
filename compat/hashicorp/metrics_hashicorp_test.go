//go:build hashicorpmetrics

package memberlist

const metricsLibrary = "github.com/hashicorp/go-metrics"
