package tcptransport

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// outsider is a host that is no member.
func outsider(t *testing.T, network *simnet.Network, i int) *simnet.Endpoint {
	t.Helper()
	end, err := network.Listen(simAddr(i))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return end
}

// connect opens a connection to a transport.
func connect(t *testing.T, from *simnet.Endpoint, to *Transport) net.Conn {
	t.Helper()
	conn, err := from.Dial(context.Background(), to.bound)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// closedAfter returns how long a connection stays open.
func closedAfter(conn net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(began).Round(10 * time.Millisecond)
}

// introduceTo sends an opening, and reads the reply.
func introduceTo(t *testing.T, conn net.Conn, o opening) {
	t.Helper()
	if _, err := conn.Write(o.append(nil)); err != nil {
		t.Fatal(err)
	}
	if v, err := readReply(conn); err != nil || v != accepted {
		t.Fatalf("got verdict %d, %v", v, err)
	}
}

// TestSlowOpenings: a connection has to say within DialTimeout what it is for, however slowly it speaks.
func TestSlowOpenings(t *testing.T) {
	onNetwork(t, 1, Config{DialTimeout: 3 * time.Second}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		end := outsider(t, network, 9)
		silent := connect(t, end, trs[0])
		if took := closedAfter(silent); took != 3*time.Second {
			t.Errorf("silent: closed after %v, want 3 s", took)
		}
		slow := connect(t, end, trs[0])
		go func() {
			for _, b := range openings[0].opening.append(nil) {
				if _, err := slow.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		if took := closedAfter(slow); took != 3*time.Second {
			t.Errorf("a byte each second: closed after %v, want 3 s", took)
		}
		time.Sleep(2 * time.Second)
	})
}

// TestSlowFrames: a packet has to arrive within WriteTimeout once it has begun, but may begin at any time.
func TestSlowFrames(t *testing.T) {
	onNetwork(t, 1, Config{WriteTimeout: 4 * time.Second, IdleTimeout: time.Hour}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		conn := connect(t, outsider(t, network, 9), trs[0])
		introduceTo(t, conn, opening{kind: kindPackets, addr: simAddr(9)})
		time.Sleep(time.Hour)
		if _, err := conn.Write(appendFrame(nil, []byte("after an hour"))); err != nil {
			t.Fatal(err)
		}
		if p := receive(t, trs[0]); string(p.Buf) != "after an hour" || p.From.String() != simAddr(9).String() {
			t.Errorf("got %q from %v", p.Buf, p.From)
		}
		go func() {
			for _, b := range appendFrame(nil, make([]byte, 100)) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		if took := closedAfter(conn); took != 4*time.Second {
			t.Errorf("a byte each second: closed after %v, want 4 s", took)
		}
		time.Sleep(2 * time.Second)
	})
}

// TestSteadyFrames: the time for a packet does not count for those after it, though the buffer never becomes empty.
func TestSteadyFrames(t *testing.T) {
	onNetwork(t, 1, Config{WriteTimeout: 3 * time.Second}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		conn := connect(t, outsider(t, network, 9), trs[0])
		introduceTo(t, conn, opening{kind: kindPackets, addr: simAddr(9)})
		frame := appendFrame(nil, make([]byte, 100))
		stream := bytes.Repeat(frame, 20)
		go func() {
			for len(stream) > 0 { // never at the border of a packet
				n := min(77, len(stream))
				if _, err := conn.Write(stream[:n]); err != nil {
					return
				}
				stream = stream[n:]
				time.Sleep(time.Second)
			}
		}()
		for range 20 {
			receive(t, trs[0])
		}
		conn.Close()
		time.Sleep(time.Second)
	})
}

// TestIdleIncoming: a peer that disappeared without a word does not occupy a connection for ever.
func TestIdleIncoming(t *testing.T) {
	onNetwork(t, 1, Config{IdleTimeout: time.Minute}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		conn := connect(t, outsider(t, network, 9), trs[0])
		introduceTo(t, conn, opening{kind: kindPackets})
		if took := closedAfter(conn); took != 2*time.Minute {
			t.Errorf("closed after %v, want 2 m", took)
		}
	})
}

// TestMalformedConnections are closed.
func TestMalformedConnections(t *testing.T) {
	onNetwork(t, 1, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		end := outsider(t, network, 9)
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "mlst\x02\x01\x00\x00\x00\x00\x00\x00", "\x06\x00", "m", ""} {
			conn := connect(t, end, trs[0])
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if took := closedAfter(conn); took > 6*time.Second {
				t.Errorf("%q: closed after %v", text, took)
			}
			conn.Close()
		}
		for _, n := range []uint32{0, MaxPacket + 1, 1<<32 - 1} {
			conn := connect(t, end, trs[0])
			introduceTo(t, conn, opening{kind: kindPackets})
			if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil {
				t.Fatal(err)
			}
			if took := closedAfter(conn); took > time.Second {
				t.Errorf("length %d: closed after %v", n, took)
			}
		}
		if s := trs[0].Stats(); s.Refused != 6 || s.Pending != 0 || s.Incoming != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestRefusalCanBeRead: the reason arrives though the peer has sent more, which is not read as packets: the connection is not reset.
func TestRefusalCanBeRead(t *testing.T) {
	tr := start(t, Config{})
	conn, err := net.Dial("tcp", tr.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 2000)); err != nil {
		t.Fatal(err)
	}
	if got, err := readReply(conn); got != refusedMalformed || err != nil {
		t.Errorf("got verdict %d, %v", got, err)
	}
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
		t.Errorf("then %d bytes, %v, want the end", n, err)
	}
}

// TestSilentConnections: 10,000 connections that say nothing occupy 256 places, and keep no peer out.
func TestSilentConnections(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		end := outsider(t, network, 9)
		most := 0
		for i := range 10_000 {
			conn := connect(t, end, b)
			defer conn.Close()
			if i%100 == 0 {
				most = max(most, b.Stats().Pending)
				stream, err := a.DialTimeout(b.addr(), time.Second)
				if err != nil {
					t.Fatal(err)
				}
				(<-b.StreamCh()).Close()
				stream.Close()
			}
		}
		send(t, a, b, "amid them")
		if most > maxPending || most < maxPending/2 {
			t.Errorf("%d connections were pending at a time, want %d", most, maxPending)
		}
		time.Sleep(time.Minute)
		if s := b.Stats(); s.Pending != 0 {
			t.Errorf("%d connections are pending a minute later", s.Pending)
		}
	})
}

// TestIncomingConnectionsAreBounded: a peer that opens connections for packets without end loses its own, not those of others.
func TestIncomingConnectionsAreBounded(t *testing.T) {
	onNetwork(t, 2, Config{MaxConnections: 10}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		a, b := trs[0], trs[1]
		send(t, a, b, "before")
		end := outsider(t, network, 9)
		for range 500 {
			conn := connect(t, end, b)
			defer conn.Close()
			introduceTo(t, conn, opening{kind: kindPackets, addr: simAddr(9)})
		}
		if got := b.Stats().Incoming; got > 40 {
			t.Errorf("%d connections are open, want at most 40", got)
		}
		send(t, a, b, "after")
		if s := a.Stats(); s.Dialed != 1 {
			t.Errorf("got %+v, want the first connection still in use", s)
		}
	})
}

// TestStreamsThatAreNotReceived are closed.
func TestStreamsThatAreNotReceived(t *testing.T) {
	onNetwork(t, 2, Config{}, func(t *testing.T, network *simnet.Network, trs []*Transport) {
		conn, err := trs[0].DialTimeout(trs[1].addr(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if took := closedAfter(conn); took != 5*time.Second {
			t.Errorf("closed after %v, want 5 s", took)
		}
	})
}

// TestCIDRsAllowed: connections from elsewhere are not read.
func TestCIDRsAllowed(t *testing.T) {
	_, network, err := net.ParseCIDR("10.0.0.1/32")
	if err != nil {
		t.Fatal(err)
	}
	onNetwork(t, 1, Config{}, func(t *testing.T, sim *simnet.Network, trs []*Transport) {
		closed := start(t, onSim(sim, 5, Config{CIDRsAllowed: []net.IPNet{*network}}))
		conn := connect(t, outsider(t, sim, 9), closed)
		if took := closedAfter(conn); took > time.Second {
			t.Errorf("closed after %v", took)
		}
		introduceTo(t, connect(t, outsider(t, sim, 1), closed), opening{kind: kindStream})
		(<-closed.StreamCh()).Close()
		if s := closed.Stats(); s.Refused != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// failingListener fails a number of times before it accepts.
type failingListener struct {
	net.Listener
	at [12]time.Time // of the failures
	n  int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.n < len(l.at) {
		l.at[l.n] = time.Now()
		l.n++
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

// TestAcceptErrors: without file descriptors the transport tries again, ever more slowly, and accepts connections when it can.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		config := onSim(network, 0, Config{})
		listen := config.Listen
		failing := new(failingListener)
		config.Listen = func(network, address string) (net.Listener, error) {
			l, err := listen(network, address)
			failing.Listener = l
			return failing, err
		}
		tr := start(t, config)
		introduceTo(t, connect(t, outsider(t, network, 9), tr), opening{kind: kindStream})
		(<-tr.StreamCh()).Close()
		if pause := failing.at[11].Sub(failing.at[10]); pause != lastPause {
			t.Errorf("the last pause is %v, want %v", pause, lastPause)
		}
		tr.Shutdown()
		network.Close()
	})
}

// TestShutdownAmidHandshakes: Shutdown ends dials that wait for a reply, and connections that have not said what they are for. The bubble
// finds goroutines that are left.
func TestShutdownAmidHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		ca := newAuthority(t)
		for _, config := range []Config{{}, {TLS: ca.tls("a")}} {
			tr := start(t, onSim(network, 0, config))
			end := outsider(t, network, 9) // accepts and says nothing
			for range 50 {
				conn := connect(t, end, tr)
				defer conn.Close()
			}
			if _, err := tr.WriteTo([]byte("x"), simAddr(9).String()); err != nil {
				t.Fatal(err)
			}
			go func() {
				if conn, err := tr.DialTimeout(simAddr(9).String(), time.Hour); err == nil {
					conn.Close()
					t.Error("a stream that nobody accepted")
				}
			}()
			synctest.Wait()
			began := time.Now()
			tr.Shutdown()
			if took := time.Since(began); took != 0 {
				t.Errorf("Shutdown took %v", took)
			}
			end.Close()
		}
		network.Close()
	})
}
