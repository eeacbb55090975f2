package clustertest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/goroutines"
)

// TestUnspecifiedAddressIsNotAdvertised: Create and SetAdvertiseAddr refuse an address that stands for all interfaces, from
// wherever it comes, and name the field.
func TestUnspecifiedAddressIsNotAdvertised(t *testing.T) {
	check := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, memberlist.ErrInvalidAddress) || !strings.Contains(err.Error(), "AdvertiseAddr") {
			t.Errorf("error %v, want ErrInvalidAddress of AdvertiseAddr", err)
		}
	}
	for _, ip := range []net.IP{net.IPv4zero, net.IPv4zero.To4(), net.IPv6unspecified} {
		t.Run(ip.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				config := c.simConfig(0)
				config.Transport = fixedTransport{config.Transport, ip}
				_, err := memberlist.Create(config)
				check(t, err)
			})
		})
	}
	t.Run("configured", func(t *testing.T) {
		leavesNoGoroutine(t)
		for _, addr := range []string{"0.0.0.0", "::", "everywhere"} {
			config := loopbackConfig("m0")
			config.AdvertiseAddr = addr
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.IPv4Unspecified()}, nil
			})
			_, err := memberlist.Create(config)
			check(t, err)
		}
	})
	t.Run("SetAdvertiseAddr", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t).grow(1, nil)
			defer c.stop()
			check(t, c.members[0].SetAdvertiseAddr(t.Context(), "0.0.0.0", 0))
			check(t, c.members[0].SetAdvertiseAddr(t.Context(), "::", 0))
		})
	})
}

// leavesNoGoroutine checks at the end of a test that there are no more goroutines than now.
func leavesNoGoroutine(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() { goroutines.Await(t, before, time.Minute) })
}

// TestNothingIsLeft: after Create and Shutdown of 100 members on real sockets,
// joined or not, no goroutine and no port in use is left.
func TestNothingIsLeft(t *testing.T) {
	leavesNoGoroutine(t)
	var members []*memberlist.Memberlist
	for i := range 100 {
		config := loopbackConfig("m" + string(rune('0'+i/10)) + string(rune('0'+i%10)))
		config.BindAddr = ownLoopback().String()
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && i%10 == 0 {
			if _, err := m.Join([]string{members[0].LocalNode().Address()}); err != nil {
				t.Error(err)
			}
		}
		members = append(members, m)
	}
	var stopped sync.WaitGroup
	for _, m := range members {
		stopped.Go(func() {
			if err := m.Shutdown(); err != nil {
				t.Error(err)
			}
		})
	}
	stopped.Wait()
	for _, m := range members {
		portIsFree(t, int(m.LocalNode().Port))
	}
}

// portIsFree checks that a port of ownLoopback can be listened on for both UDP and
// TCP.
func portIsFree(t *testing.T, port int) {
	t.Helper()
	loopback := ownLoopback()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: loopback, Port: port})
	if err != nil {
		t.Errorf("port is in use: %v", err)
		return
	}
	tcp.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: loopback, Port: port})
	if err != nil {
		t.Errorf("port is in use: %v", err)
		return
	}
	udp.Close()
}

// TestFailedCreateLeavesNothing, whichever step fails.
func TestFailedCreateLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*memberlist.Config)
		want   error
	}{
		{"configuration", func(c *memberlist.Config) { c.ProtocolVersion = 99 }, memberlist.ErrInvalidConfig},
		{"key", func(c *memberlist.Config) { c.SecretKey = []byte("short") }, memberlist.ErrInvalidConfig},
		{"label", func(c *memberlist.Config) { c.Label = strings.Repeat("x", memberlist.LabelMaxSize+1) }, memberlist.ErrInvalidConfig},
		{"bind address", func(c *memberlist.Config) { c.BindAddr = "192.0.2.1" }, os.ErrInvalid},
		{"advertised address", func(c *memberlist.Config) { c.AdvertiseAddr = "not an address"; c.AdvertisePort = 1 }, memberlist.ErrInvalidConfig},
		{"not allowed", func(c *memberlist.Config) { c.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/8"}) }, memberlist.ErrAddressNotAllowed},
		{"metadata", func(c *memberlist.Config) { c.Delegate = &testDelegate{meta: make([]byte, 513)} }, memberlist.ErrMetaTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leavesNoGoroutine(t)
			// A port that is free now, so that we can see whether it is after.
			l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ownLoopback()})
			if err != nil {
				t.Fatal(err)
			}
			port := l.Addr().(*net.TCPAddr).Port
			l.Close()
			config := loopbackConfig("m0")
			config.BindAddr, config.BindPort = ownLoopback().String(), port
			tt.change(config)
			m, err := memberlist.Create(config)
			if m != nil || err == nil {
				t.Fatalf("Create gives %v, %v", m, err)
			}
			if tt.want != os.ErrInvalid && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			portIsFree(t, port)
		})
	}
	t.Run("port in use", func(t *testing.T) {
		leavesNoGoroutine(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		config := loopbackConfig("m0")
		config.BindPort = l.Addr().(*net.TCPAddr).Port
		if _, err := memberlist.Create(config); err == nil {
			t.Error("created on a port in use")
		}
	})
}

// TestAfterShutdown: every method that needs the network or would change something fails at once with ErrShutdown; members
// can still be read.
func TestAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		c.await(settles, func() bool { return c.agree(2) })
		m := c.members[1]
		self, other := m.LocalNode(), infoOf(t, m, "m0")
		sub := m.Subscribe(1)
		checksum := m.ViewChecksum()
		c.stop()
		addr, to := net.UDPAddrFromAddrPort(simAddr(0)), memberlist.Address{Addr: simAddr(0).String(), Name: "m0"}
		peer := &memberlist.Node{Name: "m0", Addr: simAddr(0).Addr().AsSlice(), Port: simAddr(0).Port()}
		ctx := t.Context()
		start := time.Now()
		_, joinErr := m.Join([]string{simAddr(0).String()})
		_, joinContextErr := m.JoinContext(ctx, memberlist.JoinRequest{Seeds: seedsAt(0)})
		_, pingErr := m.Ping("m0", addr)
		_, pingContextErr := m.PingContext(ctx, "m0", addr)
		for name, err := range map[string]error{
			"Join": joinErr, "JoinContext": joinContextErr, "Ping": pingErr, "PingContext": pingContextErr,
			"Leave": m.Leave(time.Second), "LeaveContext": m.LeaveContext(ctx),
			"UpdateNode": m.UpdateNode(time.Second), "UpdateNodeContext": m.UpdateNodeContext(ctx),
			"SetAdvertiseAddr": m.SetAdvertiseAddr(ctx, "10.0.0.9", 7946),
			"SendReliable":     m.SendReliable(peer, nil), "SendReliableContext": m.SendReliableContext(ctx, peer, nil),
			"SendBestEffort": m.SendBestEffort(peer, nil), "SendToAddress": m.SendToAddress(to, nil),
			"SendTo": m.SendTo(addr, nil), "SendToTCP": m.SendToTCP(peer, nil), "SendToUDP": m.SendToUDP(peer, nil),
			"ForceLeave": m.ForceLeave(ctx, "m0"), "ForceLeaveAlive": m.ForceLeaveAlive(ctx, "m0"),
			"WaitConverged": m.WaitConverged(ctx),
		} {
			if !errors.Is(err, memberlist.ErrShutdown) {
				t.Errorf("%s: error %v, want ErrShutdown", name, err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the methods took %v", took)
		}
		if err := m.Shutdown(); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if len(m.Members()) != 2 || m.NumMembers() != 2 || m.LocalNode().Name != self.Name || m.ViewChecksum() != checksum {
			t.Error("what was known cannot be read any more")
		}
		if info, ok := m.Member("m0"); !ok || info.Name != other.Name || info.State != other.State {
			t.Errorf("m0 is known as %+v", info)
		}
		for range sub.Events() { // the bubble fails if it is not closed
		}
	})
}

// TestShutdownAborts: whatever waits, for a dial, a reply, an ack or a
// broadcast, ends with Shutdown.
func TestShutdownAborts(t *testing.T) {
	for name, call := range map[string]func(*memberlist.Memberlist) error{
		"Join": func(m *memberlist.Memberlist) error {
			_, err := m.Join([]string{simAddr(0).String(), simAddr(0).String()})
			return err
		},
		"SendReliable": func(m *memberlist.Memberlist) error {
			return m.SendReliable(&memberlist.Node{Name: "m0", Addr: simAddr(0).Addr().AsSlice(), Port: 7946}, []byte("x"))
		},
		"Ping": func(m *memberlist.Memberlist) error {
			_, err := m.Ping("m0", net.UDPAddrFromAddrPort(simAddr(0)))
			return err
		},
		"JoinContext": func(m *memberlist.Memberlist) error {
			_, err := m.JoinContext(context.Background(), memberlist.JoinRequest{Seeds: seedsAt(0)})
			return err
		},
		"Leave":      func(m *memberlist.Memberlist) error { return m.Leave(0) },
		"UpdateNode": func(m *memberlist.Memberlist) error { return m.UpdateNode(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(1, nil)
				defer c.stop()
				m := c.add(func(config *memberlist.Config) { config.GossipInterval, config.ProbeInterval = time.Hour, time.Hour })
				if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
					t.Fatal(err)
				}
				c.network.Down(simAddr(0))
				start := time.Now()
				done := make(chan error)
				go func() { done <- call(m) }()
				time.Sleep(100 * time.Millisecond)
				go m.Shutdown()
				if err := <-done; !errors.Is(err, memberlist.ErrShutdown) {
					t.Errorf("error %v, want ErrShutdown", err)
				}
				if took := time.Since(start); took != 100*time.Millisecond {
					t.Errorf("took %v, want it to end with Shutdown", took)
				}
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { config.GossipInterval, config.ProbeInterval = time.Hour, time.Hour })
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if err := m.UpdateNode(time.Second); !errors.Is(err, memberlist.ErrUpdateTimeout) {
			t.Errorf("UpdateNode: %v, want ErrUpdateTimeout", err)
		}
		c.network.Down(simAddr(0))
		start := time.Now()
		_, err := m.Ping("m0", net.UDPAddrFromAddrPort(simAddr(0)))
		var none memberlist.NoPingResponseError
		if !errors.As(err, &none) || time.Since(start) != 500*time.Millisecond {
			t.Errorf("Ping: %v after %v, want no response after 500 ms", err, time.Since(start))
		}
		start = time.Now()
		if _, err := m.Join([]string{simAddr(0).String()}); err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("Join: %v after %v, want a failure after 10 s", err, time.Since(start))
		}
		if err := m.Leave(time.Second); !errors.Is(err, memberlist.ErrLeaveTimeout) {
			t.Errorf("Leave: %v, want ErrLeaveTimeout", err)
		}
	})
}

// TestPing: it returns the round trip; and it fails with the name of the member, after ProbeTimeout, if no member or one of
// another name is there.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		rtt, err := c.members[0].Ping("m1", net.UDPAddrFromAddrPort(simAddr(1)))
		if err != nil || rtt != 2*time.Millisecond {
			t.Errorf("ping took %v, %v; want 2 ms", rtt, err)
		}
		for name, at := range map[string]int{"another": 1, "nobody": 50} {
			start := time.Now()
			_, err := c.members[0].Ping(name, net.UDPAddrFromAddrPort(simAddr(at)))
			var none memberlist.NoPingResponseError
			if !errors.As(err, &none) || !strings.Contains(none.Error(), name) {
				t.Errorf("ping of %s: error %v, want a NoPingResponseError with its name", name, err)
			}
			if took, want := time.Since(start), c.configs[0].ProbeTimeout; took != want {
				t.Errorf("ping of %s took %v, want %v", name, took, want)
			}
		}
	})
}

// TestJoinManySeeds: seeds are contacted at the same time, and how many
// answered is told.
func TestJoinManySeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		m := c.add(nil)
		c.network.Down(simAddr(50)) // silent
		seeds := []string{simAddr(0).String(), simAddr(1).String(), simAddr(2).String()}
		for range 7 {
			seeds = append(seeds, simAddr(50).String())
		}
		start := time.Now()
		n, err := m.Join(append(seeds, "no port at all:x"))
		if n != 3 || err != nil {
			t.Errorf("joined %d, %v; want 3", n, err)
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("took %v; silent seeds are waited for one after the other", took)
		}
		if _, err := m.Join([]string{"", "x:y:z"}); err == nil {
			t.Error("no error for seeds that are no addresses")
		}
		if n, err := m.Join(nil); n != 0 || err != nil {
			t.Errorf("joining nobody: %d, %v", n, err)
		}
	})
}

func TestRequireNodeNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { config.RequireNodeNames = true })
		if _, err := m.Join([]string{simAddr(0).String()}); !errors.Is(err, memberlist.ErrNodeNameRequired) {
			t.Errorf("Join without a name: %v", err)
		}
		if _, err := m.Join([]string{"m0/" + simAddr(0).String()}); err != nil {
			t.Errorf("Join with a name: %v", err)
		}
		if err := m.SendTo(net.UDPAddrFromAddrPort(simAddr(0)), nil); !errors.Is(err, memberlist.ErrNodeNameRequired) {
			t.Errorf("SendTo: %v", err)
		}
	})
}

// TestJoinAfterLeave: a member that left and joins again is a member again, for itself and for the others, though it is the
// same process. A join that reaches no member changes nothing.
func TestJoinAfterLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		m := c.members[2]
		if err := m.Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return c.agree(2, 2) })
		if n, err := m.Join([]string{simAddr(50).String()}); n != 0 || err == nil || m.LocalNode().State != memberlist.StateLeft {
			t.Errorf("joined %d, %v; it is %v", n, err, m.LocalNode().State)
		}
		time.Sleep(time.Minute)
		if n, err := m.Join([]string{simAddr(0).String()}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		c.await(settles, func() bool { return c.agree(3) })
		time.Sleep(time.Minute)
		if !c.agree(3) || c.events[2].count("join m2") != 2 || c.events[0].count("join m2") != 2 {
			t.Errorf("it heard %v, another %v", c.events[2].list(), c.events[0].list())
		}
	})
}

// TestNewsWithoutLoops: with exchanges of states alone, and without them, an update and a leave end at once, and are known.
func TestNewsWithoutLoops(t *testing.T) {
	for _, exchanges := range []time.Duration{0, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := &testDelegate{}
			c := newSimCluster(t).grow(3, func(config *memberlist.Config) {
				config.ProbeInterval, config.GossipInterval, config.PushPullInterval = 0, 0, exchanges
				config.Delegate = d
			})
			defer c.stop()
			for _, m := range c.members { // each knows each: there is no gossip
				if _, err := m.Join(seedsAt(0, 1, 2)); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			d.set([]byte("new"))
			if err := c.members[0].UpdateNode(0); err != nil {
				t.Error(err)
			}
			if err := c.members[2].Leave(0); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %v", took)
			}
			c.await(time.Second, func() bool {
				return c.members[0].NumMembers() == 2 && c.members[1].NumMembers() == 2 &&
					string(infoOf(t, c.members[1], "m0").Meta) == "new"
			})
		})
	}
}

// fixedTransport advertises a fixed address.
type fixedTransport struct {
	memberlist.Transport
	ip net.IP
}

func (f fixedTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return f.ip, 7946, nil }
