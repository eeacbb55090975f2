package interop

import (
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	our "github.com/e3431adc/memberlist"
	their "github.com/hashicorp/memberlist"
)

// sockets is the loopback interface.
type sockets struct {
	mu   sync.Mutex
	cuts map[route]passage
}

type route struct{ from, to netip.AddrPort }

// passage is what passes a link.
type passage struct{ packets, streams bool }

func newSockets() *sockets { return &sockets{cuts: make(map[route]passage)} }

func (s *sockets) virtual() bool { return false }

func (s *sockets) close() {}

func (s *sockets) link(from, to netip.AddrPort, packets, streams bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts[route{from, to}] = passage{packets, streams}
}

func (s *sockets) passage(from, to netip.AddrPort) passage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.cuts[route{from, to}]; ok {
		return p
	}
	return passage{true, true}
}

func (s *sockets) dial(to netip.AddrPort) (net.Conn, error) {
	return net.DialTimeout("tcp", to.String(), time.Minute)
}

func (s *sockets) start(c *cluster, o options, k kind, j *journal, tapped bool) (peer, error) {
	at := netip.MustParseAddrPort("127.0.0.1:0")
	switch {
	case o.at.IsValid():
		at = o.at
	case o.ipv6:
		at = netip.MustParseAddrPort("[::1]:0")
	case o.protocol == 1:
		at = s.samePort(c)
	}
	host, port := at.Addr().String(), int(at.Port())
	quiet := log.New(io.Discard, "", 0)
	switch {
	case !tapped && k == ours:
		return startOurs(o, j, nil, at)
	case !tapped:
		return startTheirs(o, j, nil, at)
	case k == ours:
		t, err := our.NewNetTransport(&our.NetTransportConfig{BindAddrs: []string{host}, BindPort: port, Logger: quiet})
		if err != nil {
			return nil, err
		}
		at = netip.AddrPortFrom(at.Addr(), uint16(t.GetAutoBindPort()))
		return startOurs(o, j, &tappedTransport[our.Packet]{t, s, c.tap, at}, at)
	default:
		t, err := their.NewNetTransport(&their.NetTransportConfig{BindAddrs: []string{host}, BindPort: port, Logger: quiet})
		if err != nil {
			return nil, err
		}
		at = netip.AddrPortFrom(at.Addr(), uint16(t.GetAutoBindPort()))
		return startTheirs(o, j, &tappedTransport[their.Packet]{t, s, c.tap, at}, at)
	}
}

// samePort returns another address for each peer of a cluster, and the same port for all: under version 1 of the protocol
// the reference assumes that all members have its own port.
func (s *sockets) samePort(c *cluster) netip.AddrPort {
	n := loopbacks.Add(1)
	host := netip.AddrFrom4([4]byte{127, byte(1 + n>>16), byte(n >> 8), byte(n)})
	if len(c.peers) == 0 {
		return netip.AddrPortFrom(host, 0)
	}
	return netip.AddrPortFrom(host, c.peers[0].addr().Port())
}

// loopbacks counts the addresses that samePort has given out.
var loopbacks atomic.Uint32

// transport is the Transport of either library; P is its Packet.
type transport[P any] interface {
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)
	WriteTo(b []byte, addr string) (time.Time, error)
	PacketCh() <-chan *P
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)
	StreamCh() <-chan net.Conn
	Shutdown() error
}

// tappedTransport is a transport whose traffic is recorded, and whose links can be cut.
type tappedTransport[P any] struct {
	transport[P]
	sockets *sockets
	tap     *tap
	self    netip.AddrPort
}

var errCut = errors.New("link is cut")

func (t *tappedTransport[P]) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	t.tap.packet(t.self, to, b)
	if !t.sockets.passage(t.self, to).packets {
		return time.Now(), nil
	}
	return t.transport.WriteTo(b, addr)
}

func (t *tappedTransport[P]) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if !t.sockets.passage(t.self, to).streams {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: errCut}
	}
	conn, err := t.transport.DialTimeout(addr, timeout)
	if err != nil {
		return nil, err
	}
	return t.tap.stream(t.self, to, conn), nil
}
