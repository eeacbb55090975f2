package simnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// packetQueue is how many packets wait for a receiver; more are dropped, as a full socket buffer would.
	packetQueue = 1024

	// backlog is how many connections wait to be accepted; dialling one more waits, too.
	backlog = 128
)

// Packet is what Send sends.
type Packet struct {
	Data []byte // the receiver's own
	From netip.AddrPort
	Time time.Time // of arrival
}

// Endpoint is one address on the network: a socket for packets and one for streams. All methods are safe for concurrent
// use.
type Endpoint struct {
	network *Network
	addr    netip.AddrPort
	receive func(Packet) bool // false: no room
	packets chan Packet
	streams chan net.Conn
	done    chan struct{}

	mu struct {
		sync.Mutex
		closed bool
		conns  map[*Conn]struct{}
	}
}

// Listen opens an address. It must have an IP address and a port (ErrInvalid), and nobody may listen on it (ErrInUse);
// after Close it can be used again.
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

// ListenFunc is like Listen for those who want packets in another place than the endpoint's channel: receive gets each as
// it arrives. It must not wait, and returns false for one that it has no room for.
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

// Packets returns the channel of packets that have arrived. It holds 1024; what finds it full is dropped and counted. It
// is never closed: see Done. It is nil for an endpoint of ListenFunc.
func (e *Endpoint) Packets() <-chan Packet { return e.packets }

// Streams returns the channel of connections that others have dialled. It holds 128. It is never closed: see Done.
func (e *Endpoint) Streams() <-chan net.Conn { return e.streams }

// Done returns a channel that is closed by Close.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// Close gives the address back and closes every connection of the endpoint, accepted or not. It returns nil, the second
// time too.
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

// Offer puts a connection that was not dialled here among the streams. It waits for room. Once the endpoint is closed it
// fails with net.ErrClosed, and the connection is still the caller's.
func (e *Endpoint) Offer(conn net.Conn) error {
	if err := e.enqueue(context.Background(), nil, conn); err != nil {
		return opError("accept", "tcp", e.addr, e.addr, net.ErrClosed)
	}
	return nil
}

// enqueue waits for room in the backlog, or for who dials to give up: ctx, or abort.
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
		e.refuseRest() // it may have come too late for Close
	default:
	}
	return nil
}

// refuseRest closes what nobody will accept any more.
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

// own makes the endpoint the one that closes the connection when it is closed itself.
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
