package tcptransport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
)

// onNetwork runs a test in a bubble with n transports on a network in memory with a latency of a millisecond, all with one configuration.
func onNetwork(t *testing.T, n int, config Config, test func(t *testing.T, network *simnet.Network, trs []*Transport)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		network.SetDefault(simnet.Link{Latency: time.Millisecond})
		var trs []*Transport
		for i := range n {
			tr := start(t, onSim(network, i, config))
			if _, _, err := tr.FinalAdvertiseAddr("", 0); err != nil {
				t.Fatal(err)
			}
			trs = append(trs, tr)
		}
		test(t, network, trs)
		for _, tr := range trs {
			tr.Shutdown()
		}
		network.Close()
	})
}

// write writes a packet, and returns the error.
func write(tr *Transport, to *Transport, text string) error {
	_, err := tr.WriteTo([]byte(text), to.addr())
	return err
}

// TestWriteNeverBlocks: writes to a peer that cannot be reached take no time; what is kept is bounded.
func TestWriteNeverBlocks(t *testing.T) {
	onNetwork(t, 3, Config{QueuePackets: 4}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b, c := trs[0], trs[1], trs[2]
		network.Down(simAddr(1))
		began := time.Now()
		_ = write(a, b, "first")
		synctest.Wait() // it is being dialled for
		for i := range 1000 {
			to := b.addr()
			if _, err := a.WriteTo(fmt.Append(nil, "gossip ", i), to); err != nil {
				t.Fatal(err)
			}
			if i%500 == 0 {
				if _, err := a.WriteUrgent(fmt.Append(nil, "ping ", i), memberlist.Address{Addr: to}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("writing took %v", took)
		}
		send(t, a, c, "another peer is not disturbed")
		network.Up(simAddr(1))
		var got []string
		for range 5 {
			got = append(got, string(receive(t, b).Buf))
		}
		if want := []string{"first", "ping 0", "ping 500", "gossip 998", "gossip 999"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if s := a.Stats(); s.PacketsDropped != 998 || s.PacketsSent != 6 {
			t.Errorf("got %+v, want 998 packets dropped and 6 sent", s)
		}
	})
}

// TestErrorIsReturnedByTheNextWrite: the reason why a peer cannot be reached is returned, until it is there again.
func TestErrorIsReturnedByTheNextWrite(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		b.Shutdown()
		if err := write(a, b, "x"); err != nil {
			t.Fatalf("the first write knows nothing yet, got %v", err)
		}
		time.Sleep(10 * time.Millisecond)
		if err := write(a, b, "x"); !errors.Is(err, simnet.ErrRefused) {
			t.Errorf("got error %v, want %v", err, simnet.ErrRefused)
		}
		dials := a.Stats().Dialed
		for range 100 {
			if err := write(a, b, "x"); !errors.Is(err, simnet.ErrRefused) {
				t.Fatalf("in the pause: got error %v, want %v", err, simnet.ErrRefused)
			}
		}
		if got := a.Stats().Dialed; got != dials {
			t.Errorf("%d dials in the pause", got-dials)
		}
		b = start(t, onSim(network, 1, Config{}))
		time.Sleep(time.Second) // more than the first pause
		send(t, a, b, "after the pause")
	})
}

// TestOldErrorIsNotReturned: what kept a peer from being reached a while ago says nothing now.
func TestOldErrorIsNotReturned(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		b.Shutdown()
		for _, tt := range []struct {
			later time.Duration
			want  error
		}{{errorAge - time.Second, simnet.ErrRefused}, {errorAge + time.Second, nil}} {
			_ = write(a, b, "x")
			time.Sleep(tt.later)
			if err := write(a, b, "x"); !errors.Is(err, tt.want) {
				t.Errorf("%v after the attempt: got error %v, want %v", tt.later, err, tt.want)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestPauses: attempts to reach a peer that is gone become rare, and the error is returned by the write after each.
func TestPauses(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		b.Shutdown()
		count := func(d time.Duration) uint64 {
			before := a.Stats().Dialed
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				_ = write(a, b, "x")
			}
			return a.Stats().Dialed - before
		}
		if got := count(time.Second); got < 3 || got > 8 {
			t.Errorf("%d attempts in the first second, want 3 to 8", got)
		}
		count(time.Minute)
		if got := count(time.Minute); got < 6 || got > 13 {
			t.Errorf("%d attempts in a later minute, want 6 to 13", got)
		}
	})
}

// TestPeerThatReturns: a peer that connects is there, so that packets to it do not wait for the end of the pause.
func TestPeerThatReturns(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		b.Shutdown()
		for range 600 {
			_ = write(a, b, "x")
			time.Sleep(100 * time.Millisecond)
		}
		b = start(t, onSim(network, 1, Config{}))
		send(t, b, a, "here again")
		send(t, a, b, "welcome")
	})
}

// TestConnectionsAreReused: many packets need one connection in each direction, and idle ones are closed.
func TestConnectionsAreReused(t *testing.T) {
	onNetwork(t, 2, Config{IdleTimeout: time.Minute}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		for range 100 {
			send(t, a, b, "there")
			send(t, b, a, "back")
			time.Sleep(50 * time.Second)
		}
		for i, tr := range trs {
			if s := tr.Stats(); s.Dialed != 1 || s.Outgoing != 1 || s.Incoming != 1 || s.PacketsSent != 100 || s.PacketsReceived != 100 {
				t.Errorf("transport %d: %+v", i, s)
			}
		}
		time.Sleep(2 * time.Minute)
		for i, tr := range trs {
			if s := tr.Stats(); s.Outgoing != 0 || s.Incoming != 0 || s.ClosedIdle != 1 {
				t.Errorf("idle transport %d: %+v", i, s)
			}
			if n := len(tr.peers.list()); n != 0 {
				t.Errorf("transport %d remembers %d peers", i, n)
			}
		}
		send(t, a, b, "again")
	})
}

// TestLeastRecentlyUsedGoes: no more connections are open than allowed.
func TestLeastRecentlyUsedGoes(t *testing.T) {
	onNetwork(t, 6, Config{MaxConnections: 3}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a := trs[0]
		for _, i := range []int{1, 2, 3, 1, 4, 5} {
			send(t, a, trs[i], "x")
			time.Sleep(time.Second)
		}
		if s := a.Stats(); s.Outgoing != 3 || s.ClosedForRoom != 2 || s.Dialed != 5 {
			t.Errorf("got %+v, want 3 of 5 connections open", s)
		}
		for i, open := range []int{1: 1, 2: 0, 3: 0, 4: 1, 5: 1} {
			if got := trs[i].Stats().Incoming; i > 0 && got != open {
				t.Errorf("transport %d has %d connections, want %d", i, got, open)
			}
		}
		send(t, a, trs[2], "again")
	})
}

// TestRestartCostsNoPacket: a connection that died while it was idle costs no packet, nor does the restart of the peer at once.
func TestRestartCostsNoPacket(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		for range 10 {
			send(t, a, b, "before")
			b.Shutdown()
			b = start(t, onSim(network, 1, Config{}))
			send(t, a, b, "after")
		}
		if s := a.Stats(); s.PacketsDropped != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestBrokenConnectionIsReplaced: a write that fails is made again on a new connection.
func TestBrokenConnectionIsReplaced(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		send(t, a, b, "first")
		p := a.peers.list()[0]
		p.mu.Lock()
		p.mu.conn = brokenConn{p.mu.conn}
		p.mu.Unlock()
		send(t, a, b, "second")
		if s := a.Stats(); s.Dialed != 2 || s.PacketsDropped != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestRedial: a packet that was lost on a half-open connection is written again on a new one. Without a connection there is nothing to do.
func TestRedial(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		to := memberlist.Address{Addr: b.addr(), Name: "b"}
		a.Redial(to)
		send(t, a, b, "first")
		p := a.peers.list()[0]
		p.mu.Lock()
		p.mu.conn = halfOpenConn{p.mu.conn}
		p.mu.Unlock()
		if err := write(a, b, "lost"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		a.Redial(to)
		if p := receive(t, b); string(p.Buf) != "lost" {
			t.Errorf("got %q", p.Buf)
		}
		send(t, a, b, "next")
		if s := a.Stats(); s.Dialed != 2 || s.PacketsDropped != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// halfOpenConn is a connection on which what is written is lost.
type halfOpenConn struct{ net.Conn }

func (halfOpenConn) Write(b []byte) (int, error) { return len(b), nil }

// brokenConn is a connection whose writes fail.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestPeerThatNeverReads: a peer that accepts and reads nothing blocks no write, and delays no other peer.
func TestPeerThatNeverReads(t *testing.T) {
	onNetwork(t, 3, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b, c := trs[0], trs[1], trs[2]
		body := bytes.Repeat([]byte("x"), 1400)
		var failed error
		began := time.Now()
		for range 100 {
			for range 100 {
				if _, err := a.WriteTo(body, b.addr()); err != nil {
					failed = err
				}
			}
			send(t, a, c, "others go on")
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("took %v, want 10 s", took)
		}
		if s := a.Stats(); s.PacketsDropped < 1000 {
			t.Errorf("got %+v", s)
		}
		if failed == nil {
			t.Error("no error though the peer takes nothing")
		}
		for _, p := range a.peers.list() {
			p.mu.Lock()
			if n := p.mu.queue.len(); n > 64 {
				t.Errorf("%d packets are queued for %v", n, p.to)
			}
			p.mu.Unlock()
		}
		for range 400 { // it reads again
			select {
			case <-b.PacketCh():
			default:
				time.Sleep(time.Millisecond)
			}
		}
		await(t, "packets arrive again", func() bool {
			_ = write(a, b, "again")
			select {
			case p := <-b.PacketCh():
				return string(p.Buf) == "again"
			default:
				return false
			}
		})
	})
}

// TestCutWithoutReset: a network that takes everything and answers nothing is noticed by the time for writing or dialling, and costs only
// what was written meanwhile.
func TestCutWithoutReset(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		send(t, a, b, "before")
		network.Down(simAddr(1))
		large := make([]byte, 200<<10) // two fill the connection
		began := time.Now()
		await(t, "the cut is noticed", func() bool {
			time.Sleep(50 * time.Millisecond)
			_, err := a.WriteTo(large, b.addr())
			return err != nil
		})
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("noticed after %v, want 5 s", took)
		}
		time.Sleep(time.Minute)
		if err := write(a, b, "x"); err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
			t.Errorf("got error %v", err)
		}
		network.Up(simAddr(1))
		time.Sleep(10 * time.Second)
		for {
			select {
			case <-b.PacketCh():
				continue
			default:
			}
			break
		}
		send(t, a, b, "after")
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestOtherAddress: after a change of the advertised address packets come from the new one.
func TestOtherAddress(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		for _, want := range []string{"10.0.0.0:7946", "192.0.2.1:80", "[2001:db8::1]:81"} {
			addr, err := net.ResolveTCPAddr("tcp", want)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := a.FinalAdvertiseAddr(addr.IP.String(), addr.Port); err != nil {
				t.Fatal(err)
			}
			if _, err := a.WriteTo([]byte("x"), b.addr()); err != nil {
				t.Fatal(err)
			}
			if p := receive(t, b); p.From.String() != want {
				t.Errorf("from %v, want %v", p.From, want)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestPacketsOfAnySize arrive whole, in the order of their class, over a slow network.
func TestPacketsOfAnySize(t *testing.T) {
	onNetwork(t, 2, Config{QueueBytes: 64 << 20, QueuePackets: 1000}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		sizes := []int{1, 1400, 65507, 65535, 65536, 65537, 300_000, MaxPacket, 2}
		for i, n := range sizes {
			if _, err := a.WriteTo(bytes.Repeat([]byte{byte(i)}, n), b.addr()); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range sizes {
			if p := receive(t, b); len(p.Buf) != n || p.Buf[0] != byte(i) || p.Buf[n-1] != byte(i) {
				t.Errorf("packet %d: got %d bytes, want %d", i, len(p.Buf), n)
			}
		}
	})
}
