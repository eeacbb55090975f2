package sockets

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/goroutines"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/resolve"
)

func newConfig(port int, addrs ...string) *Config {
	return &Config{
		BindAddrs: addrs, BindPort: port, Resolver: resolve.New(nil, resolve.Any), Log: logging.New(log.New(io.Discard, "", 0)),
	}
}

// newLoopback opens sockets at these addresses and a port of the kernel's choice. They are closed with the test.
func newLoopback(t *testing.T, addrs ...string) *Sockets {
	t.Helper()
	s, err := Open(newConfig(0, addrs...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// addr returns the address of sockets at 127.0.0.1.
func addr(s *Sockets) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(s.Port()))
}

// TestStart: packets and connections that arrive before the sockets are read wait there, and are then handed over.
func TestStart(t *testing.T) {
	from, to := newLoopback(t, "127.0.0.1"), newLoopback(t, "127.0.0.1")
	for _, body := range []string{"first", "", "third"} {
		if err := from.Send([]byte(body), addr(to)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := from.Dial(t.Context(), new(net.Dialer), addr(to).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packets, streams := make(chan *Packet), make(chan net.Conn)
	to.Start(func(p *Packet) bool { packets <- p; return true }, func(conn net.Conn) bool { streams <- conn; return true })
	for _, want := range []string{"first", "", "third"} {
		p := <-packets
		if string(p.Buf) != want || p.From.String() != addr(from).String() {
			t.Errorf("got packet %q from %v, want %q from %v", p.Buf, p.From, want, addr(from))
		}
		to.Release(p)
	}
	(<-streams).Close()
}

// TestIsRefused: a dial of a port where nobody listens is refused by the host, and no other failed dial is.
func TestIsRefused(t *testing.T) {
	if runtime.GOOS == "plan9" {
		t.Skip("it has only texts of errors")
	}
	from, to := newLoopback(t, "127.0.0.1"), newLoopback(t, "127.0.0.1")
	at := addr(to).String()
	to.Close()
	if conn, err := from.Dial(t.Context(), new(net.Dialer), at); err == nil || !IsRefused(err) {
		t.Errorf("nobody listens: %v, %v", conn, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := from.Dial(ended, new(net.Dialer), at)
	for _, err := range []error{err, nil, os.ErrDeadlineExceeded, io.EOF, net.ErrClosed} {
		if IsRefused(err) {
			t.Errorf("%v is a refusal", err)
		}
	}
}

// TestRefused: a goroutine ends when what it hands over is not taken, and closes the connection.
func TestRefused(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newLoopback(t, "127.0.0.1")
	s.Start(func(*Packet) bool { return false }, func(net.Conn) bool { return false })
	if err := s.Send([]byte("x"), addr(s)); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr(s).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	goroutines.Await(t, before, time.Minute)
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newLoopback(t, "127.0.0.1")
	s.Start(func(*Packet) bool { return true }, func(net.Conn) bool { return true })
	if s.Closed() {
		t.Error("closed before Close")
	}
	s.Close()
	s.Close()
	<-s.Done()
	if !s.Closed() {
		t.Error("not closed after Close")
	}
	goroutines.Await(t, before, time.Minute)
	if err := s.Send([]byte("x"), addr(s)); err == nil {
		t.Error("sent after Close")
	}
	if _, err := s.Dial(context.Background(), new(net.Dialer), addr(s).String()); err == nil {
		t.Error("dialled after Close")
	}
	again, err := Open(newConfig(s.Port(), "127.0.0.1"))
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	again.Close()
}

func TestDialEndsWithItsContext(t *testing.T) {
	s := newLoopback(t, "127.0.0.1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := s.Dial(ctx, new(net.Dialer), addr(s).String()); err == nil {
		conn.Close()
		t.Error("dialled though the context had ended")
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	s, sink := newLoopback(t, "127.0.0.1"), newLoopback(t, "127.0.0.1")
	b, to := make([]byte, 100), addr(sink)
	if n := testing.AllocsPerRun(100, func() { s.Send(b, to) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// ownLoopback returns a loopback address that other test processes do not use, where the system has more than one.
func ownLoopback() net.IP {
	if runtime.GOOS != "linux" {
		return net.IPv4(127, 0, 0, 1)
	}
	pid := os.Getpid()
	return net.IPv4(127, byte(1+pid>>14&0x7f), byte(pid>>7&0x7f), byte(1+pid&0x7f))
}

// TestCloseWaits: Close returns when the functions that Start was given have returned, whatever they do.
func TestCloseWaits(t *testing.T) {
	s := newLoopback(t, "127.0.0.1")
	var returned atomic.Int32
	called := make(chan struct{})
	block := func() bool {
		called <- struct{}{}
		<-s.Done()
		returned.Add(1)
		return false
	}
	s.Start(func(*Packet) bool { return block() }, func(net.Conn) bool { return block() })
	if err := s.Send([]byte("x"), addr(s)); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr(s).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-called
	<-called
	s.Close()
	if got := returned.Load(); got != 2 {
		t.Errorf("%d functions had returned when Close did, want 2", got)
	}
}

// TestCloseEndsDials, with and without a context of their own.
func TestCloseEndsDials(t *testing.T) {
	with, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, ctx := range map[string]context.Context{"with": with, "without": context.Background()} {
		s := newLoopback(t, "127.0.0.1")
		dialling := make(chan struct{}, 1)
		dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case dialling <- struct{}{}:
			default:
			}
			<-ctx.Done() // a server that does not answer
			return nil, ctx.Err()
		}}}
		ended := make(chan error)
		go func() { // ends with the dial
			_, err := s.Dial(ctx, dialer, "host.example.com:7946")
			ended <- err
		}()
		<-dialling
		s.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s a context: got error %v, want %v", name, err, context.Canceled)
		}
	}
}

func TestReceivingDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector a pool drops some of what is put there")
	}
	s := newLoopback(t, "127.0.0.1")
	packets := make(chan *Packet)
	s.Start(func(p *Packet) bool {
		select {
		case packets <- p:
			return true
		case <-s.Done():
			return false
		}
	}, func(net.Conn) bool { return false })
	b, to := make([]byte, 1000), addr(s)
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Send(b, to); err != nil {
			t.Fatal(err)
		}
		s.Release(<-packets)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSendToMappedAddress: an IPv4 address in IPv6 form is one of IPv4.
func TestSendToMappedAddress(t *testing.T) {
	if socket, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 loopback")
	} else {
		socket.Close()
	}
	from, to := newLoopback(t, "127.0.0.1", "::1"), newLoopback(t, "127.0.0.1")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(addr(to).Addr().As16()), addr(to).Port())
	if err := from.Send([]byte("x"), mapped); err != nil {
		t.Fatal(err)
	}
	packets := make(chan *Packet, 1)
	to.Start(func(p *Packet) bool { packets <- p; return true }, func(net.Conn) bool { return false })
	if p := <-packets; p.From.String() != addr(from).String() {
		t.Errorf("from %v, want %v", p.From, addr(from))
	}
}
