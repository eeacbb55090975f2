//go:build unix

package memberlist

import (
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRecorderPings measures what recorders of both members cost of a Ping between them over sockets of the loopback interface: the
// pings without and with them take turns, and of the CPU times of each there is the lower decile. All others have more work of other
// programs in them, which share caches and cores.
func BenchmarkRecorderPings(b *testing.B) {
	const rounds, pings = 300, 100
	plain, recorded := loopbackPing(b, nil), loopbackPing(b, new(RecorderOptions))
	var without, with []float64
	for b.Loop() {
		for range rounds {
			without, with = append(without, cpuOf(pings, plain)), append(with, cpuOf(pings, recorded))
		}
	}
	off, on := lowerDecile(without), lowerDecile(with)
	b.ReportMetric(off, "plain-ns")
	b.ReportMetric(on, "recorded-ns")
	b.ReportMetric(100*(on/off-1), "%more")
}

// loopbackPing returns a function by which one of two members pings the other.
func loopbackPing(b *testing.B, o *RecorderOptions) func() {
	var two []*Memberlist
	for _, name := range []string{"a", "b"} {
		c := DefaultLANConfig()
		c.Name, c.BindAddr, c.BindPort, c.LogOutput, c.Recorder = name, "127.0.0.1", 0, io.Discard, o
		c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0
		m, err := Create(c)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Shutdown() })
		two = append(two, m)
	}
	if _, err := two[0].Join([]string{two[1].LocalNode().Address()}); err != nil {
		b.Fatal(err)
	}
	to := two[1].LocalNode().FullAddress()
	addr, err := net.ResolveUDPAddr("udp", to.Addr)
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if _, err := two[0].Ping("b", addr); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuOf returns the CPU time of this process for one of n calls, in nanoseconds.
func cpuOf(n int, f func()) float64 {
	before := cpuTime()
	for range n {
		f()
	}
	return float64(cpuTime()-before) / float64(n)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func lowerDecile(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/10]
}
