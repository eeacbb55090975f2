package memberlist

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/logging"
)

// bind opens all sockets, or none.
func (t *NetTransport) bind(addrs []string, port int) error {
	ips := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		ip, err := t.bindAddr(addr)
		if err != nil {
			return fmt.Errorf("failed to bind to %q: %w", addr, err)
		}
		ips[i] = ip
	}
	attempts := 1
	if port == 0 {
		attempts = bindAttempts
	}
	var err error
	for range attempts {
		if err = t.listen(ips, port); err == nil {
			break
		}
		t.closeSockets()
	}
	if err != nil {
		return err
	}
	t.bindIP = ips[0]
	t.port = t.listeners[0].Addr().(*net.TCPAddr).Port
	t.socket4 = t.socketFor(ips, netip.Addr.Is4)
	t.socket6 = t.socketFor(ips, netip.Addr.Is6)
	t.routes = routesOf(ips, t.sockets, systemInterfaces())
	return nil
}

// route says that packets to a network leave from a socket.
type route struct {
	to   netip.Prefix
	from *net.UDPConn
}

// routesOf gives the networks that the addresses bound to are in, as far as they are known, if there are several.
func routesOf(ips []netip.Addr, sockets []*net.UDPConn, from interfaces) (routes []route) {
	if len(ips) < 2 {
		return nil
	}
	addrs, _ := from.all() // without them the first address of a family sends to all
	for i, ip := range ips {
		for _, a := range addrs {
			network, err := netip.ParsePrefix(a.String())
			if err == nil && network.Addr().Unmap() == ip.WithZone("") {
				routes = append(routes, route{to: network.Masked(), from: sockets[i]})
			}
		}
	}
	return routes
}

// socketTo gives the socket to send from to an address.
func (t *NetTransport) socketTo(ip netip.Addr) *net.UDPConn {
	for i := range t.routes {
		if t.routes[i].to.Contains(ip) {
			return t.routes[i].from
		}
	}
	if ip.Is4() {
		return t.socket4
	}
	return t.socket6
}

// bindAddr gives the IP address that a bind address stands for.
func (t *NetTransport) bindAddr(addr string) (netip.Addr, error) {
	if addr == "" {
		return netip.IPv4Unspecified(), nil
	}
	return t.resolver.Addr(t.ctx, addr)
}

// listen opens a TCP and a UDP socket for each address, at one port for all: the given one, or the one that the kernel
// picks for the first of them.
//
// The sockets for streams are not for Multipath TCP, as Go's are else: nobody dials so, and each takes several times as long
// to open and to close.
func (t *NetTransport) listen(ips []netip.Addr, port int) error {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	for _, ip := range ips {
		at := netip.AddrPortFrom(ip, uint16(port))
		listener, err := config.Listen(t.ctx, "tcp", at.String())
		if err != nil {
			return fmt.Errorf("failed to start TCP listener on %s: %w", at, err)
		}
		t.listeners = append(t.listeners, listener.(*net.TCPListener))
		port = listener.Addr().(*net.TCPAddr).Port
		at = netip.AddrPortFrom(ip, uint16(port))
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return fmt.Errorf("failed to start UDP listener on %s: %w", at, err)
		}
		t.sockets = append(t.sockets, socket)
		if err := growReceiveBuffer(socket); err != nil {
			t.log.Warn("failed to resize UDP buffer", slog.String("addr", at.String()), logging.Err(err))
		}
	}
	return nil
}

// growReceiveBuffer asks for the largest buffer that the kernel grants.
func growReceiveBuffer(socket interface{ SetReadBuffer(bytes int) error }) error {
	var err error
	for size := receiveBuffer; size > 0; size /= 2 {
		if err = socket.SetReadBuffer(size); err == nil {
			return nil
		}
	}
	return err
}

// socketFor gives the socket to send from to a family of addresses: one bound to an address of the family, else one bound
// to all interfaces, which are of both families, else the first.
func (t *NetTransport) socketFor(ips []netip.Addr, isFamily func(netip.Addr) bool) *net.UDPConn {
	for i, ip := range ips {
		if isFamily(ip) && !ip.IsUnspecified() {
			return t.sockets[i]
		}
	}
	for i, ip := range ips {
		if ip.IsUnspecified() {
			return t.sockets[i]
		}
	}
	return t.sockets[0]
}

func (t *NetTransport) closeSockets() {
	for _, listener := range t.listeners {
		listener.Close()
	}
	for _, socket := range t.sockets {
		socket.Close()
	}
	if t.ctx.Err() == nil { // a failed attempt to bind, of which nothing may be left
		t.listeners, t.sockets = nil, nil
	}
}
