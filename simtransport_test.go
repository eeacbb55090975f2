package memberlist

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// simTransport carries a member's traffic over a network in memory.
type simTransport struct {
	end     *simnet.Endpoint
	packets chan *Packet
	ctx     context.Context
	cancel  context.CancelFunc

	dials    atomic.Int64
	writeErr atomic.Pointer[error] // returned by every write, if set
}

func newSimTransport(t testing.TB, network *simnet.Network, addr netip.AddrPort) *simTransport {
	t.Helper()
	s := &simTransport{packets: make(chan *Packet, 1024)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	end, err := network.ListenFunc(addr, func(p simnet.Packet) bool {
		select {
		case s.packets <- &Packet{Buf: p.Data, From: net.UDPAddrFromAddrPort(p.From), Timestamp: p.Time}:
			return true
		default:
			return false
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.end = end
	return s
}

func (s *simTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return s.end.Addr().Addr().AsSlice(), int(s.end.Addr().Port()), nil
}

func (s *simTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	if err := s.writeErr.Load(); err != nil {
		return time.Time{}, *err
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now(), s.end.Send(b, to)
}

func (s *simTransport) PacketCh() <-chan *Packet { return s.packets }

func (s *simTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	s.dials.Add(1)
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	return s.end.Dial(ctx, to)
}

func (s *simTransport) StreamCh() <-chan net.Conn { return s.end.Streams() }

func (s *simTransport) Shutdown() error {
	s.cancel()
	return s.end.Close()
}

// simAddr is the address of member i.
func simAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

// simCluster is a number of members on one network in memory.
type simCluster struct {
	t       testing.TB
	network *simnet.Network
	members []*Memberlist
	events  []*eventLog
}

func newSimCluster(t testing.TB) *simCluster {
	t.Helper()
	c := &simCluster{t: t, network: simnet.New(1)}
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond})
	return c
}

// simConfig is a configuration for member i, quiet, with the defaults for a
// LAN.
func (c *simCluster) simConfig(i int) *Config {
	c.t.Helper()
	config := DefaultLANConfig()
	config.Name = fmt.Sprintf("m%d", i)
	config.LogOutput = io.Discard
	config.Transport = newSimTransport(c.t, c.network, simAddr(i))
	return config
}

// add creates the next member.
func (c *simCluster) add(change func(*Config)) *Memberlist {
	c.t.Helper()
	i := len(c.members)
	config := c.simConfig(i)
	log := new(eventLog)
	config.Events = log
	if change != nil {
		change(config)
	}
	m, err := Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.members = append(c.members, m)
	c.events = append(c.events, log)
	return m
}

// outsider opens an address for one that is no member and sends what it likes.
func (c *simCluster) outsider(i int) *simnet.Endpoint {
	c.t.Helper()
	end, err := c.network.Listen(simAddr(i))
	if err != nil {
		c.t.Fatal(err)
	}
	return end
}

// grow makes a cluster of n joined members.
func (c *simCluster) grow(n int, change func(*Config)) *simCluster {
	c.t.Helper()
	for range n {
		m := c.add(change)
		if len(c.members) == 1 {
			continue
		}
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

// stop shuts every member down.
func (c *simCluster) stop() {
	for _, m := range c.members {
		m.Shutdown()
	}
	c.network.Close()
}

// agree reports whether all members but those excepted count n members.
func (c *simCluster) agree(n int, except ...int) bool {
	for i, m := range c.members {
		if !slices.Contains(except, i) && m.NumMembers() != n {
			return false
		}
	}
	return true
}

// await steps virtual time until a condition holds, and returns how long it
// took.
func (c *simCluster) await(limit time.Duration, condition func() bool) time.Duration {
	c.t.Helper()
	start := time.Now()
	for !condition() {
		if time.Since(start) > limit {
			c.t.Fatalf("not so after %v", limit)
		}
		time.Sleep(time.Millisecond) // in a bubble: virtual
	}
	return time.Since(start)
}

// eventLog notes events, as "join m1" and so on.
type eventLog struct {
	mu     sync.Mutex
	events []string
	nodes  []*Node
}

func (l *eventLog) add(kind string, n *Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, kind+" "+n.Name)
	l.nodes = append(l.nodes, n)
}

func (l *eventLog) NotifyJoin(n *Node)   { l.add("join", n) }
func (l *eventLog) NotifyLeave(n *Node)  { l.add("leave", n) }
func (l *eventLog) NotifyUpdate(n *Node) { l.add("update", n) }

func (l *eventLog) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.events...)
}

// last is the Node of the last event.
func (l *eventLog) last() *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[len(l.nodes)-1]
}

func (l *eventLog) count(event string) (n int) {
	for _, e := range l.list() {
		if e == event {
			n++
		}
	}
	return n
}

func mustUDP(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }
