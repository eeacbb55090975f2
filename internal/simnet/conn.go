package simnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// Conn is one end of a connection. It behaves like a TCP connection: Close lets the other side read what was written and
// then io.EOF, and fails its writes with ErrBroken; up to 256 KiB each way may be written and not yet read, a write beyond
// that waits. Errors are *net.OpError. All methods are safe for concurrent use.
type Conn struct {
	endpoint *Endpoint // whose end it is
	rx, tx   *pipe
	local    netip.AddrPort
	remote   netip.AddrPort
}

var _ net.Conn = (*Conn)(nil)

// Dial opens a connection to the endpoint that listens on an address. It takes one round trip. If nobody listens the error
// is ErrRefused. If a link is down, or the other side's backlog is full, Dial waits for ctx to end and returns its error,
// or for the endpoint to be closed (net.ErrClosed).
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
		// Either answer has to come back.
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

// cross waits until something the size of nothing has taken the link.
func (e *Endpoint) cross(ctx context.Context, from, to netip.AddrPort) error {
	for {
		if err := e.over(ctx); err != nil {
			return err
		}
		link, version := e.network.link(from, to)
		if !link.StreamsDown {
			return e.sleep(ctx, e.network.delay(link))
		}
		select {
		case <-e.network.changedSince(version):
		case <-ctx.Done():
		case <-e.done:
		}
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

// over returns why waiting has no point any more.
func (e *Endpoint) over(ctx context.Context) error {
	select {
	case <-e.done:
		return net.ErrClosed
	default:
		return ctx.Err()
	}
}

// connect makes both ends and queues the far one to be accepted.
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
	if err := peer.enqueue(ctx, e.done, far); err != nil {
		near.Close()
		far.Close()
		return nil, err
	}
	return near, nil
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

// Read reads what has arrived, and waits for it. io.EOF says that the other side has closed the connection.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.rx.read(b)
	if err == io.EOF {
		return n, err
	}
	return n, c.wrap("read", err)
}

// Write writes all of b, and waits for room. It returns before the other side has received it.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.tx.write(b)
	return n, c.wrap("write", err)
}

// Close closes the connection, both ways; what was written still arrives. The second time it fails with net.ErrClosed.
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

// SetDeadline sets both deadlines. It fails with net.ErrClosed after Close, as the other two do.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets when Read fails with os.ErrDeadlineExceeded; zero means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.rx.setReadDeadline(t))
}

// SetWriteDeadline sets when Write fails with os.ErrDeadlineExceeded; zero means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.tx.setWriteDeadline(t))
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return opError(op, "tcp", c.local, c.remote, err)
}
