package memberlist

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// movableTransport is one whose machine can get another address.
type movableTransport struct {
	*simTransport
	t       *testing.T
	network *simnet.Network
	streams chan net.Conn

	mu  sync.Mutex
	now *simTransport // what packets and streams leave from
	all []*simTransport
}

func newMovableTransport(t *testing.T, network *simnet.Network, first *simTransport) *movableTransport {
	m := &movableTransport{simTransport: first, t: t, network: network, streams: make(chan net.Conn)}
	m.use(first)
	return m
}

// use makes packets and streams leave from there, and those that arrive there
// be heard. Its goroutine ends with the transport.
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

// moveTo gives the machine another address, besides those it has.
func (m *movableTransport) moveTo(addr netip.AddrPort) {
	s := newSimTransport(m.t, m.network, addr)
	s.packets = m.packets
	m.use(s)
}

// loseFirst takes the first address away.
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
func (c *simCluster) movable(t *testing.T, change func(*Config)) (*Memberlist, *movableTransport) {
	t.Helper()
	var transport *movableTransport
	m := c.add(func(config *Config) {
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
		if !slices.Contains(except, i) && !slices.ContainsFunc(m.Members(), func(n *Node) bool {
			return n.Name == name && n.Address() == addr.String()
		}) {
			return false
		}
	}
	return true
}
