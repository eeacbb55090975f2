package memberlist

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/goroutines"
)

// newLoopbackTransport returns a transport at these addresses and a port that the kernel chooses. It is shut down
// when the test ends.
func newLoopbackTransport(t *testing.T, addrs ...string) *NetTransport {
	t.Helper()
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: addrs, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Shutdown() })
	return tr
}

// loopbacks returns the loopback addresses of this machine.
func loopbacks(t *testing.T) []string {
	t.Helper()
	addrs := []string{"127.0.0.1"}
	if socket, err := net.ListenPacket("udp", "[::1]:0"); err == nil {
		socket.Close()
		addrs = append(addrs, "::1")
	}
	return addrs
}

func receivePacket(t *testing.T, tr Transport) *Packet {
	t.Helper()
	select {
	case p := <-tr.PacketCh():
		return p
	case <-t.Context().Done():
		return nil
	case <-time.After(time.Minute):
		t.Fatal("no packet")
		return nil
	}
}

func receiveStream(t *testing.T, tr Transport) net.Conn {
	t.Helper()
	select {
	case conn := <-tr.StreamCh():
		return conn
	case <-time.After(time.Minute):
		t.Fatal("no stream")
		return nil
	}
}

func TestNetTransportCarriesPackets(t *testing.T) {
	for _, ip := range loopbacks(t) {
		t.Run(ip, func(t *testing.T) {
			a, b := newLoopbackTransport(t, ip), newLoopbackTransport(t, ip)
			to := joinHostPort(ip, uint16(b.GetAutoBindPort()))
			for name, send := range map[string]func([]byte) (time.Time, error){
				"WriteTo":        func(p []byte) (time.Time, error) { return a.WriteTo(p, to) },
				"WriteToAddress": func(p []byte) (time.Time, error) { return a.WriteToAddress(p, Address{Addr: to, Name: "b"}) },
				"send":           func(p []byte) (time.Time, error) { return time.Now(), a.send(p, netip.MustParseAddrPort(to)) },
			} {
				t.Run(name, func(t *testing.T) {
					for _, size := range []int{1, 1400, 20000} {
						body := bytes.Repeat([]byte{byte(size)}, size)
						before := time.Now()
						sent, err := send(body)
						if err != nil {
							t.Fatal(err)
						}
						p := receivePacket(t, b)
						if !bytes.Equal(p.Buf, body) {
							t.Errorf("got %d bytes, want %d", len(p.Buf), size)
						}
						if sent.Before(before) || p.Timestamp.Before(before) || p.Timestamp.After(time.Now()) {
							t.Errorf("sent at %v, received at %v, but began at %v", sent, p.Timestamp, before)
						}
						if got, want := p.From.String(), joinHostPort(ip, uint16(a.GetAutoBindPort())); got != want {
							t.Errorf("from %s, want %s", got, want)
						}
						b.releasePacket(p)
					}
				})
			}
		})
	}
}

func TestNetTransportCarriesStreams(t *testing.T) {
	for _, ip := range loopbacks(t) {
		t.Run(ip, func(t *testing.T) {
			a, b := newLoopbackTransport(t, ip), newLoopbackTransport(t, ip)
			to := Address{Addr: joinHostPort(ip, uint16(b.GetAutoBindPort())), Name: "b"}
			dialled, err := a.DialAddressTimeout(to, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			accepted := receiveStream(t, b)
			defer accepted.Close()
			for _, way := range [][2]net.Conn{{dialled, accepted}, {accepted, dialled}} {
				if _, err := way[0].Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 5)
				if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "hello" {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
}

func TestNetTransportSendsToMappedAddresses(t *testing.T) {
	a, b := newLoopbackTransport(t, "127.0.0.1"), newLoopbackTransport(t, "127.0.0.1")
	mapped := netip.AddrFrom16(netip.MustParseAddr("127.0.0.1").As16())
	if err := a.send([]byte("x"), netip.AddrPortFrom(mapped, uint16(b.GetAutoBindPort()))); err != nil {
		t.Fatal(err)
	}
	receivePacket(t, b)
}

func TestNetTransportSendsToHostNames(t *testing.T) {
	a, b := newLoopbackTransport(t, "127.0.0.1"), newLoopbackTransport(t, "127.0.0.1")
	if _, err := a.WriteTo([]byte("x"), joinHostPort("localhost", uint16(b.GetAutoBindPort()))); err != nil {
		t.Fatal(err)
	}
	receivePacket(t, b)
	if _, err := a.WriteTo([]byte("x"), "no port"); !errors.Is(err, ErrInvalidAddress) {
		t.Errorf("got error %v, want %v", err, ErrInvalidAddress)
	}
}

func TestNetTransportShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	tr := newLoopbackTransport(t, loopbacks(t)...)
	to := joinHostPort("127.0.0.1", uint16(tr.GetAutoBindPort()))

	// A connection and packets that are not read.
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 * packetBacklog {
		if _, err := tr.WriteTo([]byte("x"), to); err != nil {
			t.Fatal(err)
		}
	}
	var shutdowns sync.WaitGroup
	for range 4 {
		shutdowns.Go(func() {
			if err := tr.Shutdown(); err != nil {
				t.Error(err)
			}
		})
	}
	shutdowns.Wait()
	goroutines.Await(t, before, time.Minute)

	conn.SetReadDeadline(time.Now().Add(time.Minute))
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); err == nil || (errors.As(err, &timeout) && timeout.Timeout()) {
		t.Errorf("the unclaimed connection is still open: %v", err)
	}
	if len(tr.PacketCh()) > 0 {
		t.Error("packets are left")
	}
	if _, err := tr.WriteTo([]byte("x"), to); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo: got error %v, want %v", err, net.ErrClosed)
	}
	if _, err := tr.DialTimeout(to, time.Second); !errors.Is(err, ErrShutdown) {
		t.Errorf("DialTimeout: got error %v, want %v", err, ErrShutdown)
	}
	mine, theirs := net.Pipe()
	defer mine.Close()
	defer theirs.Close()
	if err := tr.IngestStream(mine); !errors.Is(err, ErrShutdown) {
		t.Errorf("IngestStream: got error %v, want %v", err, ErrShutdown)
	}
	if err := tr.IngestPacket(inPieces([]byte("x"), 1), nil, time.Now(), false); !errors.Is(err, ErrShutdown) {
		t.Errorf("IngestPacket: got error %v, want %v", err, ErrShutdown)
	}
	if again, err := NewNetTransport(&NetTransportConfig{
		BindAddrs: []string{"127.0.0.1"}, BindPort: tr.GetAutoBindPort(), Logger: log.New(io.Discard, "", 0),
	}); err != nil {
		t.Errorf("the port is still taken: %v", err)
	} else {
		again.Shutdown()
	}
}

func TestNetTransportShutdownEndsIngestion(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	mine, theirs := net.Pipe()
	defer mine.Close()
	defer theirs.Close()
	errs := make(chan error)
	go func() { errs <- tr.IngestStream(mine) }()
	for range packetBacklog {
		if err := tr.IngestPacket(inPieces([]byte("x"), 1), nil, time.Now(), false); err != nil {
			t.Fatal(err)
		}
	}
	go func() { errs <- tr.IngestPacket(inPieces([]byte("x"), 1), nil, time.Now(), false) }()
	tr.Shutdown()
	first, second := <-errs, <-errs
	// The last packet may have been queued when Shutdown emptied the channel.
	if !errors.Is(first, ErrShutdown) && !errors.Is(second, ErrShutdown) {
		t.Errorf("got errors %v and %v", first, second)
	}
}

func TestNetTransportDropsEmptyPackets(t *testing.T) {
	a, b := newLoopbackTransport(t, "127.0.0.1"), newLoopbackTransport(t, "127.0.0.1")
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(b.GetAutoBindPort()))
	for _, body := range []string{"", "x"} {
		if err := a.send([]byte(body), to); err != nil {
			t.Fatal(err)
		}
	}
	if p := receivePacket(t, b); string(p.Buf) != "x" {
		t.Errorf("got packet %q", p.Buf)
	}
}

func TestNetTransportFinalAdvertiseAddr(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	bound := tr.GetAutoBindPort()
	for _, tt := range []struct {
		name     string
		ip       string
		port     int
		want     net.IP // nil: an error
		wantPort int
	}{
		{"bound", "", 0, net.IP{127, 0, 0, 1}, bound},
		{"bound, whatever the port", "", 80, net.IP{127, 0, 0, 1}, bound},
		{"IPv4", "10.0.0.1", 80, net.IP{10, 0, 0, 1}, 80},
		{"IPv4 without port", "10.0.0.1", 0, net.IP{10, 0, 0, 1}, bound},
		{"IPv4 in IPv6", "::ffff:10.0.0.1", 80, net.IP{10, 0, 0, 1}, 80},
		{"IPv6", "fd00::1", 80, net.ParseIP("fd00::1"), 80},
		{"host name", "localhost", 80, net.IP{127, 0, 0, 1}, 80},
		{"misspelt", "10.0.0.256", 80, nil, 0},
		{"with port", "10.0.0.1:80", 80, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ip, port, err := tr.FinalAdvertiseAddr(tt.ip, tt.port)
			if !ip.Equal(tt.want) || port != tt.wantPort {
				t.Errorf("got %v:%d, want %v:%d", ip, port, tt.want, tt.wantPort)
			}
			if refused := tt.want == nil; refused != errors.Is(err, ErrInvalidAddress) || refused != (err != nil) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestNetTransportNeverAdvertisesAllInterfaces(t *testing.T) {
	for _, bind := range []string{"0.0.0.0", "::"} {
		ip, _, err := newLoopbackTransport(t, bind).FinalAdvertiseAddr("", 0)
		if errors.Is(err, ErrNoAdvertiseAddress) {
			t.Skip("this machine has no address to advertise")
		}
		if err != nil || ip.IsUnspecified() {
			t.Errorf("bound to %s: advertises %v, %v", bind, ip, err)
		}
	}
}

// closeCounter is a connection that counts its Close calls.
type closeCounter struct {
	*scriptConn
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func TestNetTransportIngestsPackets(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	from := &net.UDPAddr{IP: net.IP{10, 0, 0, 1}, Port: 80}
	at := time.Unix(100, 0)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		size int
		err  error // of the connection
		ok   bool
		is   error
	}{
		{"one byte", 1, io.EOF, true, nil},
		{"packet", 1400, io.EOF, true, nil},
		{"largest", maxIngest, io.EOF, true, nil},
		{"larger", maxIngest + 1, io.EOF, false, ErrMessageTooLarge},
		{"empty", 0, io.EOF, false, nil},
		{"broken", 10, broken, false, broken},
	} {
		for _, shouldClose := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				body := bytes.Repeat([]byte{7}, tt.size)
				conn := &closeCounter{scriptConn: inPieces(body, 1000)}
				conn.err = tt.err
				err := tr.IngestPacket(conn, from, at, shouldClose)
				if want := map[bool]int{true: 1}[shouldClose]; conn.closed != want {
					t.Errorf("closed %d times, want %d", conn.closed, want)
				}
				if tt.ok != (err == nil) || (tt.is != nil && !errors.Is(err, tt.is)) {
					t.Fatalf("got error %v", err)
				}
				if !tt.ok {
					return
				}
				p := receivePacket(t, tr)
				if !bytes.Equal(p.Buf, body) || p.From.String() != from.String() || !p.Timestamp.Equal(at) {
					t.Errorf("got %d bytes from %v at %v", len(p.Buf), p.From, p.Timestamp)
				}
				if p.From == net.Addr(from) {
					t.Error("the packet shares its address, which is used again with it")
				}
				tr.releasePacket(p)
			})
		}
	}
}

func TestNetTransportIngestsStreams(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	mine, theirs := net.Pipe()
	defer mine.Close()
	defer theirs.Close()
	done := make(chan error)
	go func() { done <- tr.IngestStream(mine) }()
	if got := receiveStream(t, tr); got != mine {
		t.Errorf("got another connection")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNetTransportSendsWithoutAllocating(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	to := sink.LocalAddr().String()
	b := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() { tr.WriteTo(b, to) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNetTransportPacket(b *testing.B) {
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		b.Fatal(err)
	}
	defer tr.Shutdown()
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(tr.GetAutoBindPort()))
	body := make([]byte, 1400)
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.send(body, to); err != nil {
			b.Fatal(err)
		}
		tr.releasePacket(<-tr.PacketCh())
	}
}

// TestNetTransportDialEndsWithItsContext: when the context ends, the connection attempt is aborted.
func TestNetTransportDialEndsWithItsContext(t *testing.T) {
	tr := newLoopbackTransport(t, "127.0.0.1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := tr.dial(ctx, joinHostPort("127.0.0.1", uint16(tr.GetAutoBindPort())), time.Now().Add(time.Minute)); err == nil {
		conn.Close()
		t.Error("dialled though the context had ended")
	}
}

func TestNetTransportOnSeveralAddresses(t *testing.T) {
	ips := loopbacks(t)
	if len(ips) < 2 {
		t.Skip("no IPv6 loopback")
	}
	a, b := newLoopbackTransport(t, ips...), newLoopbackTransport(t, ips...)
	for _, ip := range ips {
		to := joinHostPort(ip, uint16(b.GetAutoBindPort()))
		if _, err := a.WriteTo([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		p := receivePacket(t, b)
		if got, want := p.From.String(), joinHostPort(ip, uint16(a.GetAutoBindPort())); got != want {
			t.Errorf("a packet to %s came from %s, want from %s", to, got, want)
		}
		conn, err := a.DialTimeout(to, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		receiveStream(t, b).Close()
	}
}

func TestNetTransportOnAllInterfaces(t *testing.T) {
	for _, bind := range []string{"", "0.0.0.0", "::"} {
		t.Run(bind, func(t *testing.T) {
			tr := newLoopbackTransport(t, bind)
			for _, ip := range loopbacks(t) {
				to := joinHostPort(ip, uint16(tr.GetAutoBindPort()))
				if _, err := tr.WriteTo([]byte("hello"), to); err != nil {
					t.Errorf("%s: %v", ip, err)
					continue
				}
				from := receivePacket(t, tr).From.(*net.UDPAddr)
				if got := from.String(); got != to {
					t.Errorf("got a packet from %s, want %s", got, to)
				}
				if from.IP.To4() != nil && len(from.IP) != net.IPv4len {
					t.Errorf("IPv4 address in %d bytes", len(from.IP))
				}
			}
		})
	}
}

func TestNetTransportBindsHostNames(t *testing.T) {
	tr := newLoopbackTransport(t, "localhost")
	ip, port, err := tr.FinalAdvertiseAddr("", 0)
	if err != nil || !ip.IsLoopback() || port != tr.GetAutoBindPort() {
		t.Errorf("advertises %v:%d, %v, want the loopback address", ip, port, err)
	}
}

// TestSeveralBindAddresses: a member can be reached at each of them, and advertises the first.
func TestSeveralBindAddresses(t *testing.T) {
	addrs := loopbacks(t)
	config := loopbackConfig("a")
	config.BindAddr, config.BindAddrs = "192.0.2.1", addrs // BindAddr is ignored
	a, err := Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Shutdown()
	b, err := Create(loopbackConfig("b"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown()
	for i, addr := range addrs {
		seed := joinHostPort(addr, uint16(config.BindPort))
		if a.LocalNode().Address() == seed != (i == 0) {
			t.Errorf("advertises %s", a.LocalNode().Address())
		}
		if n, err := b.Join([]string{seed}); n != 1 || err != nil {
			t.Errorf("join %s: %d, %v", seed, n, err)
		}
	}
	if a.NumMembers() != 2 || b.NumMembers() != 2 {
		t.Errorf("%d and %d members", a.NumMembers(), b.NumMembers())
	}
}
