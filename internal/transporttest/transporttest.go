// Package transporttest is what every Transport has to do, as tests: those of this module pass them, and so can those of programs.
package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/goroutines"
)

// within is the time for what should take milliseconds.
const within = 10 * time.Second

// Kind is a kind of transports.
type Kind struct {
	// New returns a new transport for a member with a name. It reaches the others that New returned in the same test, and is reached at
	// the address that FinalAdvertiseAddr("", 0) returns.
	New func(t *testing.T, name string) memberlist.Transport

	// MaxPacket is the largest packet, in bytes; a larger one is ErrMessageTooLarge. Zero: there is no limit.
	MaxPacket int

	// Reliable transports lose no packet while the receiver reads.
	Reliable bool

	// NoRefusal transports do not notice that no process listens at an address.
	NoRefusal bool
}

// Run runs all tests.
func Run(t *testing.T, k Kind) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Kind)
	}{
		{"packets", testPackets},
		{"packets from an address that can be answered", testSource},
		{"the sender's buffer is not kept", testBuffer},
		{"packets of many senders", testManySenders},
		{"too large", testTooLarge},
		{"names", testNames},
		{"streams", testStreams},
		{"large streams", testLargeStream},
		{"dial to nobody", testDialNobody},
		{"write to nobody", testWriteNobody},
		{"receiver that does not read", testUnread},
		{"shutdown", testShutdown},
		{"shutdown in use", testShutdownInUse},
		{"a cluster", testCluster},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, k) })
	}
}

// start returns a new transport and its address. It is shut down when the test ends.
func (k Kind) start(t *testing.T) (memberlist.Transport, string) {
	t.Helper()
	tr := k.New(t, t.Name())
	t.Cleanup(func() { shutDown(t, tr) })
	ip, port, err := tr.FinalAdvertiseAddr("", 0)
	if err != nil {
		t.Fatal(err)
	}
	return tr, net.JoinHostPort(ip.String(), strconv.Itoa(port))
}

// shutDown shuts a transport down as a Memberlist does: it receives from its channels meanwhile.
func shutDown(t *testing.T, tr memberlist.Transport) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- tr.Shutdown() }()
	packets, streams, timeout := tr.PacketCh(), tr.StreamCh(), time.After(within)
	for {
		select {
		case _, ok := <-packets:
			if !ok {
				packets = nil
			}
		case conn, ok := <-streams:
			if !ok {
				streams = nil
			} else {
				conn.Close()
			}
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		case <-timeout:
			t.Fatal("Shutdown does not return")
		}
	}
}

func receive(t *testing.T, tr memberlist.Transport) *memberlist.Packet {
	t.Helper()
	select {
	case p := <-tr.PacketCh():
		return p
	case <-time.After(within):
		t.Fatal("no packet")
		return nil
	}
}

func accept(t *testing.T, tr memberlist.Transport) net.Conn {
	t.Helper()
	select {
	case conn := <-tr.StreamCh():
		return conn
	case <-time.After(within):
		t.Fatal("no stream")
		return nil
	}
}

func testPackets(t *testing.T, k Kind) {
	a, _ := k.start(t)
	b, to := k.start(t)
	for _, size := range []int{1, 100, 1400, 20_000, 60_000} {
		body := bytes.Repeat([]byte{byte(size)}, size)
		before := time.Now()
		sent, err := a.WriteTo(body, to)
		if err != nil {
			t.Fatal(err)
		}
		p := receive(t, b)
		if !bytes.Equal(p.Buf, body) {
			t.Errorf("got %d bytes, want %d", len(p.Buf), size)
		}
		if sent.Before(before) || p.Timestamp.Before(before) || p.Timestamp.After(time.Now()) {
			t.Errorf("sent at %v, received at %v, but began at %v", sent, p.Timestamp, before)
		}
	}
}

func testSource(t *testing.T, k Kind) {
	a, at := k.start(t)
	b, to := k.start(t)
	if _, err := a.WriteTo([]byte("question"), to); err != nil {
		t.Fatal(err)
	}
	p := receive(t, b)
	if got := p.From.String(); got != at {
		t.Errorf("from %s, want %s", got, at)
	}
	if _, err := b.WriteTo([]byte("answer"), p.From.String()); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, a); string(got.Buf) != "answer" {
		t.Errorf("got %q", got.Buf)
	}
}

func testBuffer(t *testing.T, k Kind) {
	a, _ := k.start(t)
	b, to := k.start(t)
	buf := make([]byte, 8)
	for i := range 20 {
		copy(buf, fmt.Sprintf("packet%02d", i))
		if _, err := a.WriteTo(buf, to); err != nil {
			t.Fatal(err)
		}
		clear(buf)
		p := receive(t, b)
		if want := fmt.Sprintf("packet%02d", i); string(p.Buf) != want {
			t.Fatalf("got %q, want %q", p.Buf, want)
		}
		clear(p.Buf) // it is the receiver's
	}
}

func testManySenders(t *testing.T, k Kind) {
	b, to := k.start(t)
	const senders, each = 8, 4
	var sending sync.WaitGroup
	for i := range senders {
		a, _ := k.start(t)
		for range 2 {
			sending.Go(func() {
				for range each / 2 {
					if _, err := a.WriteTo([]byte{byte(i)}, to); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	var got [senders]int
	for range senders * each {
		select {
		case p := <-b.PacketCh():
			got[p.Buf[0]]++
		case <-time.After(within):
			if k.Reliable {
				t.Fatalf("got %v, want %d of each", got, each)
			}
			t.Skip("a packet was lost")
		}
	}
	sending.Wait()
	for i, n := range got {
		if n != each {
			t.Errorf("got %d packets of sender %d, want %d", n, i, each)
		}
	}
}

func testTooLarge(t *testing.T, k Kind) {
	if k.MaxPacket == 0 {
		t.Skip("packets have no limit")
	}
	a, _ := k.start(t)
	b, to := k.start(t)
	if _, err := a.WriteTo(make([]byte, k.MaxPacket+1), to); !errors.Is(err, memberlist.ErrMessageTooLarge) {
		t.Errorf("got error %v, want %v", err, memberlist.ErrMessageTooLarge)
	}
	if _, err := a.WriteTo(make([]byte, k.MaxPacket), to); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, b); len(p.Buf) != k.MaxPacket {
		t.Errorf("got %d bytes, want %d", len(p.Buf), k.MaxPacket)
	}
}

func testNames(t *testing.T, k Kind) {
	tr, _ := k.start(t)
	a, ok := tr.(memberlist.NodeAwareTransport)
	if !ok {
		t.Skip("it takes no names")
	}
	b, to := k.start(t)
	if _, err := a.WriteToAddress([]byte("x"), memberlist.Address{Addr: to}); err != nil {
		t.Fatal(err)
	}
	receive(t, b)
	conn, err := a.DialAddressTimeout(memberlist.Address{Addr: to}, within)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	accept(t, b).Close()
}

// dial returns both ends of a stream, which are closed when the test ends.
func dial(t *testing.T, a memberlist.Transport, to string, b memberlist.Transport) (near, far net.Conn) {
	t.Helper()
	near, err := a.DialTimeout(to, within)
	if err != nil {
		t.Fatal(err)
	}
	far = accept(t, b)
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	for _, conn := range []net.Conn{near, far} {
		if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}

func testStreams(t *testing.T, k Kind) {
	a, _ := k.start(t)
	b, to := k.start(t)
	near, far := dial(t, a, to, b)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		if _, err := way[0].Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	near.Close()
	if n, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the close: got %d bytes, %v, want %v", n, err, io.EOF)
	}
	near, _ = dial(t, a, to, b)
	near.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	var timeout net.Error
	if _, err := near.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("after the deadline: got %v", err)
	}
}

func testLargeStream(t *testing.T, k Kind) {
	a, _ := k.start(t)
	b, to := k.start(t)
	near, far := dial(t, a, to, b)
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		if _, err := near.Write(body); err != nil {
			t.Error(err)
		}
		near.Close()
	}()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, body) {
		t.Errorf("got %d bytes of %d, %v", len(got), len(body), err)
	}
}

func testDialNobody(t *testing.T, k Kind) {
	a, _ := k.start(t)
	b, to := k.start(t)
	shutDown(t, b)
	if conn, err := a.DialTimeout(to, within); err == nil {
		conn.Close()
		t.Error("no error")
	}
}

// testWriteNobody: packets to an address at which no process listens are lost, with or without an error, and disturb no others.
func testWriteNobody(t *testing.T, k Kind) {
	a, _ := k.start(t)
	gone, nobody := k.start(t)
	shutDown(t, gone)
	b, to := k.start(t)
	for range 10 {
		_, _ = a.WriteTo([]byte("x"), nobody)
	}
	if _, err := a.WriteTo([]byte("y"), to); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, b); string(p.Buf) != "y" {
		t.Errorf("got %q", p.Buf)
	}
	if k.NoRefusal {
		return
	}
	for deadline := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		if _, err := a.WriteTo([]byte("x"), nobody); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no error though no process listens")
		}
	}
}

// testUnread: a receiver that does not read its channel blocks no sender.
func testUnread(t *testing.T, k Kind) {
	a, _ := k.start(t)
	_, to := k.start(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			_, _ = a.WriteTo(make([]byte, 1400), to)
		}
	}()
	select {
	case <-done:
	case <-time.After(within):
		t.Error("WriteTo blocks")
	}
}

func testShutdown(t *testing.T, k Kind) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() { goroutines.Await(t, before, within) })
	a := k.New(t, "a")
	_, to := k.start(t)
	for range 2 {
		shutDown(t, a)
	}
	if _, err := a.WriteTo([]byte("x"), to); err == nil {
		t.Error("WriteTo: no error")
	}
	if conn, err := a.DialTimeout(to, within); err == nil {
		conn.Close()
		t.Error("DialTimeout: no error")
	}
}

// testShutdownInUse: Shutdown ends amid packets and dials, and leaves no goroutine behind.
func testShutdownInUse(t *testing.T, k Kind) {
	before := runtime.NumGoroutine()
	for range 5 {
		a, b := k.New(t, "a"), k.New(t, "b")
		ip, port, err := b.FinalAdvertiseAddr("", 0)
		if err != nil {
			t.Fatal(err)
		}
		to := net.JoinHostPort(ip.String(), strconv.Itoa(port))
		stop := make(chan struct{})
		var using sync.WaitGroup
		for range 4 {
			using.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					_, _ = a.WriteTo([]byte("x"), to)
					if conn, err := a.DialTimeout(to, 20*time.Millisecond); err == nil {
						conn.Close()
					}
				}
			})
		}
		receive(t, b)
		shutDown(t, a)
		close(stop)
		shutDown(t, b)
		using.Wait()
	}
	goroutines.Await(t, before, within)
}

// testCluster: members find each other, exchange messages, and notice who leaves.
func testCluster(t *testing.T, k Kind) {
	const n = 4
	var members []*memberlist.Memberlist
	messages := make(chan string, n)
	for i := range n {
		config := memberlist.DefaultLocalConfig()
		config.Name, config.LogOutput = fmt.Sprint("m", i), io.Discard
		config.Transport = k.New(t, config.Name)
		config.AdvertisePort, config.TCPTimeout = 0, within
		config.ProbeInterval, config.ProbeTimeout, config.GossipInterval = 100*time.Millisecond, 80*time.Millisecond, 20*time.Millisecond
		config.Delegate = delegate{messages}
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Shutdown() })
		members = append(members, m)
		if i > 0 {
			if _, err := m.Join([]string{members[0].LocalNode().Address()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	agree(t, members, n)
	if err := members[1].SendBestEffort(members[2].LocalNode(), []byte("packet")); err != nil {
		t.Fatal(err)
	}
	if got := <-messages; got != "packet" {
		t.Errorf("got %q", got)
	}
	if err := members[2].SendReliable(members[3].LocalNode(), []byte("stream")); err != nil {
		t.Fatal(err)
	}
	if got := <-messages; got != "stream" {
		t.Errorf("got %q", got)
	}
	_, err := members[0].Ping("m3", addr(members[3]))
	for deadline := time.Now().Add(within); err != nil && time.Now().Before(deadline); { // the machine may be too busy
		_, err = members[0].Ping("m3", addr(members[3]))
	}
	if err != nil {
		t.Error(err)
	}
	members[n-1].Shutdown()
	agree(t, members[:n-1], n-1)
	if err := members[n-2].Leave(within); err != nil {
		t.Error(err)
	}
	agree(t, members[:n-2], n-2)
}

func addr(m *memberlist.Memberlist) net.Addr {
	return &net.UDPAddr{IP: m.LocalNode().Addr, Port: int(m.LocalNode().Port)}
}

// agree waits until all members count n.
func agree(t *testing.T, members []*memberlist.Memberlist, n int) {
	t.Helper()
	for deadline := time.Now().Add(6 * within); ; time.Sleep(time.Millisecond) {
		agree := true
		for _, m := range members {
			agree = agree && m.NumMembers() == n
		}
		if agree {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all of %d members count %d", len(members), n)
		}
	}
}

// delegate passes user messages on.
type delegate struct{ messages chan<- string }

func (d delegate) NodeMeta(int) []byte             { return nil }
func (d delegate) NotifyMsg(b []byte)              { d.messages <- string(b) }
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (d delegate) LocalState(bool) []byte          { return nil }
func (d delegate) MergeRemoteState([]byte, bool)   {}
