package simnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// packetQueue is the number of packets that an endpoint buffers; more are dropped, as with a full socket buffer.
	packetQueue = 1024

	// backlog is the number of connections that wait to be accepted; another dial blocks.
	backlog = 128
)

// Packet is a received packet.
type Packet struct {
	Data []byte // owned by the receiver
	From netip.AddrPort
	Time time.Time // of arrival
}

// Endpoint is one address on the network: a socket for packets and one for streams. All methods are safe for concurrent
// use.
type Endpoint struct {
	network *Network
	addr    netip.AddrPort
	receive func(Packet) bool // returns false if there is no room
	packets chan Packet
	streams chan net.Conn
	done    chan struct{}

	mu struct {
		sync.Mutex
		closed bool
		conns  map[*Conn]struct{}
	}
}

// Listen opens an endpoint at an address. The error is ErrInvalid without an IP address or a port, and ErrInUse if
// another endpoint listens there. The address is free again after Close.
func (n *Network) Listen(addr netip.AddrPort) (*Endpoint, error) {
	packets := make(chan Packet, packetQueue)
	e, err := n.ListenFunc(addr, func(p Packet) bool {
		select {
		case packets <- p:
			return true
		default:
			return false
		}
	})
	if err != nil {
		return nil, err
	}
	e.packets = packets
	return e, nil
}

// ListenFunc is Listen with a callback for packets in place of the channel. receive is called for each packet on
// arrival. It must not block, and returns false if it has no room.
func (n *Network) ListenFunc(addr netip.AddrPort, receive func(Packet) bool) (*Endpoint, error) {
	addr = unmapped(addr)
	if !addr.Addr().IsValid() || addr.Port() == 0 {
		return nil, listenError(addr, ErrInvalid)
	}
	e := &Endpoint{
		network: n,
		addr:    addr,
		receive: receive,
		streams: make(chan net.Conn, backlog),
		done:    make(chan struct{}),
	}
	e.mu.conns = make(map[*Conn]struct{})

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return nil, listenError(addr, net.ErrClosed)
	}
	if n.mu.endpoints[addr] != nil {
		return nil, listenError(addr, ErrInUse)
	}
	n.mu.endpoints[addr] = e
	return e, nil
}

func listenError(addr netip.AddrPort, err error) error {
	return &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
}

// Addr returns the address that the endpoint listens on.
func (e *Endpoint) Addr() netip.AddrPort { return e.addr }

// Packets returns the channel of received packets. It holds 1024; further ones are dropped and counted. It is never
// closed: see Done. It is nil for an endpoint of ListenFunc.
func (e *Endpoint) Packets() <-chan Packet { return e.packets }

// Streams returns the channel of accepted connections. It holds 128. It is never closed: see Done.
func (e *Endpoint) Streams() <-chan net.Conn { return e.streams }

// Done returns a channel that is closed by Close.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// Close frees the address and closes every connection of the endpoint, accepted or not. It returns nil, also when
// called again.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.mu.closed {
		e.mu.Unlock()
		return nil
	}
	e.mu.closed = true
	conns := e.mu.conns
	e.mu.conns = nil
	e.mu.Unlock()

	n := e.network
	n.mu.Lock()
	delete(n.mu.endpoints, e.addr)
	n.mu.Unlock()

	close(e.done)
	for c := range conns {
		c.Close()
	}
	e.refuseRest()
	return nil
}

// Offer adds a connection from elsewhere to the streams. It blocks until there is room. After Close it returns
// net.ErrClosed, and the connection remains the caller's.
func (e *Endpoint) Offer(conn net.Conn) error {
	if err := e.enqueue(context.Background(), nil, conn); err != nil {
		return opError("accept", "tcp", e.addr, e.addr, net.ErrClosed)
	}
	return nil
}

// enqueue waits for room in the backlog, or until the dial is given up: ctx or abort.
func (e *Endpoint) enqueue(ctx context.Context, abort <-chan struct{}, conn net.Conn) error {
	select {
	case <-e.done:
		return ErrRefused
	default:
	}
	select {
	case e.streams <- conn:
	case <-e.done:
		return ErrRefused
	case <-abort:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-e.done:
		e.refuseRest() // in case it was added after Close
	default:
	}
	return nil
}

// refuseRest closes the connections that were not accepted.
func (e *Endpoint) refuseRest() {
	for {
		select {
		case c := <-e.streams:
			c.Close()
		default:
			return
		}
	}
}

// own registers a connection that Close is to close.
func (e *Endpoint) own(c *Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return false
	}
	e.mu.conns[c] = struct{}{}
	return true
}

func (e *Endpoint) disown(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.mu.conns, c)
}

func (n *Network) endpoint(addr netip.AddrPort) *Endpoint {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.endpoints[addr]
}
