package simnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// addr returns the address of the i-th host of a test.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 7946)
}

// hosts makes a network with count endpoints, which is closed when the test ends.
func hosts(t *testing.T, count int) (*Network, []*Endpoint) {
	t.Helper()
	n := New(1)
	t.Cleanup(func() { n.Close() })
	var endpoints []*Endpoint
	for i := range count {
		endpoints = append(endpoints, listen(t, n, addr(i+1)))
	}
	return n, endpoints
}

func listen(t *testing.T, n *Network, a netip.AddrPort) *Endpoint {
	t.Helper()
	e, err := n.Listen(a)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func send(t *testing.T, from *Endpoint, message string, to *Endpoint) {
	t.Helper()
	if err := from.Send([]byte(message), to.Addr()); err != nil {
		t.Fatal(err)
	}
}

// arrived returns the packets in an endpoint's queue, in order.
func arrived(e *Endpoint) []string {
	var all []string
	for {
		select {
		case p := <-e.Packets():
			all = append(all, string(p.Data))
		default:
			return all
		}
	}
}

// connect returns a connection's two ends, the dialler's first.
func connect(t *testing.T, from, to *Endpoint) (near, far net.Conn) {
	t.Helper()
	near, err := from.Dial(t.Context(), to.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return near, <-to.Streams()
}

func write(t *testing.T, c net.Conn, message string) {
	t.Helper()
	if n, err := c.Write([]byte(message)); n != len(message) || err != nil {
		t.Fatalf("write: got %d, %v", n, err)
	}
}

// readFull reads as many bytes as want has, and compares them.
func readFull(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read: got %q, %v, want %q", b[:n], err, want)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// bubble runs a test in virtual time.
func bubble(name string, t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// took fails unless want has passed since then.
func took(t *testing.T, since time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(since); got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestListen(t *testing.T) {
	n, e := hosts(t, 1)
	_, err := n.Listen(addr(1))
	wantError(t, "in use", err, ErrInUse)
	_, err = n.Listen(netip.AddrPort{})
	wantError(t, "no address", err, ErrInvalid)
	_, err = n.Listen(netip.AddrPortFrom(addr(1).Addr(), 0))
	wantError(t, "no port", err, ErrInvalid)

	if got := n.Addrs(); len(got) != 1 || got[0] != addr(1) {
		t.Errorf("addrs: got %v", got)
	}
	for range 2 {
		if err := e[0].Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(addr(1).Addr().As16()), addr(1).Port())
	again := listen(t, n, mapped)
	if again.Addr() != addr(1) {
		t.Errorf("addr: got %v, want %v", again.Addr(), addr(1))
	}
	n.Close()
	_, err = n.Listen(addr(2))
	wantError(t, "closed network", err, net.ErrClosed)
	select {
	case <-again.Done():
	default:
		t.Error("the network is closed, its endpoint is not")
	}
}

func TestClosedEndpoint(t *testing.T) {
	_, e := hosts(t, 2)
	near, far := connect(t, e[0], e[1])
	waiting, err := e[0].Dial(t.Context(), e[1].Addr())
	if err != nil {
		t.Fatal(err)
	}
	e[1].Close()

	wantError(t, "send from it", e[1].Send(nil, addr(1)), net.ErrClosed)
	_, err = e[1].Dial(t.Context(), addr(1))
	wantError(t, "dial from it", err, net.ErrClosed)
	_, err = e[0].Dial(t.Context(), addr(2))
	wantError(t, "dial to it", err, ErrRefused)
	if err := e[0].Send(nil, addr(2)); err != nil {
		t.Errorf("send to it: got %v, want nil as with UDP", err)
	}
	_, err = far.Read(make([]byte, 1))
	wantError(t, "its connection", err, net.ErrClosed)
	for _, c := range []net.Conn{near, waiting} {
		_, err = c.Read(make([]byte, 1))
		wantError(t, "the other end", err, io.EOF)
	}
	if got := len(e[1].Streams()); got != 0 {
		t.Errorf("%d connections are left in the backlog", got)
	}
}

func TestOffer(t *testing.T) {
	_, e := hosts(t, 1)
	a, b := net.Pipe()
	defer b.Close()
	if err := e[0].Offer(a); err != nil {
		t.Fatal(err)
	}
	if got := <-e[0].Streams(); got != a {
		t.Errorf("got another connection")
	}
	e[0].Close()
	wantError(t, "closed", e[0].Offer(a), net.ErrClosed)
	a.Close()
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end: got %v, want EOF", err)
	}
}

func TestStats(t *testing.T) {
	n, e := hosts(t, 2)
	send(t, e[0], "four", e[1])
	e[0].Send([]byte("x"), addr(9))
	n.SetDefault(Link{PacketsDown: true})
	send(t, e[0], "lost", e[1])
	n.SetDefault(Link{Duplicate: 1})
	send(t, e[0], "twice", e[1])
	n.SetDefault(Link{})
	for range packetQueue {
		send(t, e[0], "", e[1])
	}
	near, _ := connect(t, e[0], e[1])
	write(t, near, "sixsix")
	e[0].Dial(t.Context(), addr(9))

	want := Stats{
		PacketsSent:       4 + packetQueue,
		PacketsDelivered:  packetQueue,
		PacketsLost:       1,
		PacketsDuplicated: 1,
		PacketsDropped:    3,
		PacketsUnrouted:   1,
		PacketBytes:       4 + 1 + 4 + 5,
		StreamsOpened:     1,
		StreamsRefused:    1,
		StreamBytes:       6,
	}
	if got := n.Stats(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
