// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"testing"
	"time"
)

// BenchmarkCrowd is 600 members in one process, with loopback sockets, which join one of them at once. It reports the
// cost until 99 of 100 pairs know each other, the cost of the first half minute, in which the news spreads to the rest
// and fades, and the heap of each member a minute after that.
func BenchmarkCrowd(b *testing.B) {
	size, fade, rest := 600, 30*time.Second, time.Minute
	switch {
	case testing.Short():
		size, fade, rest = 10, 200*time.Millisecond, 200*time.Millisecond
	case !*long:
		b.Skip("takes minutes: -long")
	}
	for range b.N {
		before := liveHeap()
		c := newSocketCluster(b, size)
		cpu, start := processCPU(b), time.Now()
		c.join(b)
		c.awaitPairs(b, 99)
		b.ReportMetric((processCPU(b) - cpu).Seconds(), "cpu-s")
		b.ReportMetric(time.Since(start).Seconds(), "s")
		time.Sleep(fade - time.Since(start))
		b.ReportMetric((processCPU(b) - cpu).Seconds(), "cpu-s-faded")
		time.Sleep(rest)
		b.ReportMetric((float64(liveHeap())-float64(before))/float64(size), "B/member")
		for _, m := range c.members {
			m.Shutdown()
		}
	}
}
