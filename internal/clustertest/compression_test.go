package clustertest

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// algorithmLog is a transport that counts the compressed packets that are written, by receiver and algorithm.
type algorithmLog struct {
	*simTransport
	mu   sync.Mutex
	sent map[string]int
}

func (l *algorithmLog) WriteTo(b []byte, addr string) (time.Time, error) {
	if i := bytes.Index(b, []byte("\xa4Algo")); i >= 0 {
		l.mu.Lock()
		l.sent[fmt.Sprintf("%d to %s", b[i+5], addr)]++
		l.mu.Unlock()
	}
	return l.simTransport.WriteTo(b, addr)
}

// TestSnappyOnlyForReaders: Snappy is used for a member that is known to read it, and never for another, as one of the reference.
func TestSnappyOnlyForReaders(t *testing.T) {
	for _, algorithm := range []memberlist.CompressionAlgorithm{
		"", memberlist.CompressionAlgorithmLZW, memberlist.CompressionAlgorithmSnappy,
	} {
		t.Run("algorithm="+string(algorithm), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				log := &algorithmLog{sent: make(map[string]int)}
				broadcasts := broadcaster(func(int, int) [][]byte { return [][]byte{bytes.Repeat([]byte("news "), 100)} })
				c.add(func(config *memberlist.Config) {
					log.simTransport = config.Transport.(*simTransport)
					config.Transport, config.Delegate, config.CompressionAlgorithm = log, broadcasts, algorithm
				})
				c.grow(1, nil)
				c.grow(1, func(config *memberlist.Config) { config.DisableExtensions = true })
				for _, m := range c.members[1:] {
					if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				log.mu.Lock()
				defer log.mu.Unlock()
				count := func(compression int, to netip.AddrPort) int {
					return log.sent[fmt.Sprintf("%d to %s", compression, to)]
				}
				if got := count(1, simAddr(2)); got > 0 || count(0, simAddr(2)) == 0 {
					t.Errorf("%d packets with Snappy to a member that is not known to read it; all: %v", got, log.sent)
				}
				if got := count(1, simAddr(1)); got > 0 != (algorithm == memberlist.CompressionAlgorithmSnappy) {
					t.Errorf("%d packets with Snappy to a member that reads it; all: %v", got, log.sent)
				}
				if !c.agree(3) {
					t.Error("not one cluster")
				}
			})
		})
	}
}
