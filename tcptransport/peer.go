package tcptransport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/metrics"
)

const (
	// firstRetry and lastRetry are the pauses after failed attempts to connect, doubling from one to the next; each is shortened by up to a
	// half, at random.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second

	// errorAge is the time for which an error of connecting is worth returning.
	errorAge = time.Minute

	// batchBytes is the size of one write, unless a packet is larger.
	batchBytes = 64 << 10

	// lastBytes and lastAge say which write is made again when the connection ends: the peer was perhaps gone already, though the
	// write succeeded.
	lastBytes = 4 << 10
	lastAge   = 2 * time.Second
)

// peer is the queue of packets for one address, and the connection that they are written to. A goroutine, which runs only while packets
// are queued, dials and writes.
type peer struct {
	t    *Transport
	to   memberlist.Address
	used atomic.Int64 // time of the last packet

	mu struct {
		sync.Mutex
		closed  bool // it is no longer in peers
		queue   queue
		writing bool               // the goroutine is running
		cancel  context.CancelFunc // ends its attempt to connect; nil: it makes none
		conn    net.Conn           // nil: none
		stale   bool               // conn has told the peer a former address
		silent  bool               // the peer was silent on the former connection

		last   []byte    // frames of the last write to conn, unless they are many
		lastAt time.Time // of that
		again  []byte    // frames to write again, before all others

		err      error     // of the last attempt to connect; nil if it succeeded
		reported bool      // err was returned
		retry    time.Time // earliest next attempt
		failed   time.Time
		pause    time.Duration
	}
}

// errClosed is returned by peer.write for a peer that is no longer in peers.
var errClosed = errors.New("peer was removed")

// write queues a copy of a packet.
func (p *peer) write(packet []byte, c class) error {
	now := time.Now()
	p.used.Store(now.UnixNano())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return errClosed
	}
	err := p.mu.err
	if err != nil && now.Before(p.mu.retry) {
		p.mu.reported = true
		p.t.metrics.Add(metrics.TransportDropped, 1)
		return err
	}
	if p.mu.reported || now.Sub(p.mu.failed) > errorAge {
		err = nil
	}
	p.mu.reported = true
	dropped := p.mu.queue.add(append(make([]byte, 0, len(packet)), packet...), c, p.t.config.QueuePackets, p.t.config.QueueBytes)
	if dropped > 0 {
		p.t.metrics.Add(metrics.TransportDropped, dropped)
	}
	if p.mu.writing {
		return err
	}
	if !p.t.tasks.Go(p.run) {
		return memberlist.ErrShutdown
	}
	p.mu.writing = true
	return err
}

// run writes what is queued, until nothing is.
func (p *peer) run() {
	buf, _ := p.t.batches.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer func() {
		if cap(*buf) <= 2*batchBytes {
			p.t.batches.Put(buf)
		}
	}()
	for {
		batch, packets := p.take((*buf)[:0])
		if len(batch) == 0 {
			return
		}
		*buf = batch
		switch err := p.send(batch); {
		case err != nil && packets == 0:
			continue // the peer is not there yet; the next packet will tell
		case err != nil:
			p.fail(err, packets)
			return
		}
		p.t.sent.Add(uint64(packets))
	}
}

// take moves queued packets to the end of b, as frames. packets is 0 for those that are written again. If there are none at all, the
// goroutine is no longer running when it returns.
func (p *peer) take(b []byte) (batch []byte, packets int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.again) > 0 {
		b = append(b, p.mu.again...)
		p.mu.again = nil // only once, also if the peer closes each connection
		return b, 0
	}
	for {
		c, size, ok := p.mu.queue.next()
		if !ok || packets > 0 && len(b)+frameHeader+size > batchBytes {
			break
		}
		b = appendFrame(b, p.mu.queue.pop(c))
		packets++
	}
	if packets == 0 {
		p.mu.writing = false
		p.mu.queue.clear() // its memory
		return b, 0
	}
	p.mu.last = p.mu.last[:0]
	if len(b) <= lastBytes {
		p.mu.last, p.mu.lastAt = append(p.mu.last, b...), time.Now()
	}
	return b, packets
}

// send writes a batch to the connection or, if that was idle and turns out to be broken, once more to a new one.
func (p *peer) send(batch []byte) error {
	p.mu.Lock()
	conn, stale := p.mu.conn, p.mu.stale
	p.mu.Unlock()
	if conn != nil && stale {
		p.drop(conn)
		conn = nil
	}
	if conn != nil {
		err := p.writeBatch(conn, batch)
		if err == nil {
			return nil
		}
		p.drop(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return err // it takes nothing; another one would not either
		}
	}
	conn, err := p.connect()
	if err != nil {
		return err
	}
	if err := p.writeBatch(conn, batch); err != nil {
		p.drop(conn)
		return err
	}
	return nil
}

func (p *peer) writeBatch(conn net.Conn, batch []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(p.t.config.WriteTimeout)); err != nil {
		return err
	}
	_, err := conn.Write(batch)
	return err
}

// connect makes the connection, and watches it from then on.
func (p *peer) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(p.t.tasks.Context(), p.t.config.DialTimeout)
	defer cancel()
	p.mu.Lock()
	p.mu.cancel, p.mu.stale = cancel, false
	o, closed := opening{kind: kindPackets, silent: p.mu.silent}, p.mu.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	conn, err := p.t.dial(ctx, o, p.to)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.cancel = nil
	if err != nil {
		return nil, err
	}
	if p.mu.closed || !p.t.tasks.Go(func() { p.watch(conn) }) {
		abort(conn)
		return nil, errClosed
	}
	p.mu.conn = conn
	p.mu.err, p.mu.pause, p.mu.silent = nil, 0, false
	return conn, nil
}

// watch waits for the end of a connection, on which the peer sends nothing, and closes it when it is idle.
func (p *peer) watch(conn net.Conn) {
	idle := p.t.config.IdleTimeout
	until := time.Now().Add(idle)
	var b [1]byte
	for {
		_ = conn.SetReadDeadline(until) // fails as the read does
		if _, err := conn.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
			p.ended(conn)
			return
		}
		until = time.Unix(0, p.used.Load()).Add(idle)
		if !until.After(time.Now()) && p.closeIdle(conn) {
			return
		}
	}
}

// onSilence ends the connection, as the peer does not answer, and has the next one tell the peer so.
func (p *peer) onSilence() {
	p.mu.Lock()
	p.mu.silent = p.mu.silent || p.mu.conn != nil
	p.mu.Unlock()
	p.renew()
}

// renew ends the connection, which may be half-open.
func (p *peer) renew() {
	p.mu.Lock()
	conn := p.mu.conn
	p.mu.Unlock()
	if conn != nil {
		p.ended(conn)
	}
}

// ended notes that the peer has closed a connection, or the network has, or that it may be half-open. What was written last is written again
// on a new one, if the peer was perhaps gone by then.
func (p *peer) ended(conn net.Conn) {
	defer abort(conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.conn != conn { // this member has closed it
		return
	}
	p.mu.conn = nil
	if len(p.mu.last) == 0 || time.Since(p.mu.lastAt) > lastAge {
		return
	}
	p.mu.again, p.mu.last = p.mu.last, nil
	if !p.mu.writing {
		p.mu.writing = p.t.tasks.Go(p.run)
	}
}

// closeIdle removes the peer and closes its connection, unless packets are queued.
func (p *peer) closeIdle(conn net.Conn) bool {
	p.mu.Lock()
	if p.mu.writing {
		p.mu.Unlock()
		return false
	}
	current := p.mu.conn == conn
	if current {
		p.mu.closed, p.mu.conn = true, nil
	}
	p.mu.Unlock()
	abort(conn)
	if current {
		p.t.peers.remove(p)
		p.t.metrics.Add(metrics.TransportIdle, 1)
	}
	return true
}

// drop closes a connection. Packets that are queued, or are written later, make a new one.
func (p *peer) drop(conn net.Conn) {
	p.mu.Lock()
	if p.mu.conn == conn {
		p.mu.conn = nil
	}
	p.mu.Unlock()
	abort(conn)
}

// fail drops what is queued, and notes the error for the next write. packets is the number of those that were not sent.
func (p *peer) fail(err error, packets int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.mu.writing = false
	p.mu.last, p.mu.again = nil, nil
	p.mu.err, p.mu.reported, p.mu.failed = err, false, now
	p.mu.pause = min(max(2*p.mu.pause, firstRetry), lastRetry)
	p.mu.retry = now.Add(p.mu.pause - rand.N(p.mu.pause/2))
	p.t.metrics.Add(metrics.TransportDropped, packets+p.mu.queue.clear())
}

// revive ends the pause before the next attempt to connect: the peer is there.
func (p *peer) revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.retry, p.mu.pause = time.Time{}, 0
	p.mu.reported = true // the error is of the past
}

// redial makes the next packet use a new connection.
func (p *peer) redial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.stale = true
}

// recheck makes the next packet use a new connection if the certificate of the peer is of none of the CAs.
func (p *peer) recheck(cas *x509.CertPool) {
	p.mu.Lock()
	conn, ok := p.mu.conn.(*tls.Conn)
	p.mu.Unlock()
	if !ok {
		return
	}
	if state := conn.ConnectionState(); verifyChain(&state, cas, "", x509.ExtKeyUsageServerAuth, time.Now()) != nil {
		p.redial()
	}
}

// close ends the goroutine and closes the connection.
func (p *peer) close() {
	p.mu.Lock()
	p.mu.closed = true
	conn, cancel := p.mu.conn, p.mu.cancel
	p.mu.conn = nil
	if n := p.mu.queue.clear(); n > 0 {
		p.t.metrics.Add(metrics.TransportDropped, n)
	}
	p.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if conn != nil {
		abort(conn)
	}
}
