package tcptransport

import (
	"crypto/tls"
	"net"
	"time"
)

// closeTimeout is the time for which closing a stream with TLS may wait for room in the socket's buffer, to say that it is closed.
const closeTimeout = 100 * time.Millisecond

// stream is a stream with TLS whose Close does not wait for a peer that reads nothing.
type stream struct{ *tls.Conn }

// streamOf returns a connection as a stream.
func streamOf(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return stream{secure}
	}
	return conn
}

// Close closes the stream.
func (s stream) Close() error {
	raw := s.NetConn()
	defer time.AfterFunc(closeTimeout, func() { raw.Close() }).Stop()
	return s.Conn.Close()
}

// abort closes a connection without saying so in TLS, as that may block.
func abort(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	conn.Close()
}
