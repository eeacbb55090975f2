package suite

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// meter measures what the timed parts of a benchmark cost the whole process: CPU time, user and system, of all threads,
// the garbage collector's included. A machine that others use too slows the wall clock more than that.
type meter struct {
	b     *testing.B
	cpu   time.Duration
	since time.Duration
}

// newMeter gives a meter that stands still, and so does the benchmark's timer.
func newMeter(b *testing.B) *meter {
	b.Helper()
	b.ReportAllocs()
	b.StopTimer()
	b.ResetTimer()
	return &meter{b: b}
}

func (m *meter) start() {
	m.since = processCPU(m.b)
	m.b.StartTimer()
}

func (m *meter) stop() {
	m.b.StopTimer()
	m.cpu += processCPU(m.b) - m.since
}

// report gives the CPU time for each of b.N operations.
func (m *meter) report() {
	m.b.ReportMetric(float64(m.cpu.Nanoseconds())/float64(m.b.N), "cpu-ns/op")
}

// processCPU is the CPU time that this process has used.
func processCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// liveHeap is how many bytes of the heap are in use, once all that is not has been collected: pools take two rounds.
func liveHeap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// allocated is how many bytes this process has ever allocated.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
