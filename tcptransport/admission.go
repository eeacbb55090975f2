package tcptransport

import (
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// admission bounds the accepted connections of a sort. When there are too many, one of the source that has most is closed: the one that
// was used least recently. So no source excludes another, however often it connects.
type admission struct {
	limit int

	mu struct {
		sync.Mutex
		closed  bool
		open    map[*inbound]struct{}
		sources map[netip.Prefix]int
	}
}

// inbound is an accepted connection.
type inbound struct {
	conn   net.Conn // the TCP connection
	source netip.Prefix
	peer   *tls.ConnectionState // of connections for packets; nil without TLS
	used   atomic.Int64         // time of the last use
	gone   chan struct{}        // closed when it is closed for room
}

// sourceBits6 is the length of the part of an IPv6 address that one peer cannot choose.
const sourceBits6 = 64

// newInbound returns a connection that is not admitted yet.
func newInbound(conn net.Conn) *inbound {
	in := &inbound{conn: conn, gone: make(chan struct{})}
	ip := addrOf(conn.RemoteAddr()).Addr()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = sourceBits6
	}
	in.source, _ = ip.Prefix(bits) // of no IP address: the zero value
	in.touch()
	return in
}

func (in *inbound) touch() { in.used.Store(time.Now().UnixNano()) }

// admit adds a connection, and returns one that it has closed for it. It returns false after close.
func (a *admission) admit(in *inbound) (evicted *inbound, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.closed {
		return nil, false
	}
	if a.mu.open == nil {
		a.mu.open, a.mu.sources = make(map[*inbound]struct{}), make(map[netip.Prefix]int)
	}
	a.mu.open[in] = struct{}{}
	a.mu.sources[in.source]++
	if len(a.mu.open) <= a.limit {
		return nil, true
	}
	evicted = a.victimLocked()
	a.removeLocked(evicted)
	close(evicted.gone)
	evicted.conn.Close()
	return evicted, true
}

// victimLocked returns the connection to close.
func (a *admission) victimLocked() (victim *inbound) {
	for in := range a.mu.open {
		if victim == nil {
			victim = in
			continue
		}
		most, n := a.mu.sources[victim.source], a.mu.sources[in.source]
		if n > most || n == most && in.used.Load() < victim.used.Load() {
			victim = in
		}
	}
	return victim
}

// remove removes a connection, which may be no longer there.
func (a *admission) remove(in *inbound) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removeLocked(in)
}

func (a *admission) removeLocked(in *inbound) {
	if _, ok := a.mu.open[in]; !ok {
		return
	}
	delete(a.mu.open, in)
	if a.mu.sources[in.source]--; a.mu.sources[in.source] == 0 {
		delete(a.mu.sources, in.source)
	}
}

func (a *admission) list() []*inbound {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.mu.open))
}

func (a *admission) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.mu.open)
}

// close closes all connections, and admits none any more.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.closed = true
	for in := range a.mu.open {
		in.conn.Close()
	}
}
