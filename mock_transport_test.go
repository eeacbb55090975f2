package memberlist

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mockPair returns two transports of one network, which are shut down when the test ends.
func mockPair(t *testing.T) (a, b *MockTransport) {
	t.Helper()
	var network MockNetwork
	a, b = network.NewTransport("a"), network.NewTransport("b")
	t.Cleanup(func() {
		a.Shutdown()
		b.Shutdown()
	})
	return a, b
}

func TestMockNetworkAddresses(t *testing.T) {
	a, b := mockPair(t)
	for i, tr := range []*MockTransport{a, b} {
		ip, port, err := tr.FinalAdvertiseAddr("192.0.2.1", 7946)
		if err != nil || !ip.Equal(net.IPv4(127, 0, 0, 1)) || port != 1+i {
			t.Errorf("advertised: got %v, %d, %v", ip, port, err)
		}
	}
	if got := b.addr.Network(); got != "mock" {
		t.Errorf("network: got %q", got)
	}
	if got := b.addr.String(); got != "127.0.0.1:2" {
		t.Errorf("address: got %q", got)
	}
	last := netip.MustParseAddrPort("127.0.0.1:65535")
	if got := nextMockAddr(last).String(); got != "127.0.0.2:1" {
		t.Errorf("after %v: got %v", last, got)
	}
}

func TestMockTransportPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mockPair(t)
		send := []struct {
			name  string
			write func(b []byte) (time.Time, error)
		}{
			{"address", func(buf []byte) (time.Time, error) { return a.WriteTo(buf, b.addr.String()) }},
			{"name", func(buf []byte) (time.Time, error) {
				return a.WriteToAddress(buf, Address{Addr: "ignored", Name: "b"})
			}},
			{"Address", func(buf []byte) (time.Time, error) {
				return a.WriteToAddress(buf, Address{Addr: b.addr.String()})
			}},
		}
		for _, s := range send {
			buf := []byte(s.name)
			at, err := s.write(buf)
			if err != nil || !at.Equal(time.Now()) {
				t.Fatalf("%s: got %v, %v", s.name, at, err)
			}
			clear(buf) // the caller may write to it again
			p := <-b.PacketCh()
			if string(p.Buf) != s.name || p.From != a.addr || !p.Timestamp.Equal(at) {
				t.Errorf("%s: got %q from %v at %v", s.name, p.Buf, p.From, p.Timestamp)
			}
		}
		for _, to := range []Address{{Addr: "127.0.0.1:9"}, {Addr: b.addr.String(), Name: "c"}} {
			_, err := a.WriteToAddress([]byte("x"), to)
			if err == nil || err.Error() != "no route to "+to.String() {
				t.Errorf("write: got %v", err)
			}
			_, err = a.DialAddressTimeout(to, time.Second)
			if err == nil || err.Error() != "no route to "+to.String() {
				t.Errorf("dial: got %v", err)
			}
		}
		const large = 1 << 20 // more than a UDP packet holds
		if _, err := a.WriteTo(make([]byte, large), b.addr.String()); err != nil {
			t.Error(err)
		} else if p := <-b.PacketCh(); len(p.Buf) != large {
			t.Errorf("got %d bytes of %d", len(p.Buf), large)
		}
	})
}

// TestMockTransportPacketsAreDropped: a receiver that does not read its channel must not block the sender.
func TestMockTransportPacketsAreDropped(t *testing.T) {
	a, b := mockPair(t)
	for range mockPacketQueue + 10 {
		if _, err := a.WriteTo([]byte("x"), b.addr.String()); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(b.PacketCh()); got != mockPacketQueue {
		t.Errorf("%d wait", got)
	}
}

func TestMockTransportStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mockPair(t)
		near, err := a.DialTimeout(b.addr.String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		far := <-b.StreamCh()
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		near.Close()
		if got, err := io.ReadAll(far); err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}

		// No stream is accepted, so that the backlog fills up.
		start := time.Now()
		for err == nil {
			_, err = a.DialAddressTimeout(Address{Name: "b"}, time.Second)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// closeRecorder records whether it was closed.
type closeRecorder struct {
	net.Conn
	closed bool
}

func (c *closeRecorder) Close() error {
	c.closed = true
	return c.Conn.Close()
}

func TestMockTransportIngest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := mockPair(t)
		from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
		ingest := func(content string, shouldClose bool) (*closeRecorder, error) {
			near, far := net.Pipe()
			go func() {
				io.WriteString(far, content)
				far.Close()
			}()
			conn := &closeRecorder{Conn: near}
			return conn, a.IngestPacket(conn, from, time.Unix(7, 0), shouldClose)
		}
		if _, err := ingest("packet", true); err != nil {
			t.Fatal(err)
		}
		p := <-a.PacketCh()
		if string(p.Buf) != "packet" || p.From != net.Addr(from) || !p.Timestamp.Equal(time.Unix(7, 0)) {
			t.Errorf("got %q from %v at %v", p.Buf, p.From, p.Timestamp)
		}
		conn, err := ingest("", true)
		if err == nil || !conn.closed {
			t.Errorf("an empty packet: got %v, closed %v", err, conn.closed)
		}
		if _, err = ingest(strings.Repeat("x", 1<<16+1), true); !errors.Is(err, ErrMessageTooLarge) {
			t.Errorf("too large a packet: got %v", err)
		}
		conn, err = ingest("another", false)
		if err != nil || conn.closed {
			t.Errorf("not to be closed: got %v, closed %v", err, conn.closed)
		}
		<-a.PacketCh()
		conn.Close()
		if err := a.IngestPacket(conn, from, time.Now(), true); err == nil {
			t.Error("a read that fails: no error")
		}

		near, far := net.Pipe()
		defer far.Close()
		if err := a.IngestStream(near); err != nil {
			t.Fatal(err)
		}
		if got := <-a.StreamCh(); got != near {
			t.Error("got another stream")
		}

		// The channel is not read and fills up; Shutdown ends the wait.
		time.AfterFunc(time.Second, func() { a.Shutdown() })
		for err = nil; err == nil; {
			_, err = ingest("packet", true)
		}
		if !errors.Is(err, ErrShutdown) {
			t.Errorf("got %v", err)
		}
		if _, err = ingest("packet", true); !errors.Is(err, ErrShutdown) {
			t.Errorf("after Shutdown: got %v", err)
		}
		if err := a.IngestStream(near); !errors.Is(err, ErrShutdown) {
			t.Errorf("stream after Shutdown: got %v", err)
		}
		near.Close()
	})
}

func TestMockTransportShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mockPair(t)
		near, err := a.DialTimeout(b.addr.String(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := b.Shutdown(); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		}
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("its stream: got %v, want EOF", err)
		}
		if _, err := a.WriteTo([]byte("x"), b.addr.String()); err != nil {
			t.Errorf("a packet to it: got %v, want nil as with UDP", err)
		}
		if _, err := a.DialTimeout(b.addr.String(), time.Second); err == nil || errors.Is(err, ErrShutdown) {
			t.Errorf("a stream to it: got %v, want that it was refused", err)
		}
		if _, err := b.WriteTo([]byte("x"), a.addr.String()); !errors.Is(err, ErrShutdown) {
			t.Errorf("a packet from it: got %v", err)
		}
		if _, err := b.DialTimeout(a.addr.String(), time.Second); !errors.Is(err, ErrShutdown) {
			t.Errorf("a stream from it: got %v", err)
		}

		again := a.net.NewTransport("b") // as a member that was restarted
		if _, err := a.WriteToAddress([]byte("welcome"), Address{Name: "b"}); err != nil {
			t.Error(err)
		}
		if p := <-again.PacketCh(); string(p.Buf) != "welcome" {
			t.Errorf("got %q", p.Buf)
		}
	})
}

func TestMockTransportShutdownEndsDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mockPair(t)
		time.AfterFunc(time.Second, func() { a.Shutdown() })
		var err error
		for err == nil {
			_, err = a.DialTimeout(b.addr.String(), time.Hour)
		}
		if !errors.Is(err, ErrShutdown) {
			t.Errorf("got %v", err)
		}
	})
}
