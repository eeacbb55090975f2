package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// addrs lists the addresses of members from up to below to.
func addrs(from, to int) []netip.AddrPort {
	var list []netip.AddrPort
	for i := from; i < to; i++ {
		list = append(list, simAddr(i))
	}
	return list
}

// dials returns the number of streams that member i has opened.
func (c *simCluster) dials(i int) int64 {
	return c.transport(i).dials.Load()
}

// TestReconnect: the two sides of a partition that lasts until they have forgotten each other are one cluster again within
// a minute of its end.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(10, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(10) })
		c.network.Partition(addrs(0, 5), addrs(5, 10))
		time.Sleep(10 * time.Minute)
		if !c.agree(5) {
			t.Fatal("the sides still see each other")
		}
		c.network.Heal()
		t.Logf("one view again after %v", c.await(time.Minute, func() bool { return c.agree(10) }))
	})
}

// TestNoReconnect: an interval or a timeout below zero turns reconnecting off.
func TestNoReconnect(t *testing.T) {
	for name, off := range map[string]func(*memberlist.Config){
		"interval": func(c *memberlist.Config) { c.ReconnectInterval = -1 },
		"timeout":  func(c *memberlist.Config) { c.ReconnectTimeout = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(2, off)
				defer c.stop()
				c.await(settles, func() bool { return c.agree(2) })
				c.network.Partition(addrs(0, 1), addrs(1, 2))
				time.Sleep(2 * time.Minute)
				c.network.Heal()
				dials := c.dials(0) + c.dials(1)
				time.Sleep(30 * time.Minute)
				if !c.agree(1) || c.dials(0)+c.dials(1) != dials {
					t.Errorf("%d streams were begun", c.dials(0)+c.dials(1)-dials)
				}
			})
		})
	}
}

// TestReconnectNotWithLeft: a member that left is not contacted, though it still answers; one that crashed is, until the
// timeout.
func TestReconnectNotWithLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, func(c *memberlist.Config) { c.ReconnectTimeout = 10 * time.Minute })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		if err := c.members[1].Leave(time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		dials := c.dials(0)
		time.Sleep(time.Hour)
		if got := c.dials(0) - dials; got != 0 {
			t.Errorf("%d streams were begun", got)
		}

		c.add(func(c *memberlist.Config) { c.Name = "other" })
		if _, err := c.members[0].Join([]string{simAddr(2).String()}); err != nil {
			t.Fatal(err)
		}
		c.members[2].Shutdown()
		c.await(settles, func() bool { return c.members[0].NumMembers() == 1 })
		dials = c.dials(0)
		time.Sleep(12 * time.Minute)
		tried := c.dials(0) - dials // the member's address by its name, and as a seed, each half minute
		if tried < 25 || tried > 60 {
			t.Errorf("%d streams were begun", tried)
		}
		time.Sleep(time.Hour)
		if got := c.dials(0) - dials - tried; got != 0 {
			t.Errorf("%d streams were begun after the timeout", got)
		}
	})
}

// TestReconnectLeavesOthersAlone: the address of a lost member is that of a member of another cluster by now. The clusters
// do not become one.
func TestReconnectLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		b := c.add(nil)
		if _, err := b.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		b.Shutdown()
		c.await(settles, func() bool { return c.members[0].NumMembers() == 1 })
		stranger := c.simConfig(1)
		stranger.Name = "stranger"
		other, err := memberlist.Create(stranger)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Shutdown()
		dials := c.dials(0)
		time.Sleep(10 * time.Minute)
		if c.dials(0) == dials {
			t.Error("the failed member was not looked for")
		}
		dials = c.dials(0)
		time.Sleep(10 * time.Minute)
		if got := c.dials(0) - dials; got != 0 {
			t.Errorf("%d more streams to an address that belongs to another cluster", got)
		}
		if c.members[0].NumMembers() != 1 || other.NumMembers() != 1 {
			t.Errorf("there are %d and %d members, want one each", c.members[0].NumMembers(), other.NumMembers())
		}
	})
}

// mergeRefuser is a MergeDelegate that refuses on demand, and counts its calls.
type mergeRefuser struct {
	refuses atomic.Bool
	asked   atomic.Int64
}

func (r *mergeRefuser) NotifyMerge([]*memberlist.Node) error {
	r.asked.Add(1)
	if r.refuses.Load() {
		return errors.New("refused")
	}
	return nil
}

// TestReconnectAsksMergeDelegate: clusters whose merge the delegates refuse stay apart.
func TestReconnectAsksMergeDelegate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(mergeRefuser)
		c := newSimCluster(t).grow(2, func(c *memberlist.Config) { c.Merge = r })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		c.network.Partition(addrs(0, 1), addrs(1, 2))
		time.Sleep(5 * time.Minute)
		r.refuses.Store(true)
		c.network.Heal()
		before := r.asked.Load()
		time.Sleep(10 * time.Minute)
		if asked := r.asked.Load() - before; asked < 10 || !c.agree(1) {
			t.Errorf("asked %d times; %d and %d members", asked, c.members[0].NumMembers(), c.members[1].NumMembers())
		}
		r.refuses.Store(false)
		c.await(time.Minute, func() bool { return c.agree(2) })
	})
}

// TestSeedsAreResolvedAnew: a seed that restarts at another address without its state is found by its name, given to Join
// or by Config.Seeds.
func TestSeedsAreResolvedAnew(t *testing.T) {
	for _, hook := range []bool{false, true} {
		t.Run(fmt.Sprintf("hook is %v", hook), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				var at atomic.Pointer[netip.AddrPort]
				lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
					if host != "seed" {
						return nil, fmt.Errorf("no such host %q", host)
					}
					return []netip.Addr{at.Load().Addr()}, nil
				}
				move := func(i int) *memberlist.Memberlist {
					addr := simAddr(i)
					at.Store(&addr)
					m := c.add(func(c *memberlist.Config) { c.Name = "seed" })
					return m
				}
				seed := move(0)
				other := c.add(func(c *memberlist.Config) {
					c.Resolver = lookupFunc(lookup)
					if hook {
						c.Seeds = func(context.Context) ([]string, error) {
							return []string{at.Load().String()}, errors.New("not all of them")
						}
					}
				})
				if hook {
					// Only Config.Seeds names the seed.
					c.await(time.Minute, func() bool { return c.agree(2) })
				} else if n, err := other.Join([]string{"nowhere", "seed"}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				seed.Shutdown()
				time.Sleep(5 * time.Minute)
				move(2)
				c.await(time.Minute, func() bool { return c.agree(2, 0) })
				if n := other.Members(); !slices.ContainsFunc(n, func(n *memberlist.Node) bool { return n.Address() == simAddr(2).String() }) {
					t.Errorf("members are %v", n)
				}
			})
		})
	}
}

// TestJoinIsTriedAgain: a Join that reached no member is repeated until it reaches one.
func TestJoinIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		if _, err := c.add(nil).Join([]string{simAddr(1).String()}); err == nil {
			t.Fatal("somebody was found")
		}
		time.Sleep(10 * time.Minute)
		c.add(nil)
		c.await(time.Minute, func() bool { return c.agree(2) })
	})
}

// TestShutdownEndsSeeds: Shutdown does not wait for Config.Seeds, whose context it ends.
func TestShutdownEndsSeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		called, ended := make(chan bool, 1), make(chan error, 1)
		m := c.add(func(config *memberlist.Config) {
			config.TCPTimeout = time.Hour
			config.Seeds = func(ctx context.Context) ([]string, error) {
				called <- true
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, ctx.Err()
			}
		})
		<-called
		start := time.Now()
		m.Shutdown()
		if took := time.Since(start); took > 0 {
			t.Errorf("Shutdown took %v", took)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the context ended with %v", err)
		}
	})
}

// TestLeaveEndsReconnects: a member that left contacts no failed members.
func TestLeaveEndsReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		c.members[2].Shutdown()
		c.await(settles, func() bool { return c.agree(2, 2) })
		if err := c.members[0].Leave(time.Second); err != nil {
			t.Fatal(err)
		}
		c.members[1].Shutdown()
		time.Sleep(5 * time.Minute) // it finds that out
		dials := c.dials(0)
		time.Sleep(time.Hour)
		if got := c.dials(0) - dials; got != 0 {
			t.Errorf("%d streams were begun", got)
		}
	})
}

// TestIsolatedGauge: the gauge is 1 while a member is isolated, and 0 after.
func TestIsolatedGauge(t *testing.T) {
	sink := new(metricSink)
	useSink(t, sink)
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		c.network.Partition(addrs(0, 1), addrs(1, 2))
		time.Sleep(5 * time.Minute)
		if got := sink.of("gauge memberlist.isolated"); !slices.Equal(got, []float32{1, 1}) {
			t.Errorf("isolated %v, want 1 of each", got)
		}
		c.network.Heal()
		time.Sleep(time.Minute)
		if got := sink.of("gauge memberlist.isolated"); !slices.Equal(got, []float32{1, 1, 0, 0}) {
			t.Errorf("isolated %v, want 1 of each and 0 of each", got)
		}
	})
}

// TestPeriodicExchangeWithAnother: the address of a member that crashed is at once that of a member of another cluster. The
// periodic exchanges of states of those that have not noticed do not make the two one, whichever side begins.
func TestPeriodicExchangeWithAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, func(config *memberlist.Config) {
			config.ProbeInterval, config.GossipInterval, config.PushPullInterval = 0, 0, time.Second
		})
		defer c.stop()
		c.members[1].Shutdown()
		config := c.simConfig(1)
		config.Name = "another"
		config.ProbeInterval, config.GossipInterval, config.PushPullInterval = 0, 0, time.Second
		another, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer another.Shutdown()
		dials := c.dials(0)
		time.Sleep(time.Minute)
		if c.dials(0)-dials < 30 {
			t.Errorf("%d exchanges were begun", c.dials(0)-dials)
		}
		if got := namesOf(another); !slices.Equal(got, []string{"another"}) {
			t.Errorf("another knows %v", got)
		}
		if got := namesOf(c.members[0]); slices.Contains(got, "another") {
			t.Errorf("the member knows %v", got)
		}
	})
}

// TestOnlyTheJoinedAreSeeds: an address with which a later join failed is no seed, nor is one whose member left or was
// removed: it may belong to another cluster by now.
func TestOnlyTheJoinedAreSeeds(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, c *simCluster){
		"a join failed": func(t *testing.T, c *simCluster) {
			if _, err := c.members[0].Join(seedsAt(9)); err == nil {
				t.Fatal("somebody was there")
			}
		},
		"the seed left": func(t *testing.T, c *simCluster) {
			seed := c.inPlace(9, "seed")
			if _, err := c.members[0].Join(seedsAt(9)); err != nil {
				t.Fatal(err)
			}
			if err := seed.Leave(time.Minute); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			seed.Shutdown()
		},
		"the seed was removed": func(t *testing.T, c *simCluster) {
			seed := c.inPlace(9, "seed")
			if _, err := c.members[0].Join(seedsAt(9)); err != nil {
				t.Fatal(err)
			}
			seed.Shutdown()
			c.await(settles, func() bool { return !slices.Contains(namesOf(c.members[0]), "seed") })
			if err := c.members[0].ForceLeave(t.Context(), "seed"); err != nil {
				t.Fatal(err)
			}
		},
		"the seed was forgotten": func(t *testing.T, c *simCluster) {
			seed := c.inPlace(9, "seed")
			if _, err := c.members[0].Join(seedsAt(9)); err != nil {
				t.Fatal(err)
			}
			seed.Shutdown()
			c.await(settles, func() bool { return !slices.Contains(namesOf(c.members[0]), "seed") })
			if err := c.members[0].Forget("seed"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(3, nil)
				defer c.stop()
				c.await(settles, func() bool { return c.agree(3) })
				before(t, c)
				time.Sleep(time.Minute)
				stranger := c.inPlace(9, "stranger")
				defer stranger.Shutdown()
				c.members[2].Shutdown() // which looks for company again
				time.Sleep(20 * time.Minute)
				if got := namesOf(stranger); len(got) != 1 {
					t.Errorf("the stranger knows %v", got)
				}
				if got := namesOf(c.members[0]); len(got) != 2 {
					t.Errorf("a member knows %v", got)
				}
			})
		})
	}
}

// inPlace creates a member with a name at the address of member i, in addition to those of the cluster.
func (c *simCluster) inPlace(i int, name string) *memberlist.Memberlist {
	c.t.Helper()
	config := c.simConfig(i)
	config.Name = name
	m, err := memberlist.Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// TestClustersOfTheSameNamesStayApart: two clusters have members of the same names, as two StatefulSets of one name in two
// namespaces have. The address of one that crashed is that of its namesake of the other cluster by now.
func TestClustersOfTheSameNamesStayApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		clusters := make([][]*memberlist.Memberlist, 2)
		for i := range clusters {
			for k := range 3 {
				m := c.inPlace(10*i+k, fmt.Sprintf("db-%d", k))
				if k > 0 {
					if _, err := m.Join(seedsAt(10 * i)); err != nil {
						t.Fatal(err)
					}
				}
				clusters[i] = append(clusters[i], m)
			}
		}
		time.Sleep(time.Minute)
		clusters[0][2].Shutdown()
		clusters[1][2].Shutdown()
		time.Sleep(time.Minute)
		clusters[1][2] = c.inPlace(2, "db-2")
		if _, err := clusters[1][2].Join(seedsAt(10)); err != nil {
			t.Fatal(err)
		}
		clusters[0] = clusters[0][:2]
		time.Sleep(time.Hour)
		for i, cluster := range clusters {
			for _, m := range cluster {
				if got := namesOf(m); len(got) != len(cluster) {
					t.Errorf("a member of cluster %d knows %v, want %d", i, got, len(cluster))
				}
				for _, n := range m.Members() {
					if !slices.ContainsFunc(cluster, func(m *memberlist.Memberlist) bool { return m.LocalNode().Address() == n.Address() }) {
						t.Errorf("a member of cluster %d has %s at %s", i, n.Name, n.Address())
					}
				}
				m.Shutdown()
			}
		}
	})
}

// dialGauge counts the dials that are under way, and records when each begins.
type dialGauge struct {
	*simTransport
	now, most atomic.Int64
	mu        sync.Mutex
	began     []time.Time
}

func (g *dialGauge) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	g.mu.Lock()
	g.began = append(g.began, time.Now())
	g.mu.Unlock()
	g.most.Store(max(g.most.Load(), g.now.Add(1)))
	defer g.now.Add(-1)
	return g.simTransport.DialTimeout(addr, timeout)
}

// gauged makes a member count its dials.
func gauged(g *dialGauge, config *memberlist.Config) {
	g.simTransport = config.Transport.(*simTransport)
	config.Transport = g
}

// TestReconnectsAtOnce: at most eight failed members are contacted at the same time, however short the interval is.
func TestReconnectsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gauge := new(dialGauge)
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) {
			gauged(gauge, config)
			config.DisableTcpPings, config.PushPullInterval = true, 0
			config.ReconnectInterval, config.TCPTimeout = 10*time.Millisecond, time.Minute
		})
		c.grow(20, nil)
		c.await(settles, func() bool { return c.agree(21) })
		time.Sleep(time.Minute) // until all have answered
		gauge.most.Store(0)
		c.network.Partition([]netip.AddrPort{simAddr(0)})
		time.Sleep(90 * time.Second) // all have failed, and dials take up to a minute
		if got := gauge.most.Load(); got != 8 {
			t.Errorf("%d members are contacted at once, want 8", got)
		}
	})
}

// TestSeedsInARound: of many seeds that do not answer two are tried in each round.
func TestSeedsInARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gauge := new(dialGauge)
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { gauged(gauge, config) })
		if _, err := m.Join(seedsAt(50, 51, 52, 53, 54, 55, 56, 57, 58, 59)); err == nil {
			t.Fatal("joined")
		}
		time.Sleep(time.Second)
		gauge.mu.Lock()
		gauge.began = nil
		gauge.mu.Unlock()
		time.Sleep(10 * time.Minute)
		gauge.mu.Lock()
		defer gauge.mu.Unlock()
		rounds := make(map[time.Time]int)
		for _, at := range gauge.began {
			rounds[at.Truncate(time.Second)]++
		}
		if len(rounds) == 0 {
			t.Error("no seed is tried")
		}
		for at, n := range rounds {
			if n > 2 {
				t.Errorf("%d seeds are tried in the round of %s, want 2", n, at.Format("15:04:05"))
			}
		}
	})
}
