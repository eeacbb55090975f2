package sockets

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/logging"
)

const (
	// receiveBuffer is how many bytes of received packets the kernel is asked to keep for each UDP socket; if it refuses,
	// half of that, and so on.
	receiveBuffer = 2 << 20

	// bindAttempts is how many ports are tried if any will do: one that is free for TCP may not be free for UDP.
	bindAttempts = 10
)

// bind opens all sockets, or none.
func (s *Sockets) bind(addrs []string, port int) error {
	ips := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		ip, err := s.bindAddr(addr)
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
		if s.listeners, s.udp, err = s.listen(ips, port); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	s.bindIP = ips[0]
	s.port = s.listeners[0].Addr().(*net.TCPAddr).Port
	s.routes = newRoutes(ips, s.udp, systemInterfaces())
	return nil
}

// bindAddr returns the IP address of a bind address.
func (s *Sockets) bindAddr(addr string) (netip.Addr, error) {
	if addr == "" {
		return netip.IPv4Unspecified(), nil
	}
	return s.resolver.Addr(s.ctx, addr)
}

// listen opens a TCP and a UDP socket for each address, at one port for all: the given one or, if that is 0, the one that the kernel
// picks for the first of them. After an error none is open.
//
// The listeners are not for Multipath TCP, which Go's are by default: members do not dial so, and each takes several times as long
// to open and to close.
func (s *Sockets) listen(ips []netip.Addr, port int) (listeners []*net.TCPListener, udp []*net.UDPConn, err error) {
	defer func() {
		if err != nil {
			closeAll(listeners, udp)
		}
	}()
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	for _, ip := range ips {
		at := netip.AddrPortFrom(ip, uint16(port))
		listener, err := config.Listen(s.ctx, "tcp", at.String())
		if err != nil {
			return listeners, udp, fmt.Errorf("failed to start TCP listener on %s: %w", at, err)
		}
		listeners = append(listeners, listener.(*net.TCPListener))
		port = listener.Addr().(*net.TCPAddr).Port
		at = netip.AddrPortFrom(ip, uint16(port))
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return listeners, udp, fmt.Errorf("failed to start UDP listener on %s: %w", at, err)
		}
		udp = append(udp, socket)
		if err := growReceiveBuffer(socket); err != nil {
			s.log.Warn("failed to resize UDP buffer", slog.String("addr", at.String()), logging.Err(err))
		}
	}
	return listeners, udp, nil
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

func closeAll(listeners []*net.TCPListener, udp []*net.UDPConn) {
	for _, listener := range listeners {
		listener.Close()
	}
	for _, socket := range udp {
		socket.Close()
	}
}
