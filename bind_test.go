package memberlist

import (
	"net"
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
}

// TestSeveralBindAddresses: a member can be reached at each of them, and advertises the first.
func TestSeveralBindAddresses(t *testing.T) {
	addrs := loopbacks(t)
	config := loopbackConfig("a")
	config.BindAddr, config.BindAddrs = "192.0.2.1", addrs // BindAddr is ignored
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
