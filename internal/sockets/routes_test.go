package sockets

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// TestRoutes: a packet leaves from the address whose network the receiver is in.
func TestRoutes(t *testing.T) {
	ips := []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("fd00:7::1"),
		netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("fe80::1%eth0")}
	sockets := make([]*net.UDPConn, len(ips))
	for i := range sockets {
		sockets[i] = new(net.UDPConn)
	}
	from := fakeInterfaces(t, "", "127.0.0.1/8", "10.1.0.1/16", "192.168.7.1/24", "fd00:7::1/64", "fe80::1/64")
	r := newRoutes(ips, sockets, from)
	for to, want := range map[string]int{
		"10.1.255.9": 0, "192.168.7.9": 1, "fd00:7::9": 2,
		"8.8.8.8": 0, "192.168.8.9": 0, "127.0.0.1": 0, "2001:db8::1": 2, "fe80::9": 4,
	} {
		if got := slices.Index(sockets, r.socketTo(netip.MustParseAddr(to))); got != want {
			t.Errorf("to %s: from %v, want %v", to, ips[got], ips[want])
		}
	}
	if r := newRoutes(ips[:1], sockets[:1], from); r.networks != nil {
		t.Errorf("of one address: %v", r.networks)
	}
	all := []netip.Addr{netip.IPv6Unspecified(), netip.MustParseAddr("fd00:7::1")}
	r = newRoutes(all, sockets[:2], from)
	if got := slices.Index(sockets, r.socket6); got != 1 {
		t.Errorf("the default for IPv6 is %v, want the socket of one address", all[got])
	}
	if got := slices.Index(sockets, r.socket4); got != 0 {
		t.Errorf("the default for IPv4 is %v, want that of all interfaces", all[got])
	}
	from.all = func() ([]net.Addr, error) { return nil, errors.New("broken") }
	if r := newRoutes(ips, sockets, from); r.networks != nil {
		t.Errorf("of interfaces that are not known: %v", r.networks)
	}
}
