package sockets

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/goroutines"
)

func TestOpenFails(t *testing.T) {
	before := runtime.NumGoroutine()
	// A port that is free for TCP, but not for UDP.
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: ownLoopback()})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.LocalAddr().(*net.UDPAddr).Port

	for _, tt := range []struct {
		name  string
		addrs []string
		port  int
	}{
		{"no address", nil, 0},
		{"port taken", []string{ownLoopback().String()}, port},
		{"misspelt", []string{"127.0.0.256"}, 0},
		{"with port", []string{"127.0.0.1:0"}, 0},
		{"second misspelt", []string{"127.0.0.1", "[::1]"}, 0},
		{"twice the same", []string{"127.0.0.1", "127.0.0.1"}, 0},
		{"negative port", []string{"127.0.0.1"}, -1},
		{"port above all", []string{"127.0.0.1"}, 1 << 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(newConfig(tt.port, tt.addrs...))
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if tt.port == port {
				free, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ownLoopback(), Port: port})
				if err != nil {
					t.Fatalf("the TCP port was not left free: %v", err)
				}
				free.Close()
			}
		})
	}
	goroutines.Await(t, before, time.Minute)
}

func TestGrowReceiveBuffer(t *testing.T) {
	for _, limit := range []int{4 << 20, 1 << 20, 1000, 1, 0} {
		kernel := &limitedKernel{limit: limit}
		err := growReceiveBuffer(kernel)
		if (limit == 0) != (err != nil) {
			t.Errorf("limit %d: got error %v", limit, err)
		}
		if want := min(limit, receiveBuffer); kernel.granted > want || 2*kernel.granted < want {
			t.Errorf("limit %d: got %d bytes", limit, kernel.granted)
		}
	}
}

// limitedKernel grants buffers up to a limit.
type limitedKernel struct{ limit, granted int }

func (k *limitedKernel) SetReadBuffer(n int) error {
	if n > k.limit {
		return errors.New("too large")
	}
	k.granted = n
	return nil
}

func TestHostNamesAreBound(t *testing.T) {
	s := newLoopback(t, "localhost")
	for i := range s.listeners {
		tcp, udp := s.listeners[i].Addr().(*net.TCPAddr), s.udp[i].LocalAddr().(*net.UDPAddr)
		if !tcp.IP.IsLoopback() || !udp.IP.IsLoopback() || tcp.Port != s.Port() || udp.Port != s.Port() {
			t.Errorf("listens on %v and %v, want port %d of the loopback address", tcp, udp, s.Port())
		}
	}
	if got, err := s.AdvertiseAddr(""); err != nil || !got.IsLoopback() {
		t.Errorf("advertises %v, %v", got, err)
	}
}
