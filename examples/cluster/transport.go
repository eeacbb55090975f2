package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
)

// traffic counts one direction. Bytes are those of packets and of streams, without the headers of UDP, TCP and IP.
type traffic struct {
	packets atomic.Int64
	bytes   atomic.Int64
}

func (t *traffic) packet(n int) {
	t.packets.Add(1)
	t.bytes.Add(int64(n))
}

// countingTransport counts the traffic of a NetTransport. It is an example of a Transport that wraps another: it is a
// NodeAwareTransport, so that wrapping one of those would work as well.
type countingTransport struct {
	*memberlist.NetTransport
	sent, received traffic

	packets  chan *memberlist.Packet
	streams  chan net.Conn
	stopping chan struct{}
	stop     sync.Once
	pumps    sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*countingTransport)(nil)

func newCountingTransport(inner *memberlist.NetTransport) *countingTransport {
	t := &countingTransport{
		NetTransport: inner,
		packets:      make(chan *memberlist.Packet),
		streams:      make(chan net.Conn),
		stopping:     make(chan struct{}),
	}
	t.pumps.Go(t.pumpPackets) // both end with Shutdown
	t.pumps.Go(t.pumpStreams)
	return t
}

func (t *countingTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *countingTransport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	at, err := t.NetTransport.WriteToAddress(b, addr)
	if err == nil {
		t.sent.packet(len(b))
	}
	return at, err
}

func (t *countingTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *countingTransport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	conn, err := t.NetTransport.DialAddressTimeout(addr, timeout)
	if err != nil {
		return nil, err
	}
	return &countingConn{conn, t}, nil
}

func (t *countingTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *countingTransport) StreamCh() <-chan net.Conn { return t.streams }

func (t *countingTransport) Shutdown() error {
	err := t.NetTransport.Shutdown()
	t.stop.Do(func() { close(t.stopping) })
	t.pumps.Wait()
	return err
}

func (t *countingTransport) pumpPackets() {
	for {
		select {
		case p := <-t.NetTransport.PacketCh():
			t.received.packet(len(p.Buf)) // before it is passed on: then the receiver owns it
			select {
			case t.packets <- p:
			case <-t.stopping:
				return
			}
		case <-t.stopping:
			return
		}
	}
}

func (t *countingTransport) pumpStreams() {
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			select {
			case t.streams <- &countingConn{conn, t}:
			case <-t.stopping:
				conn.Close() // nothing else refers to it
				return
			}
		case <-t.stopping:
			return
		}
	}
}

// countingConn counts the bytes of one stream.
type countingConn struct {
	net.Conn
	transport *countingTransport
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.transport.received.bytes.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.transport.sent.bytes.Add(int64(n))
	return n, err
}
