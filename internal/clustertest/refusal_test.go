package clustertest

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
)

// refusingTransport is a program's Transport, whose dials fail with the error of its own where a host refuses them.
type refusingTransport struct {
	*simTransport
	refused error
}

func (r *refusingTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	conn, err := r.simTransport.DialTimeout(addr, timeout)
	if errors.Is(err, simnet.ErrRefused) {
		err = r.refused
	}
	return conn, err
}

// judgingTransport is one that says which errors are refusals.
type judgingTransport struct {
	refusingTransport
	counts bool
}

func (j *judgingTransport) IsRefused(err error) bool { return j.counts && errors.Is(err, j.refused) }

// TestRefusals: a member that has ended is found before a suspicion ends if dials of it fail with an error that wraps ECONNREFUSED, or that
// the transport says to be a refusal. Where the transport says that it is none, or the configuration wants none, it takes as long as ever.
func TestRefusals(t *testing.T) {
	const n, suspicion = 6, 12 * time.Second
	wrapped, own := fmt.Errorf("dial by a program: %w", syscall.ECONNREFUSED), errors.New("nobody there")
	plain := func(err error) func(*simTransport) memberlist.Transport {
		return func(s *simTransport) memberlist.Transport { return &refusingTransport{s, err} }
	}
	judging := func(err error, counts bool) func(*simTransport) memberlist.Transport {
		return func(s *simTransport) memberlist.Transport {
			return &judgingTransport{refusingTransport{s, err}, counts}
		}
	}
	for _, tt := range []struct {
		name      string
		transport func(*simTransport) memberlist.Transport
		change    func(*memberlist.Config)
		early     bool
	}{
		{"ECONNREFUSED", plain(wrapped), nil, true},
		{"another error", plain(own), nil, false},
		{"another error, which is a refusal", judging(own, true), nil, true},
		{"ECONNREFUSED, which is none", judging(wrapped, false), nil, false},
		{"DisableExtensions", plain(wrapped), func(c *memberlist.Config) { c.DisableExtensions = true }, false},
		{"DisableTcpPings", plain(wrapped), func(c *memberlist.Config) { c.DisableTcpPings = true }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(n, func(config *memberlist.Config) {
					config.SuspicionMult = 12
					config.Transport = tt.transport(config.Transport.(*simTransport))
					if tt.change != nil {
						tt.change(config)
					}
				})
				defer c.stop()
				c.await(time.Minute, func() bool { return c.agree(n) })
				time.Sleep(time.Minute)
				c.members[n-1].Shutdown()
				took := c.await(time.Minute, func() bool { return c.agree(n-1, n-1) })
				if early := took < suspicion; early != tt.early {
					t.Errorf("its end is known after %v, where a suspicion lasts for %v", took, suspicion)
				}
			})
		})
	}
}
