package tcptransport

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// inUse returns the memory of the heap and of stacks that is in use, in bytes.
func inUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc + s.StackInuse)
}

// BenchmarkConnectionMemory reports the memory of an idle connection for packets, both ends together, and of an accepted connection that says
// nothing. The kernel's is not included.
func BenchmarkConnectionMemory(b *testing.B) {
	ca := newAuthority(b)
	for _, bb := range []struct {
		name   string
		config Config
	}{{"plain", Config{}}, {"TLS", Config{TLS: ca.tls("a")}}} {
		b.Run("packets/"+bb.name, func(b *testing.B) {
			const n = 100
			from := start(b, bb.config)
			var peers []*Transport
			for range n {
				peers = append(peers, start(b, bb.config))
			}
			before := inUse()
			for b.Loop() {
				for _, to := range peers {
					send(b, from, to, "x")
				}
			}
			b.ReportMetric(float64(inUse()-before)/n, "B/connection")
		})
		b.Run("silent/"+bb.name, func(b *testing.B) {
			config := bb.config
			config.DialTimeout = time.Hour
			tr := start(b, config)
			var conns []net.Conn
			before := inUse()
			for len(conns) < maxPending {
				conn, err := net.Dial("tcp", tr.addr())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				conns = append(conns, conn)
			}
			await(b, "all are accepted", func() bool { return tr.Stats().Pending == maxPending })
			for b.Loop() {
				runtime.Gosched()
			}
			b.ReportMetric(float64(inUse()-before)/maxPending, "B/connection")
		})
	}
}
