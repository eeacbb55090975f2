// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// meter measures the CPU time of the process in the timed parts of a benchmark: user and system, of all threads,
// garbage collection included. On a shared machine it varies less than wall-clock time.
type meter struct {
	b     *testing.B
	cpu   time.Duration
	since time.Duration
}

// newMeter returns a stopped meter, and stops the benchmark's timer.
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

// report reports the CPU time per operation.
func (m *meter) report() {
	m.b.ReportMetric(float64(m.cpu.Nanoseconds())/float64(m.b.N), "cpu-ns/op")
}

// processCPU returns the CPU time of this process.
func processCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// liveHeap returns the live heap in bytes. It collects twice, to empty pools.
func liveHeap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// allocated returns the bytes that this process has allocated in total.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
