package main

import (
	"crypto/md5"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
)

// dialTransport sends each packet on a connection of its own, with as little code as that takes, as programs do: the first byte of a connection
// says whether it is a packet or a stream. A packet is the sender's address, which the port of the connection does not tell, the
// bytes, and a digest, as the end of a connection does not tell whether all has arrived.
type dialTransport struct {
	listener net.Listener
	own      string      // address to tell others
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

// dialPatience is the time for a dial and for a write.
const dialPatience = 5 * time.Second

// textAddr is an address that a peer told.
type textAddr string

func (textAddr) Network() string  { return "tcp" }
func (a textAddr) String() string { return string(a) }

func newDialTransport(config *tls.Config) (*dialTransport, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	own := listener.Addr().String()
	if config != nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		listener = tls.NewListener(listener, config)
	}
	t := &dialTransport{listener: listener, own: own, tls: config, packets: make(chan *memberlist.Packet, 16), streams: make(chan net.Conn),
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
	packet, from, err := readPacket(conn)
	if err != nil {
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: packet, From: from, Timestamp: time.Now()}:
	case <-t.stop:
	}
}

// readPacket reads what WriteTo writes, after the first byte.
func readPacket(conn net.Conn) (packet []byte, from net.Addr, err error) {
	var size [1]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, nil, err
	}
	addr := make([]byte, size[0])
	if _, err := io.ReadFull(conn, addr); err != nil {
		return nil, nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(conn, 1<<16))
	if err != nil {
		return nil, nil, err
	}
	end := len(rest) - md5.Size
	if end < 0 || md5.Sum(rest[:end]) != [md5.Size]byte(rest[end:]) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return rest[:end], textAddr(addr), nil
}

func (t *dialTransport) dial(addr string, timeout time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	if t.tls == nil {
		return dialer.Dial("tcp", addr)
	}
	return tls.DialWithDialer(dialer, "tcp", addr, t.tls)
}

func (t *dialTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	addr := t.listener.Addr().(*net.TCPAddr)
	return addr.IP, addr.Port, nil
}

// WriteTo writes three times, as programs do, and does not return before the packet is sent.
func (t *dialTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	conn, err := t.dial(addr, dialPatience)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	digest := md5.Sum(b)
	header := append([]byte{packetByte, byte(len(t.own))}, t.own...)
	if err := conn.SetDeadline(time.Now().Add(dialPatience)); err != nil {
		return time.Time{}, err
	}
	for _, part := range [][]byte{header, b, digest[:]} {
		if _, err := conn.Write(part); err != nil {
			return time.Time{}, err
		}
	}
	return time.Now(), nil
}

func (t *dialTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	conn, err := t.dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{streamByte}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
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
