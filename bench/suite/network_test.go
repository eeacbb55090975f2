package suite

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

// network connects many members in memory. Packets are copied.
type network struct {
	mu    sync.RWMutex
	nodes map[string]*networkTransport
	bytes atomic.Int64 // of packets and streams
}

func newNetwork() *network { return &network{nodes: make(map[string]*networkTransport)} }

// networkTransport is one member's transport on a network.
type networkTransport struct {
	network *network
	addr    *net.UDPAddr
	packets chan *memberlist.Packet
	streams chan net.Conn
	down    chan struct{}
	once    sync.Once
}

func (n *network) transport(i int) *networkTransport {
	t := &networkTransport{
		network: n,
		addr:    memberAddr(i),
		packets: make(chan *memberlist.Packet, 512),
		streams: make(chan net.Conn),
		down:    make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[t.addr.String()] = t
	return t
}

func (n *network) at(addr string) *networkTransport {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.nodes[addr]
}

func (t *networkTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.addr.IP, t.addr.Port, nil
}

func (t *networkTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	to := t.network.at(addr)
	if to == nil {
		return now, nil // as with UDP: no receiver
	}
	t.network.bytes.Add(int64(len(b)))
	select {
	case <-to.down:
	case to.packets <- &memberlist.Packet{Buf: append([]byte(nil), b...), From: t.addr, Timestamp: now}:
	default: // its buffer is full
	}
	return now, nil
}

func (t *networkTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to := t.network.at(addr)
	if to == nil {
		return nil, fmt.Errorf("dial %s: nobody is there", addr)
	}
	near, far := newPipe(t.addr, to.addr)
	count := func(n int) { t.network.bytes.Add(int64(n)) }
	near.written, far.written = count, count
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.streams <- far:
		return near, nil
	case <-to.down:
		return nil, fmt.Errorf("dial %s: is down", addr)
	case <-timer.C:
		return nil, fmt.Errorf("dial %s: timeout", addr)
	}
}

func (t *networkTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *networkTransport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *networkTransport) Shutdown() error {
	t.once.Do(func() {
		close(t.down)
		t.network.mu.Lock()
		defer t.network.mu.Unlock()
		delete(t.network.nodes, t.addr.String())
	})
	return nil
}

// cluster is members in the library's default configuration for a LAN.
type cluster struct {
	network *network // nil: loopback sockets
	seed    string   // address of the first member
	members []*memberlist.Memberlist
}

// newCluster starts members of one network that do not know each other.
func newCluster(b *testing.B, size int, change func(i int, c *memberlist.Config)) *cluster {
	b.Helper()
	c := &cluster{network: newNetwork(), seed: memberAddr(1).String()}
	for i := 1; i <= size; i++ {
		c.add(b, i, func(config *memberlist.Config) {
			config.Transport = c.network.transport(i)
			change(i, config)
		})
	}
	return c
}

// newSocketCluster starts members with loopback sockets that do not know each other.
func newSocketCluster(b *testing.B, size int) *cluster {
	b.Helper()
	c := new(cluster)
	for i := 1; i <= size; i++ {
		c.add(b, i, func(config *memberlist.Config) {
			config.BindAddr, config.BindPort, config.AdvertisePort = "127.0.0.1", 0, 0
		})
	}
	c.seed = c.members[0].LocalNode().Address()
	return c
}

// add starts member i.
func (c *cluster) add(b *testing.B, i int, change func(c *memberlist.Config)) {
	b.Helper()
	config := memberlist.DefaultLANConfig()
	config.Logger = compressing.config(b, nil).Logger
	config.Name = memberName(i)
	change(config)
	created, err := memberlist.Create(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { created.Shutdown() })
	c.members = append(c.members, created)
}

// join joins all members to the first one at once, and returns when that is done. Failed joins are retried, as
// programs do.
func (c *cluster) join(b *testing.B) {
	b.Helper()
	limit := time.Now().Add(5 * time.Minute)
	var joins sync.WaitGroup
	for _, m := range c.members[1:] {
		joins.Go(func() {
			for {
				_, err := m.Join([]string{c.seed})
				if err == nil {
					return
				}
				if time.Now().After(limit) {
					b.Error(err)
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	joins.Wait()
}

// awaitPairs returns when the given percentage of pairs of members know each other.
func (c *cluster) awaitPairs(b *testing.B, percent int) {
	b.Helper()
	limit := time.Now().Add(5 * time.Minute)
	for {
		know := 0
		for _, m := range c.members {
			know += m.NumMembers()
		}
		if 100*know >= percent*len(c.members)*len(c.members) {
			return
		}
		if time.Now().After(limit) {
			b.Fatalf("members know %d others, of %d", know, len(c.members)*len(c.members))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
