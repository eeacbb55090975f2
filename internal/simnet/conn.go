package simnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// Conn is one end of a connection. It behaves like TCP: after Close the other side reads the remaining bytes and then
// io.EOF, and its writes fail with ErrBroken. Each direction buffers up to 256 KiB; a write beyond that blocks.
// Errors are *net.OpError. All methods are safe for concurrent use.
type Conn struct {
	endpoint *Endpoint // the owner of this end
	rx, tx   *pipe
	local    netip.AddrPort
	remote   netip.AddrPort
}

var _ net.Conn = (*Conn)(nil)

// Dial opens a connection to the endpoint at an address. It takes one round trip. The error is ErrRefused if no
// endpoint listens there. If a link is down, or the backlog of the other side is full, Dial blocks until ctx ends,
// and returns its error, or until the endpoint is closed (net.ErrClosed). The kernel of a host that is paused completes
// the connection, which waits in the backlog.
//
// As on a real network, the acceptor sees this endpoint's IP address with a port of the connection's own.
func (e *Endpoint) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	to = unmapped(to)
	conn, err := e.dial(ctx, to)
	if err != nil {
		return nil, opError("dial", "tcp", e.addr, to, err)
	}
	return conn, nil
}

func (e *Endpoint) dial(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	if err := e.cross(ctx, e.addr, to); err != nil {
		return nil, err
	}
	conn, err := e.connect(ctx, to)
	if err == nil || err == ErrRefused {
		// Either answer has to travel back.
		if err := e.cross(ctx, to, e.addr); err != nil {
			if conn != nil {
				conn.Close()
			}
			return nil, err
		}
	}
	e.network.count(func(s *Stats) {
		switch err {
		case nil:
			s.StreamsOpened++
		case ErrRefused:
			s.StreamsRefused++
		}
	})
	return conn, err
}

// cross waits as long as an empty message takes on the link.
func (e *Endpoint) cross(ctx context.Context, from, to netip.AddrPort) error {
	for {
		if err := e.over(ctx); err != nil {
			return err
		}
		link, version := e.network.link(from, to, e.addr)
		if !link.StreamsDown {
			return e.sleep(ctx, e.network.delay(link))
		}
		e.awaitChange(ctx, version)
	}
}

// awaitChange waits until the faults have changed after a version, or there is a reason to stop waiting.
func (e *Endpoint) awaitChange(ctx context.Context, version uint64) {
	select {
	case <-e.network.changedSince(version):
	case <-ctx.Done():
	case <-e.done:
	}
}

func (e *Endpoint) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-e.done:
	}
	return e.over(ctx)
}

// over returns the reason to stop waiting, if there is one.
func (e *Endpoint) over(ctx context.Context) error {
	select {
	case <-e.done:
		return net.ErrClosed
	default:
		return ctx.Err()
	}
}

// connect makes both ends and queues the far one for the acceptor.
func (e *Endpoint) connect(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	peer := e.network.endpoint(to)
	if peer == nil {
		return nil, ErrRefused
	}
	near, far := e.pair(peer)
	if !e.own(near) {
		return nil, net.ErrClosed
	}
	if !peer.own(far) {
		e.disown(near)
		return nil, ErrRefused
	}
	if err := e.offer(ctx, peer, far); err != nil {
		near.Close()
		far.Close()
		return nil, err
	}
	return near, nil
}

// offer queues the far end of a connection for the acceptor. While that is paused it is not accepted, but the kernel has a backlog.
func (e *Endpoint) offer(ctx context.Context, peer *Endpoint, far *Conn) error {
	for {
		held, paused, version := e.network.holdStream(peer, far)
		switch {
		case held:
			return nil
		case !paused:
			return peer.enqueue(ctx, e.done, far)
		}
		if err := e.over(ctx); err != nil {
			return err
		}
		e.awaitChange(ctx, version)
	}
}

// holdStream keeps a connection to a host that is paused, if there is room in its backlog.
func (n *Network) holdStream(peer *Endpoint, far *Conn) (held, paused bool, version uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.faults.paused[peer.addr] {
		return false, false, 0
	}
	waiting := n.mu.dialled[peer.addr]
	if len(peer.streams)+len(waiting) >= backlog {
		return false, true, n.mu.version
	}
	n.mu.dialled[peer.addr] = append(waiting, far)
	return true, true, 0
}

// acceptHeld queues the connections that were made while a host was paused, with n.mu held. There is room for them: see holdStream.
func (n *Network) acceptHeld(host netip.AddrPort) {
	for _, far := range n.mu.dialled[host] {
		select {
		case far.endpoint.streams <- far:
		default: // a connection that was offered from elsewhere has its place: the dialler's time limit ends it
		}
	}
	delete(n.mu.dialled, host)
}

// pair returns the two ends of a new connection, e's first.
func (e *Endpoint) pair(peer *Endpoint) (near, far *Conn) {
	n := e.network
	there := &pipe{network: n, from: e.addr, to: peer.addr}
	back := &pipe{network: n, from: peer.addr, to: e.addr, reverse: there}
	there.reverse = back
	local := netip.AddrPortFrom(e.addr.Addr(), n.ephemeralPort())
	near = &Conn{endpoint: e, rx: back, tx: there, local: local, remote: peer.addr}
	far = &Conn{endpoint: peer, rx: there, tx: back, local: peer.addr, remote: local}
	return near, far
}

func (n *Network) ephemeralPort() uint16 {
	n.mu.Lock()
	defer n.mu.Unlock()
	port := n.mu.ephemeral
	n.mu.ephemeral = max(port+1, firstEphemeral)
	return port
}

// Read reads bytes that have arrived, and blocks until there are some. It returns io.EOF once the other side has
// closed the connection.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.rx.read(b)
	if err == io.EOF {
		return n, err
	}
	return n, c.wrap("read", err)
}

// Write writes all of b, and blocks until there is room. It returns before the other side has received it.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.tx.write(b)
	return n, c.wrap("write", err)
}

// Close closes both directions; written bytes still arrive. A second call returns net.ErrClosed.
func (c *Conn) Close() error {
	err := c.tx.closeWrite()
	c.rx.closeRead()
	c.endpoint.disown(c)
	return c.wrap("close", err)
}

// LocalAddr returns the address of this end, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the address of the other end, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline sets both deadlines. After Close it returns net.ErrClosed, as the other two do.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time at which Read fails with os.ErrDeadlineExceeded; zero means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.rx.setReadDeadline(t))
}

// SetWriteDeadline sets the time at which Write fails with os.ErrDeadlineExceeded; zero means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.tx.setWriteDeadline(t))
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return opError(op, "tcp", c.local, c.remote, err)
}
