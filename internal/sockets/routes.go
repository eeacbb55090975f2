package sockets

import (
	"net"
	"net/netip"
)

// routes says which socket to send from.
type routes struct {
	networks []route // if there are several sockets: those that they are in
	socket4  *net.UDPConn
	socket6  *net.UDPConn
}

// route says that packets to a network leave from a socket.
type route struct {
	to   netip.Prefix
	from *net.UDPConn
}

// newRoutes returns the routes of sockets that are bound to these addresses.
func newRoutes(ips []netip.Addr, sockets []*net.UDPConn, from interfaces) routes {
	r := routes{
		socket4: socketFor(ips, sockets, netip.Addr.Is4),
		socket6: socketFor(ips, sockets, netip.Addr.Is6),
	}
	if len(ips) < 2 {
		return r
	}
	addrs, _ := from.all() // without them the first socket of a family sends to all
	for i, ip := range ips {
		for _, a := range addrs {
			network, err := netip.ParsePrefix(a.String())
			if err == nil && network.Addr().Unmap() == ip.WithZone("") {
				r.networks = append(r.networks, route{to: network.Masked(), from: sockets[i]})
			}
		}
	}
	return r
}

// socketFor returns the default socket for a family: one bound to an address of the family, else one bound to all interfaces, which
// are of both families, else the first.
func socketFor(ips []netip.Addr, sockets []*net.UDPConn, isFamily func(netip.Addr) bool) *net.UDPConn {
	for i, ip := range ips {
		if isFamily(ip) && !ip.IsUnspecified() {
			return sockets[i]
		}
	}
	for i, ip := range ips {
		if ip.IsUnspecified() {
			return sockets[i]
		}
	}
	return sockets[0]
}

// socketTo returns the socket to send from to an address.
func (r *routes) socketTo(ip netip.Addr) *net.UDPConn {
	for i := range r.networks {
		if r.networks[i].to.Contains(ip) {
			return r.networks[i].from
		}
	}
	if ip.Is4() {
		return r.socket4
	}
	return r.socket6
}
