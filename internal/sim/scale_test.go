package sim

import (
	"testing"
	"time"
)

// BenchmarkThousand runs 1,000 settled nodes for 10 virtual minutes, with all checks.
func BenchmarkThousand(b *testing.B) {
	benchmark(b, 10*time.Minute, Config{N: 1000, Seed: 1})
}

// BenchmarkThousandFaults is the same with crashes, loss and slow nodes.
func BenchmarkThousandFaults(b *testing.B) {
	benchmark(b, 10*time.Minute, Config{N: 1000, Seed: 1, Faults: []Fault{
		{Kind: Crash, At: time.Minute, Nodes: []int{10, 20, 30}},
		{Kind: Loss, At: 2 * time.Minute, For: time.Minute, Rate: 0.1},
		{Kind: Slow, At: 4 * time.Minute, For: time.Minute, Nodes: []int{40, 50, 60, 70}, Delay: 300 * time.Millisecond},
	}})
}

// BenchmarkThousandJoin lets 1,000 nodes join through one within 10 seconds.
func BenchmarkThousandJoin(b *testing.B) {
	benchmark(b, 2*time.Minute, Config{N: 1000, Seed: 1, Start: Joining, JoinEvery: 10 * time.Millisecond})
}

// BenchmarkFiveThousand runs 5,000 settled nodes that know each other for a virtual minute. It takes 6 GB.
func BenchmarkFiveThousand(b *testing.B) {
	benchmark(b, time.Minute, Config{N: 5000, Seed: 1, Unchecked: true})
}

// BenchmarkTenThousand runs 10,000 nodes for a virtual minute. Each knows 1,000 of them: were it all, their tables would
// take some 27 GB.
func BenchmarkTenThousand(b *testing.B) {
	core := LAN()
	core.PushPullInterval = 0 // it would make all known to all
	benchmark(b, time.Minute, Config{N: 10000, View: 1000, Seed: 1, Core: core, Unchecked: true})
}

func benchmark(b *testing.B, d time.Duration, cfg Config) {
	var events uint64
	for b.Loop() {
		s := New(cfg)
		if err := s.RunUntil(d); err != nil {
			b.Fatal(err)
		}
		events += s.Result().Events
		b.ReportMetric(float64(s.Result().Total().PacketsOut)/float64(cfg.N)/d.Seconds(), "packets/node/s")
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
