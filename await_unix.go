//go:build unix

package memberlist

import (
	"errors"
	"net"
	"syscall"
)

// awaitPacket returns when there is something to be read from a socket, be it an error: until then a large buffer is not
// needed. It reports false if the socket was closed before.
func awaitPacket(socket *net.UDPConn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true // reading gives it, too
	}
	var first [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
	return !errors.Is(err, net.ErrClosed)
}
