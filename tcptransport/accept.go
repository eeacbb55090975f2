package tcptransport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
)

const (
	// firstPause and lastPause are the pauses after errors of Accept, as without file descriptors, doubling from one to the next.
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second

	// lingerBytes and lingerTime limit what is read and discarded of a connection that was refused, so that the peer can read the reason:
	// one that is closed with unread bytes is reset.
	lingerBytes = 64 << 10
	lingerTime  = time.Second
)

// acceptLoop accepts connections until Shutdown.
func (t *Transport) acceptLoop() {
	pause := time.Duration(0)
	for {
		conn, err := t.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			t.admit(conn)
		case t.tasks.Closed() || errors.Is(err, net.ErrClosed):
			return
		default:
			t.log.Limited("accept", slog.LevelError, "error accepting TCP connection", logging.Err(err))
			pause = min(max(2*pause, firstPause), lastPause)
			if !t.sleep(pause) {
				return
			}
		}
	}
}

// sleep returns false if the transport is shut down meanwhile.
func (t *Transport) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.tasks.Done():
		return false
	}
}

// admit serves a connection on a goroutine of its own, unless it comes from a network that is not allowed.
func (t *Transport) admit(conn net.Conn) {
	in := newInbound(conn)
	if !t.allowed(addrOf(conn.RemoteAddr()).Addr()) {
		t.refused(in, "refused network", errors.New("address is not in the allowed networks"))
		conn.Close()
		return
	}
	if !t.enter(&t.pending, in) {
		conn.Close()
		return
	}
	if !t.tasks.Go(func() { t.serve(in) }) {
		conn.Close()
	}
}

// allowed reports whether connections from an address are accepted.
func (t *Transport) allowed(addr netip.Addr) bool {
	if len(t.config.CIDRsAllowed) == 0 {
		return true
	}
	for _, network := range t.config.CIDRsAllowed {
		if network.Contains(addr.AsSlice()) {
			return true
		}
	}
	return false
}

// enter admits a connection. It returns false if the transport is shut down.
func (t *Transport) enter(a *admission, in *inbound) bool {
	evicted, ok := a.admit(in)
	if evicted != nil {
		t.metrics.Add(metrics.TransportEvicted, 1)
		t.log.LimitedFunc("evicted", slog.LevelWarn, "closing accepted connection, too many are open", func() []slog.Attr {
			return []slog.Attr{slog.String("from", evicted.conn.RemoteAddr().String())}
		})
	}
	return ok
}

// serve reads the opening of a connection and then its packets, or passes it on as a stream.
func (t *Transport) serve(in *inbound) {
	defer t.pending.remove(in)
	setUserTimeout(in.conn, t.config.WriteTimeout)
	_ = in.conn.SetDeadline(time.Now().Add(t.config.DialTimeout)) // fails as the next read does
	conn, o, err := t.receive(in)
	if err != nil {
		t.refused(in, "refused", err)
		in.conn.Close()
		return
	}
	_ = in.conn.SetDeadline(time.Time{})
	if o.kind == kindStream {
		t.offer(in, conn)
		return
	}
	t.peers.onOpening(&o)
	defer abort(conn)
	if secure, ok := conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		in.peer = &state
		if len(state.PeerCertificates) > 0 { // the connection ends with the certificate: the peer may have a new one
			left := time.Until(state.PeerCertificates[0].NotAfter)
			defer time.AfterFunc(left, func() { in.conn.Close() }).Stop()
		}
	}
	if !t.enter(&t.incoming, in) {
		return
	}
	defer t.incoming.remove(in)
	t.pending.remove(in)
	t.readPackets(in, conn, t.source(in, &o))
}

// receive does the handshake of a connection, and accepts or refuses it.
func (t *Transport) receive(in *inbound) (net.Conn, opening, error) {
	conn := in.conn
	var state *tls.ConnectionState
	if t.secure != nil {
		server, err := t.secure.server(t.tasks.Context(), in.conn)
		if err != nil {
			var record tls.RecordHeaderError
			if errors.As(err, &record) && record.Conn != nil {
				err = fmt.Errorf("peer does not use TLS, and this member does: %w", err)
				_, _ = in.conn.Write(appendReply(nil, refusedPlain))
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				linger(in.conn)
			}
			return nil, opening{}, err
		}
		s := server.ConnectionState()
		conn, state = server, &s
	}
	o, err := readOpening(conn)
	v := refusalOf(err)
	if err == nil && state != nil {
		if err = t.judge(*state, &o); err != nil {
			v = refusedPeer
		}
	}
	if v == incomplete {
		return nil, o, err
	}
	if _, writeErr := conn.Write(appendReply(nil, v)); err == nil {
		err = writeErr
	} else {
		linger(in.conn)
	}
	return conn, o, err
}

// judge decides whether a peer with a certificate may be the member that it says it is.
func (t *Transport) judge(state tls.ConnectionState, o *opening) error {
	if state.NegotiatedProtocol != o.kind.protocol() {
		return fmt.Errorf("%w: kind %d over %q", errMalformed, o.kind, state.NegotiatedProtocol)
	}
	if t.config.VerifyPeer == nil {
		return nil
	}
	if o.name == "" {
		return errNoName
	}
	return t.config.VerifyPeer(state, memberlist.Address{Addr: o.addr.String(), Name: o.name})
}

// linger lets the peer read why it is refused.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the reading below ends all the same
	}
	_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, conn, lingerBytes)
}

// refused counts and logs a connection that was refused. One that the peer has closed, as health checks do, is logged for debugging only.
func (t *Transport) refused(in *inbound, key string, err error) {
	if t.tasks.Closed() {
		return
	}
	t.metrics.Add(metrics.TransportRefused, 1)
	level := slog.LevelWarn
	var op *net.OpError
	if errors.Is(err, io.EOF) || errors.As(err, &op) && !isAlert(err) && !op.Timeout() {
		key, level = "closed", slog.LevelDebug
	}
	t.log.LimitedFunc(key, level, "refusing connection", func() []slog.Attr {
		return []slog.Attr{slog.String("from", in.conn.RemoteAddr().String()), logging.Err(err)}
	})
}

// offer passes a stream to StreamCh. If it is not received within DialTimeout it is closed.
func (t *Transport) offer(in *inbound, conn net.Conn) {
	ctx, cancel := context.WithTimeout(t.tasks.Context(), t.config.DialTimeout)
	defer cancel()
	select {
	case t.streams <- streamOf(conn):
	case <-in.gone:
	case <-ctx.Done():
		abort(conn)
	}
}

// source returns the source address of the packets of a connection: the advertised address of the peer. Before that is known it is
// that of the connection.
func (t *Transport) source(in *inbound, o *opening) net.Addr {
	addr := o.addr
	if !addr.IsValid() {
		addr = addrOf(in.conn.RemoteAddr())
	}
	tcp := net.TCPAddrFromAddrPort(addr)
	if t.config.VerifyPeer == nil {
		return tcp
	}
	return &verifiedAddr{TCPAddr: *tcp, name: o.name}
}

// verifiedAddr is an address with the name that Config.VerifyPeer has accepted.
type verifiedAddr struct {
	net.TCPAddr
	name string
}

// VerifiedName returns the name. Package memberlist compares it with the names in pings and acks.
func (a *verifiedAddr) VerifiedName() string { return a.name }

// readPackets passes packets to PacketCh until the connection ends.
func (t *Transport) readPackets(in *inbound, conn net.Conn, from net.Addr) {
	frames := newFrameReader(conn, in.conn, t)
	for {
		packet, err := frames.next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				t.log.LimitedFunc("packets", slog.LevelDebug, "connection for packets failed", func() []slog.Attr {
					return []slog.Attr{slog.String("from", from.String()), logging.Err(err)}
				})
			}
			return
		}
		in.touch()
		t.received.Add(1)
		select {
		case t.packets <- &memberlist.Packet{Buf: packet, From: from, Timestamp: time.Now()}:
		case <-t.tasks.Done():
			return
		}
	}
}
