package prometheus

import (
	"sync"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/e3431adc/memberlist"
)

// quiet is the time without a change after which a view has settled, as far as the histogram is concerned.
const quiet = 5 * time.Second

// maxSuspicions is the number of suspicions whose beginning is remembered.
const maxSuspicions = 10_000

// timing are histograms of times between events.
type timing struct {
	suspicion prom.Histogram
	detection prom.Histogram
	settling  prom.Histogram

	mu struct {
		sync.Mutex
		suspected   map[string]time.Time // by name: when the suspicion began
		first, last time.Time            // of the changes that have not settled; zero: none
	}
}

func newTiming(namespace string, labels prom.Labels) *timing {
	histogram := func(name, help string, buckets []float64) prom.Histogram {
		return prom.NewHistogram(prom.HistogramOpts{
			Namespace: namespace, Name: name, Help: help, ConstLabels: labels, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		})
	}
	t := &timing{
		suspicion: histogram("suspicion_duration_seconds", "Time from a suspicion to its end by death or refutation.",
			[]float64{.1, .25, .5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60}),
		detection: histogram("detection_duration_seconds", "Time from the last direct ack of a member to its death.",
			[]float64{.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300}),
		settling: histogram("settling_duration_seconds", "Time from the first to the last of a series of changes of the view, each within five seconds of the one before.",
			[]float64{.1, .25, .5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300}),
	}
	t.mu.suspected = make(map[string]time.Time)
	return t
}

// note takes an event.
func (t *timing) note(e *memberlist.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := e.Member.Name
	switch e.Kind {
	case memberlist.EventSuspect:
		if len(t.mu.suspected) < maxSuspicions {
			t.mu.suspected[name] = e.Time
		}
	case memberlist.EventRecover, memberlist.EventFail, memberlist.EventLeave:
		if began, ok := t.mu.suspected[name]; ok {
			delete(t.mu.suspected, name)
			t.suspicion.Observe(e.Time.Sub(began).Seconds())
		}
	}
	if last := e.Member.Packets.Last; e.Kind == memberlist.EventFail && !last.IsZero() {
		t.detection.Observe(e.Time.Sub(last).Seconds())
	}
	switch e.Kind {
	case memberlist.EventJoin, memberlist.EventUpdate, memberlist.EventLeave, memberlist.EventFail:
		t.settleLocked(e.Time)
		if t.mu.first.IsZero() {
			t.mu.first = e.Time
		}
		t.mu.last = e.Time
	}
}

// settleLocked ends a series of changes that has had no further one for a while.
func (t *timing) settleLocked(now time.Time) {
	if t.mu.first.IsZero() || now.Sub(t.mu.last) < quiet {
		return
	}
	t.settling.Observe(t.mu.last.Sub(t.mu.first).Seconds())
	t.mu.first, t.mu.last = time.Time{}, time.Time{}
}

// Describe implements Collector of client_golang.
func (t *timing) Describe(out chan<- *prom.Desc) {
	t.suspicion.Describe(out)
	t.detection.Describe(out)
	t.settling.Describe(out)
}

// Collect implements Collector of client_golang.
func (t *timing) Collect(out chan<- prom.Metric) {
	t.mu.Lock()
	t.settleLocked(time.Now())
	t.mu.Unlock()
	t.suspicion.Collect(out)
	t.detection.Collect(out)
	t.settling.Collect(out)
}
