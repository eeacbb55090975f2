package interop

import (
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
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

// passage is what gets through.
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
	return net.DialTimeout("tcp", to.String(), 10*time.Second)
}

func (s *sockets) start(c *cluster, o options, k kind, j *journal, tapped bool) (peer, error) {
	host := "127.0.0.1"
	if o.ipv6 {
		host = "::1"
	}
	at := netip.AddrPortFrom(netip.MustParseAddr(host), 0)
	quiet := log.New(io.Discard, "", 0)
	switch {
	case !tapped && k == ours:
		return startOurs(o, j, nil, at)
	case !tapped:
		return startTheirs(o, j, nil, at)
	case k == ours:
		t, err := our.NewNetTransport(&our.NetTransportConfig{BindAddrs: []string{host}, Logger: quiet})
		if err != nil {
			return nil, err
		}
		at = netip.AddrPortFrom(at.Addr(), uint16(t.GetAutoBindPort()))
		return startOurs(o, j, &tappedTransport[our.Packet]{t, s, c.tap, at}, at)
	default:
		t, err := their.NewNetTransport(&their.NetTransportConfig{BindAddrs: []string{host}, Logger: quiet})
		if err != nil {
			return nil, err
		}
		at = netip.AddrPortFrom(at.Addr(), uint16(t.GetAutoBindPort()))
		return startTheirs(o, j, &tappedTransport[their.Packet]{t, s, c.tap, at}, at)
	}
}

// transport is what both libraries call a Transport; P is the one's Packet.
type transport[P any] interface {
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)
	WriteTo(b []byte, addr string) (time.Time, error)
	PacketCh() <-chan *P
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)
	StreamCh() <-chan net.Conn
	Shutdown() error
}

// tappedTransport is a transport whose traffic is noted, and of which links can be cut.
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
