//go:build unix

package sockets

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestReceiveBuffers: a socket has as large a buffer as the kernel grants before the first packet can come.
func TestReceiveBuffers(t *testing.T) {
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := growReceiveBuffer(other); err != nil {
		t.Fatal(err)
	}
	granted := receiveBufferOf(t, other)
	s := newLoopback(t, "127.0.0.1")
	if got := receiveBufferOf(t, s.udp[0]); got != granted {
		t.Errorf("has %d bytes, want %d", got, granted)
	}
}

// receiveBufferOf returns how many bytes the kernel keeps for a socket.
func receiveBufferOf(t *testing.T, socket *net.UDPConn) int {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	controlErr := raw.Control(func(fd uintptr) {
		size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	if err := errors.Join(controlErr, err); err != nil {
		t.Fatal(err)
	}
	return size
}
