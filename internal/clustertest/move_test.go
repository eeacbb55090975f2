package clustertest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"

	"github.com/e3431adc/memberlist"
)

// movableTransport is the transport of a machine that can get another address.
type movableTransport struct {
	*simTransport
	t       *testing.T
	network *simnet.Network
	streams chan net.Conn

	mu  sync.Mutex
	now *simTransport // that packets and streams leave from
	all []*simTransport
}

func newMovableTransport(t *testing.T, network *simnet.Network, first *simTransport) *movableTransport {
	m := &movableTransport{simTransport: first, t: t, network: network, streams: make(chan net.Conn)}
	m.use(first)
	return m
}

// use makes packets and streams leave from s, and receives those that arrive there. Its goroutine ends with the transport.
func (m *movableTransport) use(s *simTransport) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = s
	m.all = append(m.all, s)
	go func() {
		for {
			select {
			case conn := <-s.StreamCh():
				select {
				case m.streams <- conn:
				case <-m.simTransport.ctx.Done():
				}
			case <-s.ctx.Done():
				return
			}
		}
	}()
}

// moveTo gives the machine one more address, which it sends from.
func (m *movableTransport) moveTo(addr netip.AddrPort) {
	s := newSimTransport(m.t, m.network, addr)
	s.packets = m.packets
	m.use(s)
}

// loseFirst removes the first address.
func (m *movableTransport) loseFirst() { m.all[0].end.Close() }

func (m *movableTransport) current() *simTransport {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *movableTransport) StreamCh() <-chan net.Conn { return m.streams }

func (m *movableTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return m.current().WriteTo(b, addr)
}

func (m *movableTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return m.current().DialTimeout(addr, timeout)
}

func (m *movableTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return m.current().FinalAdvertiseAddr("", 0)
}

func (m *movableTransport) Shutdown() error {
	var errs error
	for _, s := range m.all {
		errs = errors.Join(errs, s.Shutdown())
	}
	return errs
}

// movable adds a member whose machine can get another address, and joins it.
func (c *simCluster) movable(t *testing.T, change func(*memberlist.Config)) (*memberlist.Memberlist, *movableTransport) {
	t.Helper()
	var transport *movableTransport
	m := c.add(func(config *memberlist.Config) {
		transport = newMovableTransport(t, c.network, config.Transport.(*simTransport))
		config.Transport = transport
		if change != nil {
			change(config)
		}
	})
	if _, err := m.Join(seedsAt(0)); err != nil {
		t.Fatal(err)
	}
	return m, transport
}

// knownAt reports whether all members but those excepted know a member at an
// address.
func (c *simCluster) knownAt(name string, addr netip.AddrPort, except ...int) bool {
	for i, m := range c.members {
		if !slices.Contains(except, i) && !slices.ContainsFunc(m.Members(), func(n *memberlist.Node) bool {
			return n.Name == name && n.Address() == addr.String()
		}) {
			return false
		}
	}
	return true
}

// conflicts counts conflicts that are told.
type conflicts struct{ atomic.Int64 }

func (c *conflicts) NotifyConflict(*memberlist.Node, *memberlist.Node) { c.Add(1) }

// TestSetAdvertiseAddr: the other members know the member at its new address within seconds, see it as left in between and
// never as failed, and receive from it there.
func TestSetAdvertiseAddr(t *testing.T) {
	for _, tt := range []struct {
		members int
		loss    float64
	}{{2, 0}, {20, 0}, {10, 0.1}} {
		n := tt.members
		synctest.Test(t, func(t *testing.T) {
			var told conflicts
			c := newSimCluster(t)
			c.network.SetDefault(simnet.Link{Latency: time.Millisecond, Loss: tt.loss})
			c.grow(n-1, func(config *memberlist.Config) { config.Conflict = &told })
			defer c.stop()
			m, transport := c.movable(t, nil)
			c.await(settles, func() bool { return c.agree(n) })
			mine := c.events[n-1].list()

			transport.moveTo(simAddr(1000))
			start := time.Now()
			if err := m.SetAdvertiseAddr(t.Context(), simAddr(1000).Addr().String(), 0); err != nil {
				t.Fatal(err)
			}
			returned := time.Since(start)
			took := returned + c.await(time.Minute, func() bool { return c.knownAt(m.LocalNode().Name, simAddr(1000)) })
			t.Logf("%d members: returned after %v, known everywhere after %v; %d conflicts", n, returned, took, told.Load())
			if took > 30*time.Second && tt.loss == 0 {
				t.Errorf("%d members: known everywhere after %v", n, took)
			}
			if m.LocalNode().Address() != simAddr(1000).String() || !slices.Equal(c.events[n-1].list(), mine) {
				t.Errorf("itself is at %s and heard %q", m.LocalNode().Address(), c.events[n-1].list())
			}
			transport.loseFirst()
			time.Sleep(time.Minute) // more than it takes to find a failure
			if got := c.deaths(); len(got) > 0 || !c.agree(n) {
				t.Errorf("deaths: %v", got)
			}
			for i := range n - 1 {
				name := m.LocalNode().Name
				if left, joined := c.events[i].count("leave "+name), c.events[i].count("join "+name); left != 1 || joined != 2 {
					t.Errorf("member %d heard of %d leaves and %d joins, want 1 and 2", i, left, joined)
				}
			}
		})
	}
}

// TestMoveIsHeardInTheEnd: a member that was cut off during the whole move learns of it too, though the old address still
// answers.
func TestMoveIsHeardInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(4, nil)
		defer c.stop()
		m, transport := c.movable(t, nil)
		c.await(settles, func() bool { return c.agree(5) })
		transport.moveTo(simAddr(1000))
		c.network.Down(simAddr(3))
		if err := m.SetAdvertiseAddr(t.Context(), "", 0); err != nil {
			t.Fatal(err)
		}
		c.network.Up(simAddr(3))
		c.await(5*time.Minute, func() bool { return c.agree(5) && c.knownAt("m4", simAddr(1000)) })
	})
}

// TestMoveAndUpdate: metadata that change during a move are announced at the new address.
func TestMoveAndUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDelegate{meta: []byte("old")}
		c := newSimCluster(t).grow(4, nil)
		defer c.stop()
		m, transport := c.movable(t, func(config *memberlist.Config) { config.Delegate = d })
		c.await(settles, func() bool { return c.agree(5) })
		transport.moveTo(simAddr(1000))
		moved := make(chan error)
		go func() { moved <- m.SetAdvertiseAddr(t.Context(), simAddr(1000).Addr().String(), 0) }()
		for _, meta := range []string{"during", "after"} {
			time.Sleep(100 * time.Millisecond)
			d.set([]byte(meta))
			if err := m.UpdateNode(time.Minute); err != nil {
				t.Error(err)
			}
			if meta == "during" {
				if err := <-moved; err != nil {
					t.Error(err)
				}
			}
			c.await(30*time.Second, func() bool {
				return c.knownAt("m4", simAddr(1000)) && !slices.ContainsFunc(c.members[:4], func(o *memberlist.Memberlist) bool {
					return !slices.ContainsFunc(o.Members(), func(n *memberlist.Node) bool { return n.Name == "m4" && string(n.Meta) == meta })
				})
			})
		}
	})
}

func TestSetAdvertiseAddrFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		refuse := errors.New("refused")
		veto := &aliveVeto{}
		m := c.add(func(config *memberlist.Config) {
			config.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/8"})
			config.Alive = veto
			config.GossipInterval, config.ProbeInterval, config.PushPullInterval = time.Hour, time.Hour, 0
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) { return nil, refuse })
		})
		if _, err := m.Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		before := m.LocalNode()
		for _, tt := range []struct {
			name string
			ctx  context.Context
			addr string
			port int
			want error
		}{
			{"outside of the networks", t.Context(), "192.168.0.1", 0, memberlist.ErrAddressNotAllowed},
			{"no address", t.Context(), "10.0.0.256", 0, memberlist.ErrInvalidAddress},
			{"all interfaces", t.Context(), "0.0.0.0", 0, memberlist.ErrInvalidAddress},
			{"all IPv6 interfaces", t.Context(), "::", 0, memberlist.ErrInvalidAddress},
			{"no port", t.Context(), "10.0.0.9", 65536, memberlist.ErrInvalidAddress},
			{"a name that is not known", t.Context(), "host", 0, refuse},
			{"an ended context", ended, "10.0.0.9", 0, context.Canceled},
			{"a veto", t.Context(), "10.0.0.66", 0, errVetoed},
		} {
			if err := m.SetAdvertiseAddr(tt.ctx, tt.addr, tt.port); !errors.Is(err, tt.want) {
				t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			}
		}
		if err := m.SetAdvertiseAddr(t.Context(), "", 0); err != nil || m.LocalNode() != before {
			t.Errorf("the same address: %v, is %v", err, m.LocalNode().Address())
		}
		// If no other member can be reached the move is announced when the context ends.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := m.SetAdvertiseAddr(ctx, "10.0.0.9", 9)
		if !errors.Is(err, memberlist.ErrUpdateTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		if got := m.LocalNode().Address(); got != "10.0.0.9:9" {
			t.Errorf("is at %s", got)
		}
		m.Shutdown()
		if err := m.SetAdvertiseAddr(t.Context(), "10.0.0.10", 0); !errors.Is(err, memberlist.ErrShutdown) {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}

var errVetoed = errors.New("vetoed")

// aliveVeto refuses one address.
type aliveVeto struct{}

func (aliveVeto) NotifyAlive(n *memberlist.Node) error {
	if n.Addr.String() == "10.0.0.66" {
		return errVetoed
	}
	return nil
}

// TestAdvertisedNameIsFollowed: when the host name gets another address the member moves there; with several addresses it
// does not move back and forth.
func TestAdvertisedNameIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		var stands atomic.Pointer[[]netip.Addr]
		stand := func(is ...int) {
			var ips []netip.Addr
			for _, i := range is {
				ips = append(ips, simAddr(i).Addr())
			}
			stands.Store(&ips)
		}
		stand(3)
		broken := errors.New("broken")
		m, transport := c.movable(t, func(config *memberlist.Config) {
			config.Resolver = lookupFunc(func(_ context.Context, host string) ([]netip.Addr, error) {
				if host != "me.example.com" || stands.Load() == nil {
					return nil, broken
				}
				return *stands.Load(), nil
			})
			config.AdvertiseInterval = time.Minute
		})
		name := m.LocalNode().Name
		if err := m.SetAdvertiseAddr(t.Context(), "me.example.com", 0); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return c.agree(4) && c.knownAt(name, simAddr(3)) })

		transport.moveTo(simAddr(1000))
		stand(1000)
		moved := c.await(2*time.Minute, func() bool { return c.knownAt(name, simAddr(1000)) })
		if moved > 75*time.Second {
			t.Errorf("followed after %v, want within a minute and some rounds of gossip", moved)
		}
		joins := c.events[0].count("join " + name)
		for _, is := range [][]int{{3, 1000}, {1000, 3}} { // round robin
			stand(is...)
			time.Sleep(3 * time.Minute)
		}
		stands.Store(nil) // not known for a while
		time.Sleep(3 * time.Minute)
		if got := c.events[0].count("join " + name); got != joins || !c.knownAt(name, simAddr(1000)) {
			t.Errorf("moved %d times though its address was among the name's", got-joins)
		}
		// An address set by hand ends it.
		stand(1000)
		if err := m.SetAdvertiseAddr(t.Context(), simAddr(3).Addr().String(), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if !c.knownAt(name, simAddr(3)) {
			t.Error("went back to the name's address")
		}
		if got := c.deaths(); len(got) > 0 {
			t.Errorf("deaths: %v", got)
		}
	})
}

// TestAdvertisedNameOfConfig: the name in Config.AdvertiseAddr is looked up again too, on real sockets. A look-up follows
// the one before without a wait.
func TestAdvertisedNameOfConfig(t *testing.T) {
	asked := make(chan struct{})
	config := loopbackConfig("a")
	config.AdvertiseAddr = "me.example.com"
	config.AdvertiseInterval = time.Millisecond
	var times atomic.Int64
	config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
		if times.Add(1) == 10 {
			close(asked)
		}
		if times.Load() < 5 {
			return parseIPs("127.0.0.1"), nil
		}
		return parseIPs("127.0.0.2"), nil
	})
	m, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Shutdown()
	<-asked
	for m.LocalNode().Addr.String() != "127.0.0.2" {
		if err := m.SetAdvertiseAddr(t.Context(), "me.example.com", 0); err != nil {
			t.Fatal(err)
		}
	}
}
