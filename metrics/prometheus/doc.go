// Package prometheus exposes a member to Prometheus: its counters and gauges (Memberlist.Stats), and histograms of how
// fast failures are detected and views settle.
//
//	list, err := memberlist.Create(config)
//	...
//	registry := prom.NewRegistry() // of github.com/prometheus/client_golang/prometheus
//	collector := prometheus.NewCollector(list, prometheus.Options{})
//	defer collector.Close()
//	registry.MustRegister(collector)
//
// The number of series does not depend on the size of the cluster, unless Options.MaxMembers asks for series of each
// member. docs/prometheus.md in the repository describes each metric; beside it are a dashboard and alert rules.
//
// It is a module of its own, so that the library does not depend on client_golang. The metrics that the library itself
// sends to go-metrics are not needed with it.
package prometheus
