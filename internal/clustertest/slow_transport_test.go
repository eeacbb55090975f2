package clustertest

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// tardyTransport waits for a time before it loses a packet to one address, as a transport does that opens a connection for
// each packet.
type tardyTransport struct {
	*simTransport
	slow    *atomic.Pointer[string]
	takes   time.Duration // 0: until Shutdown
	writing atomic.Int32
	most    atomic.Int32
}

func (s *tardyTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	if slow := s.slow.Load(); slow == nil || *slow != addr {
		return s.simTransport.WriteTo(b, addr)
	}
	s.most.Store(max(s.most.Load(), s.writing.Add(1)))
	defer s.writing.Add(-1)
	if s.takes == 0 {
		<-s.ctx.Done()
		return time.Time{}, errors.New("shut down")
	}
	time.Sleep(s.takes)
	return time.Now(), nil
}

// TestSlowTransport: a transport that waits for a member that is gone delays no packet of another member: the first is
// declared dead, no other is suspected, and the number of goroutines is bounded.
func TestSlowTransport(t *testing.T) {
	for _, takes := range []time.Duration{2 * time.Second, 5 * time.Second, 0} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var slow atomic.Pointer[string]
				var transports []*tardyTransport
				c := newSimCluster(t).grow(6, func(config *memberlist.Config) {
					s := &tardyTransport{simTransport: config.Transport.(*simTransport), slow: &slow, takes: takes}
					config.Transport = s
					transports = append(transports, s)
				})
				defer c.stop()
				c.await(settles, func() bool { return c.agree(6) })
				gone := simAddr(5).String()
				slow.Store(&gone)
				c.members[5].Shutdown()
				c.await(30*time.Second, func() bool { return c.agree(5, 5) })
				time.Sleep(5 * time.Minute)
				for i := range 5 {
					for k := range 5 {
						if c.events[i].count("leave "+c.members[k].LocalNode().Name) > 0 {
							t.Errorf("member %d lost member %d", i, k)
						}
					}
					if most := transports[i].most.Load(); most > 256 {
						t.Errorf("member %d wrote %d packets at a time, the limit is %d", i, most, 256)
					}
				}
			})
		})
	}
}
