package tcptransport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
)

// simCluster is members over transports on a network in memory, with names in certificates or in plain text.
type simCluster struct {
	t       *testing.T
	network *simnet.Network
	ca      *authority // nil: plain text
	members []*memberlist.Memberlist
	leaves  *leaves
	flows   atomic.Int64 // number of times that the network has forgotten all connections

	refused       func(error) bool // Config.IsRefused
	suspicionMult int              // 0: the default
}

// flow is a connection that the network can forget, as a firewall does with idle ones: what is written is then lost without an error.
type flow struct {
	net.Conn
	c     *simCluster
	flows int64
}

func (f flow) Write(b []byte) (int, error) {
	if f.flows != f.c.flows.Load() {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

// leaves counts the members that were declared dead, at all members.
type leaves struct {
	mu     sync.Mutex
	byName map[string]int
}

func (l *leaves) NotifyJoin(*memberlist.Node)   {}
func (l *leaves) NotifyUpdate(*memberlist.Node) {}
func (l *leaves) NotifyLeave(n *memberlist.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byName[n.Name]++
}

func (l *leaves) of(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byName[name]
}

// create creates member i.
func (c *simCluster) create(i int) *memberlist.Memberlist {
	c.t.Helper()
	name := fmt.Sprint("m", i)
	tc := Config{Name: name, IsRefused: c.refused}
	if c.ca != nil {
		tc.TLS, tc.VerifyPeer = c.ca.tls(name), NameInCertificate
	}
	tc = onSim(c.network, i, tc)
	dial := tc.Dial
	tc.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return flow{conn, c, c.flows.Load()}, nil
	}
	config := memberlist.DefaultLANConfig()
	config.Name, config.LogOutput, config.Events = name, io.Discard, c.leaves
	config.SuspicionMult = cmp.Or(c.suspicionMult, config.SuspicionMult)
	config.Transport = start(c.t, tc)
	m, err := memberlist.Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	if i > 0 {
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			c.t.Fatal(err)
		}
	}
	return m
}

// agree waits until all members but those excepted count n, and returns how long that took.
func (c *simCluster) agree(within time.Duration, n int, except ...int) time.Duration {
	c.t.Helper()
	began := time.Now()
	for {
		agree := true
		for i, m := range c.members {
			for _, e := range except {
				if i == e {
					m = nil
				}
			}
			agree = agree && (m == nil || m.NumMembers() == n)
		}
		if agree {
			return time.Since(began)
		}
		if time.Since(began) > within {
			c.t.Fatalf("not all count %d after %v", n, within)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// onCluster runs a test with a cluster of n members, in plain text and with names in certificates.
func onCluster(t *testing.T, n int, test func(t *testing.T, c *simCluster)) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &simCluster{t: t, network: simnet.New(1), leaves: &leaves{byName: make(map[string]int)}}
				c.network.SetDefault(simnet.Link{Latency: time.Millisecond, Jitter: time.Millisecond})
				if secure {
					c.ca = newAuthority(t)
				}
				for i := range n {
					c.members = append(c.members, c.create(i))
				}
				c.agree(time.Minute, n)
				test(t, c)
				for _, m := range c.members {
					m.Shutdown()
				}
				c.network.Close()
			})
		})
	}
}

// TestClusterOverStreams: a crash, a restart at the same address, a stopped process and a cut are noticed as over UDP, and no member that is
// well is declared dead.
func TestClusterOverStreams(t *testing.T) {
	const n = 8
	onCluster(t, n, func(t *testing.T, c *simCluster) {
		c.members[n-1].Shutdown()
		took := c.agree(30*time.Second, n-1, n-1)
		t.Logf("a crash is noticed by all after %v", took)
		c.members[n-1] = c.create(n - 1)
		c.agree(10*time.Second, n)

		before := c.leaves.of("m6")
		c.members[6].Shutdown() // and at once
		c.members[6] = c.create(6)
		c.agree(10*time.Second, n)
		time.Sleep(5 * time.Minute)
		if got := c.leaves.of("m6") - before; got != 0 {
			t.Errorf("a member that was restarted at once was declared dead by %d members", got)
		}

		c.network.Pause(simAddr(5)) // its connections stay open
		took = c.agree(time.Minute, n-1, 5)
		t.Logf("a stopped process is noticed by all after %v", took)
		c.network.Resume(simAddr(5))
		c.agree(5*time.Minute, n)

		c.network.Down(simAddr(4)) // without a reset
		took = c.agree(time.Minute, n-1, 4)
		t.Logf("a cut is noticed by all after %v", took)
		c.network.Up(simAddr(4))
		c.agree(10*time.Minute, n)

		for i := range 4 {
			if got := c.leaves.of(fmt.Sprint("m", i)); got > 1 { // m4 may have missed all while it was cut off
				t.Errorf("m%d was declared dead by %d members", i, got)
			}
		}
	})
}

// TestHalfOpenConnections: connections that the network has forgotten, without a reset and without an error of writing, are found by the pings
// that are not answered, and made anew before a member is declared dead. That is so on every system: there is no TCP_USER_TIMEOUT here.
func TestHalfOpenConnections(t *testing.T) {
	for _, n := range []int{2, 8} {
		onCluster(t, n, func(t *testing.T, c *simCluster) {
			for range 10 {
				time.Sleep(time.Minute)
				c.flows.Add(1)
			}
			time.Sleep(time.Minute)
			for i, m := range c.members {
				if s := m.Stats(); s.Dead != 0 || m.NumMembers() != n {
					t.Errorf("of %d members, m%d declared %d dead, and has %d", n, i, s.Dead, m.NumMembers())
				}
			}
		})
	}
}

// TestLossyNetworkDoesNotMatter: what loses packets costs streams time only, so that no member is ever suspected.
func TestLossyNetworkDoesNotMatter(t *testing.T) {
	onCluster(t, 5, func(t *testing.T, c *simCluster) {
		c.network.SetDefault(simnet.Link{Latency: 20 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.5, PacketsDown: true})
		time.Sleep(30 * time.Minute)
		for i := range 5 {
			if got := c.members[i].Stats().Suspected; got != 0 {
				t.Errorf("m%d suspected %d times", i, got)
			}
		}
		c.agree(0, 5)
	})
}

// TestRefusals: a member whose host refuses connections is found before a suspicion ends, which lasts for 12 s, and one whose process is
// stopped, or whose host is gone, is not. With a Dial of the program's, refusals count only if it says which errors they are.
func TestRefusals(t *testing.T) {
	const n, suspicion = 8, 12 * time.Second
	for _, tt := range []struct {
		name    string
		refused func(error) bool
		fault   func(c *simCluster)
		early   bool
	}{
		{"ended", isSimRefused, func(c *simCluster) { c.members[n-1].Shutdown() }, true},
		{"ended, Dial alone", nil, func(c *simCluster) { c.members[n-1].Shutdown() }, false},
		{"stopped", isSimRefused, func(c *simCluster) { c.network.Pause(simAddr(n - 1)) }, false},
		{"cut off", isSimRefused, func(c *simCluster) { c.network.Down(simAddr(n - 1)) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &simCluster{t: t, network: simnet.New(1), leaves: &leaves{byName: make(map[string]int)}, refused: tt.refused, suspicionMult: 12}
				c.network.SetDefault(simnet.Link{Latency: time.Millisecond, Jitter: time.Millisecond})
				for i := range n {
					c.members = append(c.members, c.create(i))
				}
				c.agree(time.Minute, n)
				time.Sleep(time.Minute)
				tt.fault(c)
				took := c.agree(time.Minute, n-1, n-1)
				t.Logf("known after %v", took)
				if early := took < suspicion; early != tt.early {
					t.Errorf("known after %v, where a suspicion lasts for %v", took, suspicion)
				}
				c.network.Up(simAddr(n - 1))
				c.network.Resume(simAddr(n - 1))
				for _, m := range c.members {
					m.Shutdown()
				}
				c.network.Close()
			})
		})
	}
}

func isSimRefused(err error) bool { return errors.Is(err, simnet.ErrRefused) }
