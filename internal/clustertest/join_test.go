package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// joinsAtOnce is the number of seeds that one join resolves, and of addresses that it contacts, at the same time.
const joinsAtOnce = 8

// joinCluster returns a cluster of n members, and its last member, which has not joined. Nothing answers at the addresses
// from 50 on.
func joinCluster(t *testing.T, n int, change func(*memberlist.Config)) (*simCluster, *memberlist.Memberlist) {
	t.Helper()
	c := newSimCluster(t).grow(n-1, nil)
	c.await(settles, func() bool { return c.agree(n - 1) })
	for i := 50; i < 100; i++ {
		c.network.Down(simAddr(i))
	}
	return c, c.add(change)
}

func seedsAt(addrs ...int) (seeds []string) {
	for _, i := range addrs {
		seeds = append(seeds, simAddr(i).String())
	}
	return seeds
}

func TestJoinContextTellsWhatCameOfEachSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		c, m := joinCluster(t, 3, func(config *memberlist.Config) {
			config.Resolver = lookupFunc(func(_ context.Context, host string) ([]netip.Addr, error) {
				if host == "both" {
					return []netip.Addr{simAddr(0).Addr(), simAddr(50).Addr()}, nil
				}
				return nil, broken
			})
		})
		defer c.stop()
		at := func(i int) memberlist.Address { return memberlist.Address{Addr: simAddr(i).String()} }
		got, err := m.JoinContext(t.Context(), memberlist.JoinRequest{
			Seeds: []string{"", "x:y:z", "nowhere", "both", simAddr(0).String(), simAddr(2).String(), simAddr(1).String()},
		})
		if err != nil || got.Joined != 2 {
			t.Errorf("joined %d, %v; want 2", got.Joined, err)
		}
		want := []struct {
			seed string
			addr memberlist.Address
			err  error // nil: none
		}{
			{"", memberlist.Address{}, memberlist.ErrInvalidAddress},
			{"x:y:z", memberlist.Address{}, memberlist.ErrInvalidAddress},
			{"nowhere", memberlist.Address{}, broken},
			{"both", at(0), nil},
			{"both", at(50), context.DeadlineExceeded}, // the dial's own
			{at(0).Addr, at(0), nil},
			{at(2).Addr, at(2), memberlist.ErrIsSelf},
			{at(1).Addr, at(1), nil},
		}
		if len(got.Attempts) != len(want) {
			t.Fatalf("got %d attempts, want %d: %v", len(got.Attempts), len(want), got.Attempts)
		}
		for i, w := range want {
			a := got.Attempts[i]
			if a.Seed != w.seed || a.Address != w.addr || !errors.Is(a.Err, w.err) || (w.err == nil) != (a.Err == nil) {
				t.Errorf("attempt %d: got %+v, want %+v", i, a, w)
			}
		}
		if dials := c.transport(len(c.members) - 1).dials.Load(); dials != 3 {
			t.Errorf("%d dials, want one for each address that is not our own", dials)
		}
	})
}

// TestJoinCountsWhatTheReferenceCounts: Join returns the number of strings that led to a member.
func TestJoinCountsWhatTheReferenceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := joinCluster(t, 3, nil)
		defer c.stop()
		if n, err := m.Join(seedsAt(0, 1, 0, 2)); n != 4 || err != nil {
			t.Errorf("joined %d, %v; want 4, one given twice and ourselves included", n, err)
		}
	})
}

func TestJoinContextIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := joinCluster(t, 2, nil)
		defer c.stop()
		var seeds []string
		for i := range 2*joinsAtOnce + 1 {
			seeds = append(seeds, seedsAt(50+i)...)
		}
		start := time.Now()
		got, err := m.JoinContext(t.Context(), memberlist.JoinRequest{Seeds: append(seeds, seedsAt(0)...)})
		if got.Joined != 1 || err != nil {
			t.Errorf("joined %d, %v; want 1", got.Joined, err)
		}
		if took := time.Since(start); took != 3*memberlist.DefaultLANConfig().TCPTimeout {
			t.Errorf("%d silent seeds took %v, want 3 timeouts", len(seeds), took)
		}
	})
}

func TestSeedsAreResolvedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asking, most atomic.Int64
		c, m := joinCluster(t, 2, func(config *memberlist.Config) {
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
				most.Store(max(most.Load(), asking.Add(1)))
				time.Sleep(time.Second)
				asking.Add(-1)
				return []netip.Addr{simAddr(0).Addr()}, nil
			})
		})
		defer c.stop()
		var seeds []string
		for i := range 2 * joinsAtOnce {
			seeds = append(seeds, fmt.Sprintf("host%d", i))
		}
		start := time.Now()
		got, err := m.JoinContext(t.Context(), memberlist.JoinRequest{Seeds: seeds})
		if err != nil || got.Joined != 1 || len(got.Attempts) != len(seeds) {
			t.Errorf("got %+v, %v; want one address for all", got, err)
		}
		if took := time.Since(start).Round(time.Second); took != 2*time.Second || most.Load() != joinsAtOnce {
			t.Errorf("took %v, %d at a time; want 2s, %d", took, most.Load(), joinsAtOnce)
		}
	})
}

// TestMinJoined: a join returns when it has joined MinJoined members, without waiting for others.
func TestMinJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := joinCluster(t, 5, nil)
		defer c.stop()
		start := time.Now()
		got, err := m.JoinContext(t.Context(), memberlist.JoinRequest{Seeds: seedsAt(50, 51, 0, 1), MinJoined: 1})
		if err != nil || got.Joined != 1 {
			t.Errorf("joined %d, %v; want 1", got.Joined, err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		given := 0
		for _, a := range got.Attempts {
			if errors.Is(a.Err, memberlist.ErrJoinSatisfied) {
				given++
			}
		}
		if given != 3 {
			t.Errorf("%d of the attempts were given up, want 3: %v", given, got.Attempts)
		}
		if m.NumMembers() != 5 {
			t.Errorf("knows %d members, want 5", m.NumMembers())
		}
		// Fewer than enough are no failure.
		got, err = m.JoinContext(t.Context(), memberlist.JoinRequest{Seeds: seedsAt(50, 0), MinJoined: 2})
		if err != nil || got.Joined != 1 {
			t.Errorf("joined %d, %v; want 1", got.Joined, err)
		}
	})
}

// stuckTransport is shut down only when its dials have ended.
type stuckTransport struct {
	*simTransport
	late chan net.Conn // the connections that dials return
}

func (s *stuckTransport) DialTimeout(string, time.Duration) (net.Conn, error) { return <-s.late, nil }

// TestContextEndsWhatWaits: every call with a context ends at once when that ends, with the context's error, whatever the
// transport does.
func TestContextEndsWhatWaits(t *testing.T) {
	to := func(i int) *memberlist.Node {
		return &memberlist.Node{Name: "x", Addr: simAddr(i).Addr().AsSlice(), Port: 7946}
	}
	for name, call := range map[string]func(context.Context, *memberlist.Memberlist) error{
		"JoinContext": func(ctx context.Context, m *memberlist.Memberlist) error {
			got, err := m.JoinContext(ctx, memberlist.JoinRequest{Seeds: seedsAt(0, 1)})
			for _, a := range got.Attempts {
				if a.Err == nil || !errors.Is(err, a.Err) {
					t.Errorf("attempt %+v", a)
				}
			}
			return err
		},
		"JoinContext, resolving": func(ctx context.Context, m *memberlist.Memberlist) error {
			_, err := m.JoinContext(ctx, memberlist.JoinRequest{Seeds: []string{"host"}})
			return err
		},
		"SendReliableContext": func(ctx context.Context, m *memberlist.Memberlist) error {
			return m.SendReliableContext(ctx, to(0), nil)
		},
		"PingContext": func(ctx context.Context, m *memberlist.Memberlist) error {
			_, err := m.PingContext(ctx, "x", mustUDP(simAddr(50)))
			return err
		},
		"UpdateNodeContext": func(ctx context.Context, m *memberlist.Memberlist) error {
			err := m.UpdateNodeContext(ctx)
			if !errors.Is(err, memberlist.ErrUpdateTimeout) {
				t.Errorf("error %v, want ErrUpdateTimeout too", err)
			}
			return err
		},
		"LeaveContext": func(ctx context.Context, m *memberlist.Memberlist) error {
			err := m.LeaveContext(ctx)
			if !errors.Is(err, memberlist.ErrLeaveTimeout) || m.LocalNode().State != memberlist.StateLeft {
				t.Errorf("error %v, state %v, want ErrLeaveTimeout too and to have left", err, m.LocalNode().State)
			}
			return err
		},
	} {
		ours := errors.New("ours")
		for kind, tt := range map[string]struct {
			bound func(context.Context) (context.Context, func())
			want  []error
		}{
			"canceled": {func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(100*time.Millisecond, func() { cancel(ours) })
				return ctx, func() { cancel(nil) }
			}, []error{context.Canceled, ours}},
			"deadline": {func(ctx context.Context) (context.Context, func()) {
				return context.WithTimeout(ctx, 100*time.Millisecond)
			}, []error{context.DeadlineExceeded}},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newSimCluster(t).grow(1, nil)
					defer c.stop()
					stuck := &stuckTransport{late: make(chan net.Conn)}
					m := c.add(func(config *memberlist.Config) {
						stuck.simTransport = config.Transport.(*simTransport)
						config.Transport = stuck
						config.GossipInterval, config.ProbeInterval, config.PushPullInterval = time.Hour, time.Hour, 0
						config.Resolver = lookupFunc(func(ctx context.Context, _ string) ([]netip.Addr, error) {
							<-ctx.Done()
							return nil, ctx.Err()
						})
					})
					c.network.Down(simAddr(50))
					if _, err := c.members[0].Join(seedsAt(1)); err != nil {
						t.Fatal(err)
					}
					ctx, cancel := tt.bound(t.Context())
					defer cancel()
					start := time.Now()
					err := call(ctx, m)
					for _, want := range tt.want {
						if !errors.Is(err, want) {
							t.Errorf("error %v, want %v", err, want)
						}
					}
					if took := time.Since(start); took != 100*time.Millisecond {
						t.Errorf("took %v", took)
					}
					// The connection of an abandoned dial is closed.
					if name != "JoinContext" && name != "SendReliableContext" {
						return
					}
					conn := &countingConn{}
					stuck.late <- conn
					synctest.Wait()
					if conn.closed.Load() == 0 {
						t.Error("a stream that came too late was not closed")
					}
				})
			})
		}
	}
}

// countingConn counts how often it is closed.
type countingConn struct {
	net.Conn
	closed atomic.Int64
}

func (c *countingConn) Close() error { c.closed.Add(1); return nil }

// TestEndedContext: with a context that has ended, nothing but Leave begins.
func TestEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, func(config *memberlist.Config) {
			config.Delegate = &testDelegate{}
			config.GossipInterval, config.ProbeInterval, config.PushPullInterval = time.Hour, time.Hour, 0
		})
		defer c.stop()
		m, transport := c.members[1], c.transport(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dials, updates := transport.dials.Load(), c.events[1].list()
		c.configs[1].Delegate.(*testDelegate).set([]byte("new"))
		_, joinErr := m.JoinContext(ctx, memberlist.JoinRequest{Seeds: seedsAt(0)})
		_, pingErr := m.PingContext(ctx, "m0", mustUDP(simAddr(0)))
		for name, err := range map[string]error{
			"join": joinErr, "ping": pingErr,
			"send":   m.SendReliableContext(ctx, m.LocalNode(), nil),
			"update": m.UpdateNodeContext(ctx),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if transport.dials.Load() != dials || !slices.Equal(c.events[1].list(), updates) {
			t.Error("something was begun")
		}
		if err := m.LeaveContext(ctx); !errors.Is(err, context.Canceled) || m.LocalNode().State != memberlist.StateLeft {
			t.Errorf("leave: error %v, state %v", err, m.LocalNode().State)
		}
	})
}

// TestContextEndsAStream: a call ends with its context also while the peer does not read, or does not answer.
func TestContextEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, func(config *memberlist.Config) { config.EnableCompression = false })
		defer c.stop()
		m, silent := c.members[0], c.outsider(1)
		defer silent.Close()
		to := &memberlist.Node{Name: "x", Addr: simAddr(1).Addr().AsSlice(), Port: 7946}
		for name, call := range map[string]func(context.Context) error{
			"write": func(ctx context.Context) error { return m.SendReliableContext(ctx, to, make([]byte, 1<<20)) },
			"read": func(ctx context.Context) error {
				_, err := m.JoinContext(ctx, memberlist.JoinRequest{Seeds: seedsAt(1)})
				return err
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: error %v", name, err)
			}
			if took := time.Since(start); took != time.Second {
				t.Errorf("%s: took %v", name, took)
			}
			cancel()
		}
	})
}
