package interop

import (
	"context"
	"net"
	"net/netip"
	"time"

	our "github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
	their "github.com/hashicorp/memberlist"
)

// latency is that of every link in a bubble.
const latency = time.Millisecond

// bubble is a simulated network.
type bubble struct {
	network *simnet.Network
	last    byte
	ipv6    bool
}

func newBubble() *bubble {
	n := simnet.New(1)
	n.SetDefault(simnet.Link{Latency: latency})
	return &bubble{network: n}
}

func (b *bubble) virtual() bool { return true }

func (b *bubble) close() { b.network.Close() }

func (b *bubble) link(from, to netip.AddrPort, packets, streams bool) {
	b.network.SetLink(from, to, simnet.Link{Latency: latency, PacketsDown: !packets, StreamsDown: !streams})
}

// address returns an unused address.
func (b *bubble) address() netip.AddrPort {
	b.last++
	ip := netip.AddrFrom4([4]byte{10, 0, 0, b.last})
	if b.ipv6 {
		ip = netip.AddrFrom16([16]byte{0: 0xfd, 15: b.last})
	}
	return netip.AddrPortFrom(ip, 7946)
}

func (b *bubble) start(c *cluster, o options, k kind, j *journal, _ bool) (peer, error) {
	b.ipv6 = o.ipv6
	at := b.address()
	if k == ours {
		t, err := newSimulated(b.network, at, c.tap, func(p simnet.Packet) *our.Packet {
			return &our.Packet{Buf: p.Data, From: net.UDPAddrFromAddrPort(p.From), Timestamp: p.Time}
		})
		if err != nil {
			return nil, err
		}
		return startOurs(o, j, t, at)
	}
	t, err := newSimulated(b.network, at, c.tap, func(p simnet.Packet) *their.Packet {
		return &their.Packet{Buf: p.Data, From: net.UDPAddrFromAddrPort(p.From), Timestamp: p.Time}
	})
	if err != nil {
		return nil, err
	}
	return startTheirs(o, j, t, at)
}

func (b *bubble) dial(to netip.AddrPort) (net.Conn, error) {
	e, err := b.network.Listen(b.address())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := e.Dial(ctx, to)
	if err != nil {
		e.Close()
		return nil, err
	}
	return strangerConn{conn, e}, nil
}

// strangerConn is the only connection of an endpoint, and closed with it.
type strangerConn struct {
	net.Conn
	endpoint *simnet.Endpoint
}

func (s strangerConn) Close() error {
	err := s.Conn.Close()
	s.endpoint.Close()
	return err
}

// simulated is a transport of either library over a simulated network; P is the library's Packet.
type simulated[P any] struct {
	endpoint *simnet.Endpoint
	packets  chan *P
	tap      *tap
}

func newSimulated[P any](n *simnet.Network, at netip.AddrPort, tap *tap, wrap func(simnet.Packet) *P) (*simulated[P], error) {
	s := &simulated[P]{packets: make(chan *P, 1024), tap: tap}
	endpoint, err := n.ListenFunc(at, func(p simnet.Packet) bool {
		select {
		case s.packets <- wrap(p):
			return true
		default:
			return false
		}
	})
	s.endpoint = endpoint
	return s, err
}

func (s *simulated[P]) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return s.endpoint.Addr().Addr().AsSlice(), int(s.endpoint.Addr().Port()), nil
}

func (s *simulated[P]) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	if s.tap != nil {
		s.tap.packet(s.endpoint.Addr(), to, b)
	}
	return time.Now(), s.endpoint.Send(b, to)
}

func (s *simulated[P]) PacketCh() <-chan *P { return s.packets }

func (s *simulated[P]) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.endpoint.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	if s.tap == nil {
		return conn, nil
	}
	return s.tap.stream(s.endpoint.Addr(), to, conn), nil
}

func (s *simulated[P]) StreamCh() <-chan net.Conn { return s.endpoint.Streams() }

func (s *simulated[P]) Shutdown() error { return s.endpoint.Close() }
