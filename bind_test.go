package memberlist

import (
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestNetTransportOnSeveralAddresses(t *testing.T) {
	ips := loopbacks(t)
	if len(ips) < 2 {
		t.Skip("no IPv6 loopback")
	}
	a, b := newLoopbackTransport(t, ips...), newLoopbackTransport(t, ips...)
	for _, ip := range ips {
		to := joinHostPort(ip, uint16(b.GetAutoBindPort()))
		if _, err := a.WriteTo([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		p := receivePacket(t, b)
		if got, want := p.From.String(), joinHostPort(ip, uint16(a.GetAutoBindPort())); got != want {
			t.Errorf("a packet to %s came from %s, want from %s", to, got, want)
		}
		conn, err := a.DialTimeout(to, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		receiveStream(t, b).Close()
	}
}

func TestNetTransportOnAllInterfaces(t *testing.T) {
	for _, bind := range []string{"", "0.0.0.0", "::"} {
		t.Run(bind, func(t *testing.T) {
			tr := newLoopbackTransport(t, bind)
			for _, ip := range loopbacks(t) {
				to := joinHostPort(ip, uint16(tr.GetAutoBindPort()))
				if _, err := tr.WriteTo([]byte("hello"), to); err != nil {
					t.Errorf("%s: %v", ip, err)
					continue
				}
				from := receivePacket(t, tr).From.(*net.UDPAddr)
				if got := from.String(); got != to {
					t.Errorf("got a packet from %s, want %s", got, to)
				}
				if from.IP.To4() != nil && len(from.IP) != net.IPv4len {
					t.Errorf("IPv4 address in %d bytes", len(from.IP))
				}
			}
		})
	}
}

func TestNetTransportBindsHostNames(t *testing.T) {
	tr := newLoopbackTransport(t, "localhost")
	ip, port, err := tr.FinalAdvertiseAddr("", 0)
	if err != nil || !ip.IsLoopback() || port != tr.GetAutoBindPort() {
		t.Errorf("advertises %v:%d, %v, want the loopback address", ip, port, err)
	}
	for _, addr := range tr.listeners {
		if !addr.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("listens on %v", addr.Addr())
		}
	}
}

func TestNewNetTransportFails(t *testing.T) {
	before := runtime.NumGoroutine()
	// A port that is free for TCP, but not for UDP.
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: ownLoopback()})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.LocalAddr().(*net.UDPAddr).Port

	for _, tt := range []struct {
		name  string
		addrs []string
		port  int
	}{
		{"no address", nil, 0},
		{"port taken", []string{ownLoopback().String()}, port},
		{"misspelt", []string{"127.0.0.256"}, 0},
		{"with port", []string{"127.0.0.1:0"}, 0},
		{"second misspelt", []string{"127.0.0.1", "[::1]"}, 0},
		{"twice the same", []string{"127.0.0.1", "127.0.0.1"}, 0},
		{"negative port", []string{"127.0.0.1"}, -1},
		{"port above all", []string{"127.0.0.1"}, 1 << 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := NewNetTransport(&NetTransportConfig{
				BindAddrs: tt.addrs, BindPort: tt.port, Logger: log.New(io.Discard, "", 0),
			})
			if err == nil {
				tr.Shutdown()
				t.Fatal("no error")
			}
			if tt.port == port {
				free, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ownLoopback(), Port: port})
				if err != nil {
					t.Fatalf("the TCP port was not left free: %v", err)
				}
				free.Close()
			}
		})
	}
	wantGoroutines(t, before)
}

func TestNetTransportGrowsReceiveBuffer(t *testing.T) {
	for _, limit := range []int{4 << 20, 1 << 20, 1000, 1, 0} {
		kernel := &limitedKernel{limit: limit}
		err := growReceiveBuffer(kernel)
		if (limit == 0) != (err != nil) {
			t.Errorf("limit %d: got error %v", limit, err)
		}
		if want := min(limit, receiveBuffer); kernel.granted > want || 2*kernel.granted < want {
			t.Errorf("limit %d: got %d bytes", limit, kernel.granted)
		}
	}
}

// limitedKernel grants buffers up to a limit.
type limitedKernel struct{ limit, granted int }

func (k *limitedKernel) SetReadBuffer(n int) error {
	if n > k.limit {
		return errors.New("too large")
	}
	k.granted = n
	return nil
}

// TestRoutes: a packet leaves from the address whose network the receiver is in.
func TestRoutes(t *testing.T) {
	ips := parseIPs("10.1.0.1", "192.168.7.1", "fd00:7::1", "203.0.113.1")
	sockets := make([]*net.UDPConn, len(ips))
	for i := range sockets {
		sockets[i] = new(net.UDPConn)
	}
	from := fakeInterfaces(t, "", "127.0.0.1/8", "10.1.0.1/16", "192.168.7.1/24", "fd00:7::1/64")
	tr := &NetTransport{sockets: sockets, routes: routesOf(ips, sockets, from)}
	tr.socket4, tr.socket6 = tr.socketFor(ips, netip.Addr.Is4), tr.socketFor(ips, netip.Addr.Is6)
	for to, want := range map[string]int{
		"10.1.255.9": 0, "192.168.7.9": 1, "fd00:7::9": 2,
		"8.8.8.8": 0, "192.168.8.9": 0, "127.0.0.1": 0, "2001:db8::1": 2,
	} {
		if got := slices.Index(sockets, tr.socketTo(netip.MustParseAddr(to))); got != want {
			t.Errorf("to %s: from %v, want %v", to, ips[got], ips[want])
		}
	}
	if routes := routesOf(ips[:1], sockets[:1], from); routes != nil {
		t.Errorf("of one address: %v", routes)
	}
	from.all = func() ([]net.Addr, error) { return nil, errors.New("broken") }
	if routes := routesOf(ips, sockets, from); routes != nil {
		t.Errorf("of interfaces that are not known: %v", routes)
	}
}

// TestSeveralBindAddresses: a member is reached at each of them and advertises
// the first.
func TestSeveralBindAddresses(t *testing.T) {
	addrs := loopbacks(t)
	config := loopbackConfig("a")
	config.BindAddr, config.BindAddrs = "192.0.2.1", addrs // BindAddr is not used
	a, err := Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Shutdown()
	b, err := Create(loopbackConfig("b"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown()
	for i, addr := range addrs {
		seed := joinHostPort(addr, uint16(config.BindPort))
		if a.LocalNode().Address() == seed != (i == 0) {
			t.Errorf("advertises %s", a.LocalNode().Address())
		}
		if n, err := b.Join([]string{seed}); n != 1 || err != nil {
			t.Errorf("join %s: %d, %v", seed, n, err)
		}
	}
	if a.NumMembers() != 2 || b.NumMembers() != 2 {
		t.Errorf("%d and %d members", a.NumMembers(), b.NumMembers())
	}
}
