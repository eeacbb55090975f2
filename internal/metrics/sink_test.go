package metrics

import (
	"fmt"
	"strings"
	"testing"
)

// sink notes all metrics.
type sink struct{ lines []string }

func (s *sink) note(kind string, key []string, value float32, labels []Label) {
	line := kind + " " + strings.Join(key, ".")
	for _, l := range labels {
		line += " " + l.Name + "=" + l.Value
	}
	s.lines = append(s.lines, fmt.Sprint(line, " ", value))
}

func (s *sink) SetGauge(key []string, v float32)    { s.note("gauge", key, v, nil) }
func (s *sink) EmitKey(key []string, v float32)     { s.note("key", key, v, nil) }
func (s *sink) IncrCounter(key []string, v float32) { s.note("counter", key, v, nil) }
func (s *sink) AddSample(key []string, v float32)   { s.note("sample", key, v, nil) }
func (s *sink) SetGaugeWithLabels(key []string, v float32, labels []Label) {
	s.note("gauge", key, v, labels)
}
func (s *sink) IncrCounterWithLabels(key []string, v float32, labels []Label) {
	s.note("counter", key, v, labels)
}
func (s *sink) AddSampleWithLabels(key []string, v float32, labels []Label) {
	s.note("sample", key, v, labels)
}

func (s *sink) use(t *testing.T) {
	t.Helper()
	if err := useLibrary(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopLibrary)
}
