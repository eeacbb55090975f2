package main

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
)

// dialTransport sends each packet on a connection of its own, with as little code as that takes: the first byte of a connection says whether
// it is a packet or a stream.
type dialTransport struct {
	listener net.Listener
	tls      *tls.Config // nil: plain text
	packets  chan *memberlist.Packet
	streams  chan net.Conn
	stop     chan struct{}
	stopOnce sync.Once
	running  sync.WaitGroup
}

// The first bytes of connections.
const (
	packetByte = 'p'
	streamByte = 's'
)

func newDialTransport(config *tls.Config) (*dialTransport, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if config != nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		listener = tls.NewListener(listener, config)
	}
	t := &dialTransport{listener: listener, tls: config, packets: make(chan *memberlist.Packet, 16), streams: make(chan net.Conn),
		stop: make(chan struct{})}
	t.running.Go(t.accept)
	return t, nil
}

func (t *dialTransport) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.running.Go(func() { t.serve(conn) })
	}
}

func (t *dialTransport) serve(conn net.Conn) {
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		conn.Close()
		return
	}
	if first[0] == streamByte {
		select {
		case t.streams <- conn:
		case <-t.stop:
			conn.Close()
		}
		return
	}
	defer conn.Close()
	packet, err := io.ReadAll(io.LimitReader(conn, 1<<16))
	if err != nil {
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: packet, From: conn.RemoteAddr(), Timestamp: time.Now()}:
	case <-t.stop:
	}
}

func (t *dialTransport) dial(addr string, timeout time.Duration, first byte) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	var conn net.Conn
	var err error
	if t.tls == nil {
		conn, err = dialer.Dial("tcp", addr)
	} else {
		conn, err = tls.DialWithDialer(dialer, "tcp", addr, t.tls)
	}
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{first}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (t *dialTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	addr := t.listener.Addr().(*net.TCPAddr)
	return addr.IP, addr.Port, nil
}

func (t *dialTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	conn, err := t.dial(addr, 5*time.Second, packetByte)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	_, err = conn.Write(b)
	return time.Now(), err
}

func (t *dialTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.dial(addr, timeout, streamByte)
}

func (t *dialTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *dialTransport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *dialTransport) Shutdown() error {
	t.stopOnce.Do(func() {
		close(t.stop)
		t.listener.Close()
	})
	t.running.Wait()
	return nil
}
