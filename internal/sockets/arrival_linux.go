package sockets

import (
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// arrivals reads a UDP socket with the times at which packets arrived: the kernel notes them, since packets wait in the socket's buffer
// while this process is busy or stopped. It belongs to one goroutine.
type arrivals struct {
	socket  *net.UDPConn
	control [64]byte // of the last packet; aligned by the pointer before it
}

// newArrivals returns a reader of a socket. Where the kernel notes no times, packets arrive when they are read.
func newArrivals(socket *net.UDPConn) *arrivals {
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		})
	}
	return &arrivals{socket: socket}
}

// read reads a packet.
func (a *arrivals) read(b []byte) (n int, from netip.AddrPort, at time.Time, err error) {
	n, control, _, from, err := a.socket.ReadMsgUDPAddrPort(b, a.control[:])
	now := time.Now()
	return n, from, now.Add(-a.waited(now, control)), err
}

// waited returns how long the last packet has waited, by the first of its control messages, which have n bytes.
func (a *arrivals) waited(now time.Time, n int) time.Duration {
	const headerSize = int(unsafe.Sizeof(syscall.Cmsghdr{}))
	header := (*syscall.Cmsghdr)(unsafe.Pointer(&a.control))
	if n < headerSize+int(unsafe.Sizeof(syscall.Timespec{})) || header.Level != syscall.SOL_SOCKET || header.Type != syscall.SCM_TIMESTAMPNS {
		return 0
	}
	at := (*syscall.Timespec)(unsafe.Pointer(&a.control[headerSize]))
	return min(max(now.Sub(time.Unix(at.Unix())), 0), longestWait)
}

// longestWait limits the time for which a packet has waited, as the wall clock may be set meanwhile.
const longestWait = 10 * time.Second
