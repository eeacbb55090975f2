package tcptransport

import (
	"context"
	"fmt"
	"net"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/metrics"
)

// IsRefused reports whether an error of a dial is the answer of the member's host that no process listens: see Config.IsRefused.
func (t *Transport) IsRefused(err error) bool { return t.config.IsRefused(err) }

// dial opens a connection that the peer has accepted, before the context ends. The opening needs no address and no name.
func (t *Transport) dial(ctx context.Context, o opening, to memberlist.Address) (net.Conn, error) {
	t.metrics.Add(metrics.TransportDial, 1)
	o.addr, o.name = t.ownAddr(), t.config.Name
	conn, err := t.connect(ctx, &o, to)
	if err != nil {
		t.metrics.Add(metrics.TransportDialError, 1)
		return nil, fmt.Errorf("dial %s: %w", to.Addr, t.errUnlessDown(err))
	}
	return conn, nil
}

func (t *Transport) connect(ctx context.Context, o *opening, to memberlist.Address) (net.Conn, error) {
	raw, err := t.config.Dial(ctx, "tcp", to.Addr)
	if err != nil {
		return nil, err
	}
	setUserTimeout(raw, t.config.WriteTimeout)
	interrupt := context.AfterFunc(ctx, func() { raw.Close() })
	conn, err := t.introduce(ctx, raw, o, to)
	if !interrupt() && ctx.Err() != nil { // raw is closed, or about to be
		raw.Close()
		return nil, fmt.Errorf("%w: waiting for the peer to accept the connection", context.Cause(ctx))
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// introduce does the TLS handshake, if there is one, sends the opening, and reads the reply.
func (t *Transport) introduce(ctx context.Context, raw net.Conn, o *opening, to memberlist.Address) (net.Conn, error) {
	conn := raw
	if t.secure != nil {
		client, err := t.secure.client(ctx, raw, o.kind, to)
		if err != nil {
			return nil, handshakeError(err)
		}
		if client.ConnectionState().DidResume {
			t.resumed.Add(1)
		}
		conn = client
	}
	if _, err := conn.Write(o.append(nil)); err != nil {
		return nil, replyError(err, t.secure != nil)
	}
	v, err := readReply(conn)
	if err != nil {
		return nil, replyError(err, t.secure != nil)
	}
	return conn, verdictError(v)
}
