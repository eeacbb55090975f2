package clustertest

import (
	crand "crypto/rand"

	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// lookupFunc is a Resolver that knows hosts alone.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f lookupFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

func (f lookupFunc) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no services here")
}

func parseIPs(texts ...string) (ips []netip.Addr) {
	for _, text := range texts {
		ips = append(ips, netip.MustParseAddr(text))
	}
	return ips
}

func testKeys() (a, b, c []byte) {
	return bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 24), bytes.Repeat([]byte{3}, 32)
}

// simTransport carries a member's traffic over a network in memory.
type simTransport struct {
	end     *simnet.Endpoint
	packets chan *memberlist.Packet
	ctx     context.Context
	cancel  context.CancelFunc

	dials    atomic.Int64
	writeErr atomic.Pointer[error] // returned by every write, if set
}

func newSimTransport(t testing.TB, network *simnet.Network, addr netip.AddrPort) *simTransport {
	t.Helper()
	s := &simTransport{packets: make(chan *memberlist.Packet, 1024)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	end, err := network.ListenFunc(addr, func(p simnet.Packet) bool {
		select {
		case s.packets <- &memberlist.Packet{Buf: p.Data, From: senderOf(p.From), Timestamp: p.Time}:
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

// believedAddr is an address whose packets seem to come from a transport without IP addresses, so that members believe what they
// assert about unknown names.
var believedAddr = simAddr(999)

// senderOf returns the sender of a packet as the transport reports it.
func senderOf(addr netip.AddrPort) net.Addr {
	if addr == believedAddr {
		return &net.UnixAddr{Name: "believed"}
	}
	return net.UDPAddrFromAddrPort(addr)
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

func (s *simTransport) PacketCh() <-chan *memberlist.Packet { return s.packets }

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

// simAddr returns the address of member i.
func simAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

// simCluster is a number of members on one network in memory.
type simCluster struct {
	t       testing.TB
	network *simnet.Network
	inside  *simnet.Endpoint // see believed
	members []*memberlist.Memberlist
	configs []*memberlist.Config // after Create
	events  []*eventLog
}

func newSimCluster(t testing.TB) *simCluster {
	t.Helper()
	c := &simCluster{t: t, network: simnet.New(1)}
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond})
	return c
}

// simConfig returns a quiet configuration for member i, with the defaults for a LAN.
func (c *simCluster) simConfig(i int) *memberlist.Config {
	c.t.Helper()
	config := memberlist.DefaultLANConfig()
	config.Name = fmt.Sprintf("m%d", i)
	config.LogOutput = io.Discard
	config.Transport = newSimTransport(c.t, c.network, simAddr(i))
	return config
}

// add creates the next member.
func (c *simCluster) add(change func(*memberlist.Config)) *memberlist.Memberlist {
	c.t.Helper()
	i := len(c.members)
	config := c.simConfig(i)
	log := new(eventLog)
	config.Events = log
	if change != nil {
		change(config)
	}
	m, err := memberlist.Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.members, c.configs = append(c.members, m), append(c.configs, config)
	c.events = append(c.events, log)
	return m
}

// transport returns the transport of member i, unless its configuration was given another one.
func (c *simCluster) transport(i int) *simTransport {
	c.t.Helper()
	return c.configs[i].Transport.(*simTransport)
}

// outsider opens the address of member i, for packets and streams that no member sends.
func (c *simCluster) outsider(i int) *simnet.Endpoint {
	c.t.Helper()
	end, err := c.network.Listen(simAddr(i))
	if err != nil {
		c.t.Fatal(err)
	}
	return end
}

// believed returns an endpoint whose packets no member sends, and whose assertions members believe.
func (c *simCluster) believed() *simnet.Endpoint {
	c.t.Helper()
	if c.inside == nil {
		end, err := c.network.Listen(believedAddr)
		if err != nil {
			c.t.Fatal(err)
		}
		c.inside = end
	}
	return c.inside
}

// hearOfGhosts sends a member alive messages of n others that do not exist, half of them too old to understand checksums,
// with names of many lengths. Each packet goes through wrap, if that is not nil.
func (c *simCluster) hearOfGhosts(member, n int, incarnation uint32, wrap func([]byte) []byte) {
	c.t.Helper()
	for i := range n {
		addr := simAddr(1000 + i)
		packet := (&wire.Alive{
			Incarnation: incarnation,
			Node:        fmt.Sprint("ghost", i, strings.Repeat("y", i%50)),
			Addr:        addr.Addr().AsSlice(),
			Port:        addr.Port(),
			Vsn:         []byte{1, byte(4 + i%2), 2, 0, 0, 0},
		}).Append(nil)
		if wrap != nil {
			packet = wrap(packet)
		}
		if err := c.believed().Send(packet, simAddr(member)); err != nil {
			c.t.Error(err)
		}
	}
	time.Sleep(5 * time.Millisecond) // until they have arrived
}

// grow makes a cluster of n joined members.
func (c *simCluster) grow(n int, change func(*memberlist.Config)) *simCluster {
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

// settles is the time in which the views of a cluster have to agree. Gossip brings news within a second or two but at times
// misses a member, and then a push/pull brings it: one in 30 s for each member, less often in a large cluster.
const settles = 10 * time.Minute

// await sleeps, in virtual time, until a condition holds, and returns how long that took.
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

// eventLog records events, as "join m1" and so on.
type eventLog struct {
	mu     sync.Mutex
	events []string
	nodes  []*memberlist.Node
}

func (l *eventLog) add(kind string, n *memberlist.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, kind+" "+n.Name)
	l.nodes = append(l.nodes, n)
}

func (l *eventLog) NotifyJoin(n *memberlist.Node) { l.add("join", n) }

func (l *eventLog) NotifyLeave(n *memberlist.Node) { l.add("leave", n) }

func (l *eventLog) NotifyUpdate(n *memberlist.Node) { l.add("update", n) }

func (l *eventLog) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.events...)
}

// last returns the Node of the last event.
func (l *eventLog) last() *memberlist.Node {
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

// newNonce returns a random nonce.
func newNonce() *[wire.NonceSize]byte {
	nonce := new([wire.NonceSize]byte)
	crand.Read(nonce[:]) // never fails
	return nonce
}

func mustUDP(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }
