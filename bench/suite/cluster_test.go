package suite

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

var (
	long   = flag.Bool("long", false, "run what takes minutes too: 300 members who join at once, overload")
	window = flag.Duration("window", 20*time.Second, "how long the idle cluster is watched")
)

// BenchmarkIdle is a cluster of 50 members without changes.
func BenchmarkIdle(b *testing.B) {
	size, settle, watch := 50, 8*time.Second, *window
	if testing.Short() {
		size, settle, watch = 5, 100*time.Millisecond, 200*time.Millisecond
	}
	c := newCluster(b, size, func(int, *memberlist.Config) {})
	c.join(b)
	c.awaitPairs(b, 100)
	time.Sleep(settle) // until gossip has ended
	for range b.N {
		reportIdle(b, size, watch)
	}
}

// reportIdle reports the cost of each of size members in watch.
func reportIdle(b *testing.B, size int, watch time.Duration) {
	b.Helper()
	cpu, bytes := processCPU(b), allocated()
	time.Sleep(watch)
	cpu, bytes = processCPU(b)-cpu, allocated()-bytes
	nodeSeconds := float64(size) * watch.Seconds()
	b.ReportMetric(float64(cpu.Microseconds())*60/nodeSeconds, "cpu-us/node-minute")
	b.ReportMetric(float64(bytes)/nodeSeconds, "B/node-second")
}

// BenchmarkJoinAtOnce joins all members to one of them at the same time, until 99 of 100 pairs know each other.
func BenchmarkJoinAtOnce(b *testing.B) {
	sizes := []int{100}
	if *long {
		sizes = append(sizes, 300)
	}
	if testing.Short() {
		sizes = []int{10}
	}
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var cpu, took time.Duration
			var bytes int64
			for range b.N {
				c := newCluster(b, size, func(int, *memberlist.Config) {})
				cpuBefore, start := processCPU(b), time.Now()
				c.join(b)
				c.awaitPairs(b, 99)
				took += time.Since(start)
				cpu += processCPU(b) - cpuBefore
				bytes += c.network.bytes.Load()
				for _, m := range c.members {
					m.Shutdown()
				}
			}
			n := float64(b.N)
			b.ReportMetric(cpu.Seconds()/n, "cpu-s")
			b.ReportMetric(took.Seconds()/n, "s")
			b.ReportMetric(float64(bytes)/1e6/n, "MB")
		})
	}
}

// deaths counts members declared dead.
type deaths struct {
	crashed string
	right   *atomic.Int64
	false   *atomic.Int64
}

func (d deaths) NotifyJoin(*memberlist.Node)   {}
func (d deaths) NotifyUpdate(*memberlist.Node) {}
func (d deaths) NotifyLeave(n *memberlist.Node) {
	if n.Name == d.crashed {
		d.right.Add(1)
	} else {
		d.false.Add(1)
	}
}

// BenchmarkOverload is a cluster whose configuration overloads the machine, in which one member crashes: the others
// must declare that one dead, and no other.
func BenchmarkOverload(b *testing.B) {
	size, watch := 300, 60*time.Second
	switch {
	case testing.Short():
		size, watch = 10, 200*time.Millisecond
	case !*long:
		b.Skip("takes minutes: -long")
	}
	d := deaths{crashed: memberName(size), right: new(atomic.Int64), false: new(atomic.Int64)}
	c := newCluster(b, size, func(_ int, c *memberlist.Config) {
		c.GossipInterval = 20 * time.Millisecond
		c.Events = d
	})
	c.join(b)
	c.awaitPairs(b, 99)
	for range b.N {
		cpu := processCPU(b)
		c.members[size-1].Shutdown()
		time.Sleep(watch)
		b.ReportMetric((processCPU(b) - cpu).Seconds(), "cpu-s")
		b.ReportMetric(float64(d.right.Load()), "deaths-seen")
		b.ReportMetric(float64(d.false.Load()), "false-deaths")
	}
}
