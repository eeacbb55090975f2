//go:build unix

package memberlist

import (
	"bytes"
	"net"
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

func newUDPSocket(t *testing.T) *net.UDPConn {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}
