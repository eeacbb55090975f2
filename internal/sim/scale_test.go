package sim

import (
	"flag"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
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

// BenchmarkFiveThousand runs 5,000 settled nodes that know each other for a virtual minute. It takes 5 GB.
func BenchmarkFiveThousand(b *testing.B) {
	benchmark(b, time.Minute, Config{N: 5000, Seed: 1, Unchecked: true})
}

var largeFlag = flag.Bool("large", false, "run TestTenThousand: 17 GB, and three minutes of a core or more")

// TestTenThousand runs 10,000 nodes that all know each other. One crashes: all others detect that within the bounds
// of the formulas. It runs without the checker, whose tables would need too much memory.
func TestTenThousand(t *testing.T) {
	if !*largeFlag {
		t.Skip("only with -large")
	}
	// Nearly all that is allocated stays in use: collections would free little.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(17 << 30))

	const n, victim, at = 10_000, 4321, 5 * time.Second
	known, first, last := 0, time.Duration(0), time.Duration(0)
	began := time.Now()
	s := New(Config{N: n, Seed: 1, Unchecked: true, Faults: []Fault{{Kind: Crash, At: at, Nodes: []int{victim}}},
		Observe: func(b Belief) {
			if b.Member == victim && b.State == swim.StateDead {
				if known++; known == 1 {
					first = b.At - at
				}
				last = b.At - at
			}
		}})
	t.Logf("made in %v", time.Since(began).Round(time.Second))
	began = time.Now()
	most := probeTime(LAN()) + longestSuspicion(LAN(), n) + 2*gossipTime(LAN(), n)
	for s.Now() < at+most && known < n-1 {
		if err := s.RunUntil(s.Now() + time.Second); err != nil {
			t.Fatal(err)
		}
	}
	r := s.Result()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%v simulated in %v: %d events, %.2f packets a node and second; %.1f GB from the system", s.Now(),
		time.Since(began).Round(time.Second), r.Events, float64(r.Total().PacketsOut)/n/s.Now().Seconds(), float64(m.Sys)/1e9)
	t.Logf("the crash was known to one after %v, to all after %v", first, last)
	if least := shortestSuspicion(LAN(), n); known != n-1 || first < least {
		t.Errorf("%d know after %v, the first after %v; want %d, and no less than %v", known, s.Now()-at, first, n-1, least)
	}
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
