package clustertest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// waitingTransport hands packets and streams over on channels without a buffer. Its Shutdown has every goroutine hand one
// more over, and returns when all of that has been taken and every stream has been closed.
type waitingTransport struct {
	memberlist.Transport
	packets  chan *memberlist.Packet
	streams  chan net.Conn
	closes   bool // both channels, when nothing is left to hand over
	quit     chan struct{}
	once     sync.Once
	handing  sync.WaitGroup
	unclosed sync.WaitGroup // streams
}

// newWaitingTransport returns a transport whose goroutines have packets and streams to hand over from the start.
func newWaitingTransport(to memberlist.Transport, closes bool) *waitingTransport {
	w := &waitingTransport{
		Transport: to, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), closes: closes, quit: make(chan struct{}),
	}
	for range 4 {
		w.handing.Go(func() { w.handOver(w.packet) })
		w.handing.Go(func() { w.handOver(w.stream) })
	}
	return w
}

// handOver calls one until Shutdown, and once more after.
func (w *waitingTransport) handOver(one func()) {
	for {
		select {
		case <-w.quit:
			one()
			return
		case <-time.After(time.Millisecond):
			one()
		}
	}
}

func (w *waitingTransport) packet() {
	w.packets <- &memberlist.Packet{Buf: []byte{1, 2, 3}, From: mustUDP(simAddr(9)), Timestamp: time.Now()}
}

func (w *waitingTransport) stream() {
	ours, theirs := net.Pipe()
	w.unclosed.Go(func() {
		defer ours.Close()
		_, _ = ours.Read(make([]byte, 1)) // until the other end is closed
	})
	w.streams <- theirs
}

func (w *waitingTransport) PacketCh() <-chan *memberlist.Packet { return w.packets }

func (w *waitingTransport) StreamCh() <-chan net.Conn { return w.streams }

func (w *waitingTransport) Shutdown() error {
	w.once.Do(func() {
		close(w.quit)
		w.handing.Wait()
		if w.closes {
			close(w.packets)
			close(w.streams)
		}
		w.unclosed.Wait()
	})
	return w.Transport.Shutdown()
}

// TestShutdownTakesWhatTheTransportHandsOver: while it shuts down a transport may wait until its goroutines have handed
// over what they have, after a member has run and after a Create that fails at any step. The bubble fails on a deadlock, or
// if a goroutine is left.
func TestShutdownTakesWhatTheTransportHandsOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*memberlist.Config)
		want   error // of Create
	}{
		{"member", func(*memberlist.Config) {}, nil},
		{"configuration", func(c *memberlist.Config) { c.ProtocolVersion = 99 }, memberlist.ErrInvalidConfig},
		{"address to advertise", func(c *memberlist.Config) { c.Transport = homeless{c.Transport} }, memberlist.ErrNoAdvertiseAddress},
		{"metadata", func(c *memberlist.Config) { c.Delegate = &testDelegate{meta: make([]byte, 513)} }, memberlist.ErrMetaTooLarge},
		{"not allowed", func(c *memberlist.Config) { c.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"192.0.2.0/24"}) }, memberlist.ErrAddressNotAllowed},
	} {
		for _, closes := range []bool{false, true} {
			name := tt.name
			if closes {
				name += ", channels closed"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newSimCluster(t)
					defer c.stop()
					config := c.simConfig(0)
					config.Transport = newWaitingTransport(config.Transport, closes)
					tt.change(config)
					m, err := memberlist.Create(config)
					if !errors.Is(err, tt.want) {
						t.Fatalf("Create: error %v, want %v", err, tt.want)
					}
					if m == nil {
						return
					}
					time.Sleep(time.Second)
					if err := m.Shutdown(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// homeless is a transport that has no address to advertise.
type homeless struct{ memberlist.Transport }

func (homeless) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return nil, 0, memberlist.ErrNoAdvertiseAddress
}

// TestShutdownClosesBufferedStreams: streams that wait in the transport's channel when it is shut down are closed.
func TestShutdownClosesBufferedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		buffered := &bufferedTransport{c.simConfig(0).Transport, make(chan net.Conn, 2)}
		config := c.simConfig(1)
		config.Transport, config.ProtocolVersion = buffered, 99
		ours, theirs := net.Pipe()
		buffered.streams <- theirs
		if _, err := memberlist.Create(config); !errors.Is(err, memberlist.ErrInvalidConfig) {
			t.Fatal(err)
		}
		if _, err := ours.Write([]byte{1}); err == nil { // the bubble fails if it waits for ever
			t.Error("the stream is open")
		}
	})
}

// bufferedTransport has room for streams in its channel.
type bufferedTransport struct {
	memberlist.Transport
	streams chan net.Conn
}

func (b *bufferedTransport) StreamCh() <-chan net.Conn { return b.streams }

// socketTransport is the plainest transport over sockets: one goroutine for packets, one for streams, channels without
// a buffer, and a Shutdown that closes the sockets and waits for both goroutines.
type socketTransport struct {
	udp     *net.UDPConn
	tcp     *net.TCPListener
	packets chan *memberlist.Packet
	streams chan net.Conn
	readers sync.WaitGroup
}

func newSocketTransport(t *testing.T) *socketTransport {
	t.Helper()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ownLoopback()})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: ownLoopback(), Port: tcp.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	s := &socketTransport{udp: udp, tcp: tcp, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn)}
	s.readers.Go(func() {
		for {
			buf := make([]byte, 64<<10)
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			s.packets <- &memberlist.Packet{Buf: buf[:n], From: from, Timestamp: time.Now()}
		}
	})
	s.readers.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			s.streams <- conn
		}
	})
	return s
}

func (s *socketTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	addr := s.tcp.Addr().(*net.TCPAddr)
	return addr.IP, addr.Port, nil
}

func (s *socketTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = s.udp.WriteTo(b, to)
	return time.Now(), err
}

func (s *socketTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, timeout)
}

func (s *socketTransport) PacketCh() <-chan *memberlist.Packet { return s.packets }

func (s *socketTransport) StreamCh() <-chan net.Conn { return s.streams }

func (s *socketTransport) Shutdown() error {
	s.udp.Close()
	s.tcp.Close()
	s.readers.Wait()
	return nil
}

// TestShutdownWhilePeersTalk: members on plain sockets that hear packets and streams all the time shut down, and a Create
// that fails does.
func TestShutdownWhilePeersTalk(t *testing.T) {
	leavesNoGoroutine(t)
	for i := range 20 {
		transport := newSocketTransport(t)
		config := memberlist.DefaultLocalConfig()
		config.Name, config.LogOutput, config.Transport = "m0", io.Discard, transport
		heard := make(chan string, 1)
		config.Delegate = messageFunc(func(m string) {
			select {
			case heard <- m:
			default:
			}
		})
		stop := make(chan struct{})
		var peers sync.WaitGroup
		peers.Go(func() { talk(t, transport, stop) })
		if i%4 == 3 {
			config.ProtocolVersion = 99
		}
		m, err := memberlist.Create(config)
		switch {
		case i%4 == 3 && !errors.Is(err, memberlist.ErrInvalidConfig):
			t.Errorf("Create: error %v, want ErrInvalidConfig", err)
		case i%4 != 3 && err != nil:
			t.Error(err)
		case m != nil:
			<-heard
			m.Shutdown()
		}
		close(stop)
		peers.Wait()
	}
}

// talk sends packets to a transport, and opens streams to it, until stop.
func talk(t *testing.T, to *socketTransport, stop <-chan struct{}) {
	conn, err := net.Dial("udp", to.udp.LocalAddr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
			_, _ = conn.Write([]byte{8, 'h', 'i'}) // fails when nobody listens any more
		}
		if i%16 == 0 {
			if stream, err := net.Dial("tcp", to.tcp.Addr().String()); err == nil {
				stream.Close()
			}
		}
	}
}

// TestShutdownIsQuiet: a shutdown logs no error for the exchanges that it ends, of this member and of others.
func TestShutdownIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lineBuffer
		slow := new(statefulDelegate)
		c := newSimCluster(t).grow(1, func(config *memberlist.Config) { config.Delegate = slow })
		defer c.stop()
		m := c.add(func(config *memberlist.Config) {
			config.LogOutput, config.PushPullInterval = &log, time.Second
			config.ProbeInterval, config.GossipInterval = 0, 0
		})
		if _, err := m.Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		slow.takes = 5 * time.Second
		conn, err := c.outsider(50).Dial(t.Context(), simAddr(1))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte{byte(wire.TypePushPull)}); err != nil {
			t.Fatal(err)
		}
		c.await(5*time.Second, func() bool { return m.Stats().StreamsOpen == 2 }) // one each way
		m.Shutdown()
		if lines := log.containing("memberlist:"); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// TestShutdownCutsOffPacketsQuietly: a packet that meets a transport that is down already is no error in the log, and
// ErrShutdown for the caller who sent it.
func TestShutdownCutsOffPacketsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lineBuffer
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		slow := &slowTransport{writing: make(chan struct{}), down: make(chan struct{})}
		m := c.add(func(config *memberlist.Config) {
			config.LogOutput = &log
			config.GossipInterval, config.PushPullInterval = 0, 0
			slow.Transport, config.Transport = config.Transport, slow
		})
		if _, err := m.Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		to := memberNamed(t, m, "m0")
		<-slow.writing // a ping
		sent := make(chan error)
		go func() { sent <- m.SendBestEffort(to, []byte("message")) }()
		<-slow.writing
		m.Shutdown()
		if err := <-sent; !errors.Is(err, memberlist.ErrShutdown) {
			t.Errorf("SendBestEffort: error %v, want ErrShutdown", err)
		}
		if lines := log.containing("memberlist:"); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// slowTransport's writes do not return before it is down, and fail then.
type slowTransport struct {
	memberlist.Transport
	writing chan struct{} // gets one of each write
	down    chan struct{}
}

func (s *slowTransport) WriteTo([]byte, string) (time.Time, error) {
	select {
	case s.writing <- struct{}{}:
		<-s.down
	case <-s.down:
	}
	return time.Time{}, net.ErrClosed
}

func (s *slowTransport) Shutdown() error {
	close(s.down)
	return s.Transport.Shutdown()
}
