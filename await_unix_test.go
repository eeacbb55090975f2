//go:build unix

package memberlist

import (
	"bytes"
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestAwaitPacket: what is awaited is still there to be read whole, be it there before or after, empty or large; and nothing
// is awaited of a socket that is closed, before or meanwhile.
func TestAwaitPacket(t *testing.T) {
	for _, size := range []int{0, 1, 60000} {
		for _, before := range []bool{true, false} {
			socket := newUDPSocket(t)
			message := bytes.Repeat([]byte{7}, size)
			ready := make(chan bool)
			await := func() { ready <- awaitPacket(socket) }
			if !before {
				go await() // ends before the test does
			}
			if _, err := socket.WriteTo(message, socket.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if before {
				go await()
			}
			if !<-ready {
				t.Error("closed?")
			}
			buf := make([]byte, readBufferSize)
			n, _, err := socket.ReadFromUDPAddrPort(buf)
			if err != nil || !bytes.Equal(buf[:n], message) {
				t.Errorf("read %d bytes, %v, want %d", n, err, size)
			}
		}
	}
	for _, before := range []bool{true, false} {
		socket := newUDPSocket(t)
		if before {
			socket.Close()
		}
		ready := make(chan bool)
		go func() { ready <- awaitPacket(socket) }()
		socket.Close()
		if <-ready {
			t.Error("a packet on a closed socket")
		}
	}
}

// TestBufferGrowsWithTheFirstPacket: once a packet was received, a socket has as large a buffer as the kernel grants.
func TestBufferGrowsWithTheFirstPacket(t *testing.T) {
	other := newUDPSocket(t)
	small := receiveBufferOf(t, other)
	if err := growReceiveBuffer(other); err != nil {
		t.Fatal(err)
	}
	granted := receiveBufferOf(t, other)

	tr := newLoopbackTransport(t, "127.0.0.1")
	if got := receiveBufferOf(t, tr.sockets[0]); got != small {
		t.Errorf("has %d bytes before anything came, want %d", got, small)
	}
	if _, err := other.WriteTo([]byte("x"), tr.sockets[0].LocalAddr()); err != nil {
		t.Fatal(err)
	}
	<-tr.PacketCh()
	if got := receiveBufferOf(t, tr.sockets[0]); got != granted {
		t.Errorf("has %d bytes after a packet, want %d", got, granted)
	}
}

// receiveBufferOf gives how many bytes the kernel keeps for a socket.
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

func newUDPSocket(t *testing.T) *net.UDPConn {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}
