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

// countingTransport counts the traffic of another transport. It is an example of a Transport that wraps another: it has
// the methods that a Memberlist looks for, so that it is used as the other one would be.
type countingTransport struct {
	memberlist.NodeAwareTransport
	sent, received traffic

	packets  chan *memberlist.Packet
	streams  chan net.Conn
	stopping chan struct{}
	stop     sync.Once
	pumps    sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*countingTransport)(nil)

func newCountingTransport(inner memberlist.NodeAwareTransport) *countingTransport {
	t := &countingTransport{
		NodeAwareTransport: inner,
		packets:            make(chan *memberlist.Packet),
		streams:            make(chan net.Conn),
		stopping:           make(chan struct{}),
	}
	t.pumps.Go(t.pumpPackets) // both end with Shutdown
	t.pumps.Go(t.pumpStreams)
	return t
}

func (t *countingTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *countingTransport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	at, err := t.NodeAwareTransport.WriteToAddress(b, addr)
	if err == nil {
		t.sent.packet(len(b))
	}
	return at, err
}

// forMember returns the transport for a Memberlist.
func (t *countingTransport) forMember() memberlist.Transport {
	if inner, ok := t.NodeAwareTransport.(memberlist.ConnectionTransport); ok {
		return countingConnections{t, inner}
	}
	return t
}

// countingConnections is a countingTransport of a ConnectionTransport, and is one too.
type countingConnections struct {
	*countingTransport
	inner memberlist.ConnectionTransport
}

var _ memberlist.ConnectionTransport = countingConnections{}

func (t countingConnections) Redial(addr memberlist.Address) { t.inner.Redial(addr) }

func (t countingConnections) WriteUrgent(b []byte, addr memberlist.Address) (time.Time, error) {
	at, err := t.inner.WriteUrgent(b, addr)
	if err == nil {
		t.sent.packet(len(b))
	}
	return at, err
}

func (t countingConnections) Secure() bool { return t.inner.Secure() }

func (t *countingTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *countingTransport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	conn, err := t.NodeAwareTransport.DialAddressTimeout(addr, timeout)
	if err != nil {
		return nil, err
	}
	return &countingConn{conn, t}, nil
}

func (t *countingTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *countingTransport) StreamCh() <-chan net.Conn { return t.streams }

func (t *countingTransport) Shutdown() error {
	err := t.NodeAwareTransport.Shutdown()
	t.stop.Do(func() { close(t.stopping) })
	t.pumps.Wait()
	return err
}

func (t *countingTransport) pumpPackets() {
	for {
		select {
		case p := <-t.NodeAwareTransport.PacketCh():
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
		case conn := <-t.NodeAwareTransport.StreamCh():
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
