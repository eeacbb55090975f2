package memberlist

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of inbound streams, all together.
const (
	// maxInboundStreams is how many streams that peers opened are served at
	// once. One more takes the place of the oldest, if that is slow, or else is
	// closed unread.
	maxInboundStreams = 512

	// maxSourceStreams is how many of them may come from one IP address, so that
	// nobody alone can keep the others out. Members behind one address share it.
	maxSourceStreams = 128

	// slowStream is after what time a stream is slow, and gives way to another
	// when there are too many.
	slowStream = time.Second

	// maxPushPulls is how many push/pull exchanges that peers began are served
	// at once.
	maxPushPulls = 128

	// maxInboundBytes is how much memory all streams that are being read may
	// take. It is a few times what the largest legal exchange takes.
	maxInboundBytes = 256 << 20
)

// streamSet knows the open streams, so that Shutdown can close them, and what
// the inbound ones take. Its zero value has none.
type streamSet struct {
	pushPulls atomic.Int64 // push/pulls being answered
	bytes     atomic.Int64 // memory of streams being read

	mu struct {
		sync.Mutex
		closed   bool
		open     map[net.Conn]struct{}
		inbound  []*inboundStream   // being served, the oldest first
		bySource map[netip.Addr]int // how many of them are from one address
	}
}

// inboundStream is a stream that is being served.
type inboundStream struct {
	conn   net.Conn
	source netip.Addr
	since  time.Time
}

// admit lets in one more stream from a source, which must be released, and gives
// the slow one that it takes the place of and that is to be closed, if any. It
// gives nil if there is no place.
func (s *streamSet) admit(conn net.Conn, source netip.Addr, now time.Time) (admitted, evicted *inboundStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	crowded := s.mu.bySource[source] >= maxSourceStreams
	if crowded || len(s.mu.inbound) >= maxInboundStreams {
		oldest := slices.IndexFunc(s.mu.inbound, func(i *inboundStream) bool { return !crowded || i.source == source })
		evicted = s.mu.inbound[oldest]
		if now.Sub(evicted.since) < slowStream {
			return nil, nil
		}
		s.releaseLocked(evicted)
	}
	admitted = &inboundStream{conn, source, now}
	s.mu.inbound = append(s.mu.inbound, admitted)
	if s.mu.bySource == nil {
		s.mu.bySource = make(map[netip.Addr]int)
	}
	s.mu.bySource[source]++
	return admitted, evicted
}

func (s *streamSet) release(i *inboundStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(i)
}

// releaseLocked does nothing for a stream that had to give way.
func (s *streamSet) releaseLocked(i *inboundStream) {
	at := slices.Index(s.mu.inbound, i)
	if at < 0 {
		return
	}
	s.mu.inbound = slices.Delete(s.mu.inbound, at, at+1)
	s.mu.bySource[i.source]--
	if s.mu.bySource[i.source] == 0 {
		delete(s.mu.bySource, i.source)
	}
}

// add reports false if all streams are to be closed; then conn is.
func (s *streamSet) add(conn net.Conn) bool {
	s.mu.Lock()
	closed := s.mu.closed
	if !closed {
		if s.mu.open == nil {
			s.mu.open = make(map[net.Conn]struct{})
		}
		s.mu.open[conn] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		conn.Close()
	}
	return !closed
}

// remove closes a stream.
func (s *streamSet) remove(conn net.Conn) {
	s.mu.Lock()
	delete(s.mu.open, conn)
	s.mu.Unlock()
	conn.Close()
}

// numOpen is how many streams are open.
func (s *streamSet) numOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.open)
}

// closeAll closes all streams, and those yet to come.
func (s *streamSet) closeAll() {
	s.mu.Lock()
	open := s.mu.open
	s.mu.open, s.mu.closed = nil, true // nothing is added any more
	s.mu.Unlock()
	for conn := range open {
		conn.Close()
	}
}
