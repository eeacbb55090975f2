//go:build !linux

package sockets

import (
	"net"
	"net/netip"
	"time"
)

// arrivals reads a UDP socket. The time at which a packet arrived is that at which it is read.
type arrivals struct{ socket *net.UDPConn }

func newArrivals(socket *net.UDPConn) *arrivals { return &arrivals{socket} }

// read reads a packet.
func (a *arrivals) read(b []byte) (n int, from netip.AddrPort, at time.Time, err error) {
	n, from, err = a.socket.ReadFromUDPAddrPort(b)
	return n, from, time.Now(), err
}
