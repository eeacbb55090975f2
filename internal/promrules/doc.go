// Package promrules tests the alert rules and the dashboard in docs/prometheus with Prometheus' own packages: they parse,
// name metrics that metrics/prometheus exports, and fire when they should.
package promrules
