package sockets

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
)

const (
	// readBufferSize is the size in bytes of the buffer for one read of a UDP socket. It holds any datagram.
	readBufferSize = 64 << 10

	// firstBackoff and lastBackoff are the pauses after errors of accept and read, doubling from one to the next.
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// acceptLoop accepts the connections of one listener. It ends with Close.
func (s *Sockets) acceptLoop(listener interface{ Accept() (net.Conn, error) }, stream func(net.Conn) bool) {
	var failures backoff
	for {
		conn, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.Closed() {
				return
			}
			s.log.Limited("accept", slog.LevelError, "error accepting TCP connection", logging.Err(err))
			if !failures.wait(s.ctx) {
				return
			}
			continue
		}
		failures.reset()
		if !stream(conn) {
			conn.Close()
			return
		}
	}
}

// readLoop reads the packets of one socket. It ends with Close.
func (s *Sockets) readLoop(socket interface {
	read(b []byte) (n int, from netip.AddrPort, at time.Time, err error)
}, packet func(*Packet) bool) {
	var failures backoff
	buf := make([]byte, readBufferSize)
	for {
		n, from, at, err := socket.read(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.Closed() {
				return
			}
			s.log.Limited("read", slog.LevelError, "error reading UDP packet", logging.Err(err))
			if !failures.wait(s.ctx) {
				return
			}
			continue
		}
		failures.reset()
		if !packet(packets.get(buf[:n], from, at)) {
			return
		}
	}
}

// backoff is the pause of a loop whose iterations fail, as when there are no file descriptors left.
type backoff struct{ pause time.Duration }

func (b *backoff) reset() { b.pause = 0 }

// wait pauses. It returns false if ctx ends.
func (b *backoff) wait(ctx context.Context) bool {
	b.pause = min(max(2*b.pause, firstBackoff), lastBackoff)
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
