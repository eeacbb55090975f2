package sockets

import (
	"net"
	"testing"
	"time"
)

// TestArrivals: the time of a packet is that at which it arrived at the socket, however late it is read.
func TestArrivals(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Logf("%s: %v", ip, err)
			continue
		}
		defer socket.Close()
		reader := newArrivals(socket)
		right := 0
		for range 50 { // the kernel notes the times of all packets only some time after a first process wants them
			if right == 3 {
				break
			}
			if arrivalIsRight(t, socket, reader) {
				right++
			} else {
				right = 0
			}
		}
		if right < 3 {
			t.Errorf("%s: the times of packets are those at which they are read", ip)
		}
		buf := make([]byte, 10)
		if allocs := testing.AllocsPerRun(100, func() {
			_, _ = socket.WriteToUDPAddrPort([]byte("hello"), socket.LocalAddr().(*net.UDPAddr).AddrPort())
			_, _, _, _ = reader.read(buf)
		}); allocs > 0 {
			t.Errorf("%s: %v allocations a packet", ip, allocs)
		}
	}
}

// arrivalIsRight sends a packet, reads it some time later, and reports whether the time is that of the sending.
func arrivalIsRight(t *testing.T, socket *net.UDPConn, reader *arrivals) bool {
	t.Helper()
	buf := make([]byte, 10)
	before := time.Now()
	if _, err := socket.WriteTo([]byte("hello"), socket.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	for time.Since(after) < 10*time.Millisecond {
	}
	n, from, at, err := reader.read(buf)
	if err != nil || string(buf[:n]) != "hello" || from != socket.LocalAddr().(*net.UDPAddr).AddrPort() {
		t.Fatalf("%q from %v: %v", buf[:n], from, err)
	}
	const precision = 5 * time.Millisecond // of the wall clock against the monotonic one
	return !at.Before(before.Add(-precision)) && !at.After(after.Add(precision))
}
