// Package streamset is the open streams of a member: it admits those that peers open, within limits that a peer cannot exceed, and
// closes all when the member ends.
package streamset

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of inbound streams, all together.
const (
	// MaxInbound is the number of streams opened by peers that are served at once. A further one takes the place of the oldest if
	// that is slow, or else is closed unread.
	MaxInbound = 512

	// MaxPerSource is the number of those from one IP address, so that one peer cannot exclude all others. Members behind one
	// address share it.
	MaxPerSource = 128

	// SlowAfter is the age from which a stream is slow.
	SlowAfter = time.Second

	// MaxBytes is the memory for all streams that are being read: a few times what the largest legal exchange takes.
	MaxBytes = 256 << 20
)

var (
	// ErrClosed is returned for a stream that is opened after CloseAll.
	ErrClosed = errors.New("streams are closed")

	// ErrFull is returned when there are too many inbound streams, none of which is slow.
	ErrFull = errors.New("too many streams are open")

	// ErrMemory is returned when all streams together take too much memory.
	ErrMemory = fmt.Errorf("all streams together exceed %d bytes", MaxBytes)
)

// Set is the open streams. Its methods may be called from any goroutine. The zero value has none and is ready for use.
type Set struct {
	bytes atomic.Int64 // reserved

	mu struct {
		sync.Mutex
		closed   bool
		open     map[net.Conn]struct{}
		inbound  []*Inbound         // the oldest first
		bySource map[netip.Addr]int // number of inbound ones
	}
}

// Inbound is a stream that a peer opened.
type Inbound struct {
	set    *Set
	conn   net.Conn
	source netip.Addr
	since  time.Time
}

// Accept admits a stream that a peer opened. Close is called on the result when the stream has been served. A slow stream that gave its
// place to the new one has been closed and is returned. After an error, ErrFull or ErrClosed, conn has been closed.
func (s *Set) Accept(conn net.Conn, source netip.Addr, now time.Time) (in *Inbound, evicted net.Conn, err error) {
	in, evicted = s.admit(conn, source, now)
	if evicted != nil {
		evicted.Close()
	}
	if in == nil {
		conn.Close()
		return nil, nil, ErrFull
	}
	if err := s.Open(conn); err != nil {
		in.Close()
		return nil, evicted, err
	}
	return in, evicted, nil
}

func (s *Set) admit(conn net.Conn, source netip.Addr, now time.Time) (in *Inbound, evicted net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	crowded := s.mu.bySource[source] >= MaxPerSource
	if crowded || len(s.mu.inbound) >= MaxInbound {
		oldest := slices.IndexFunc(s.mu.inbound, func(i *Inbound) bool { return !crowded || i.source == source })
		slow := s.mu.inbound[oldest]
		if now.Sub(slow.since) < SlowAfter {
			return nil, nil
		}
		s.releaseLocked(slow)
		evicted = slow.conn
	}
	in = &Inbound{s, conn, source, now}
	s.mu.inbound = append(s.mu.inbound, in)
	if s.mu.bySource == nil {
		s.mu.bySource = make(map[netip.Addr]int)
	}
	s.mu.bySource[source]++
	return in, evicted
}

// Close closes the stream, and gives its place to others.
func (i *Inbound) Close() {
	i.set.Close(i.conn)
	i.set.mu.Lock()
	defer i.set.mu.Unlock()
	i.set.releaseLocked(i)
}

// releaseLocked does nothing for a stream that was evicted.
func (s *Set) releaseLocked(i *Inbound) {
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

// NumInbound returns the number of streams that peers opened.
func (s *Set) NumInbound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.inbound)
}

// Open adds an open stream, for CloseAll to close. After an error, ErrClosed, conn has been closed.
func (s *Set) Open(conn net.Conn) error {
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
		return ErrClosed
	}
	return nil
}

// Close closes a stream and removes it.
func (s *Set) Close(conn net.Conn) {
	s.mu.Lock()
	delete(s.mu.open, conn)
	s.mu.Unlock()
	conn.Close()
}

// Len returns the number of open streams.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.open)
}

// CloseAll closes all streams, and those that are added later.
func (s *Set) CloseAll() {
	s.mu.Lock()
	open := s.mu.open
	s.mu.open, s.mu.closed = nil, true // nothing is added any more
	s.mu.Unlock()
	for conn := range open {
		conn.Close()
	}
}

// Bytes returns the memory that is reserved.
func (s *Set) Bytes() int64 { return s.bytes.Load() }

// Reservation is memory that reading one stream takes. It belongs to the goroutine that reads. The zero value has none.
type Reservation struct{ bytes int64 }

// Reserve adds n bytes to a reservation, or returns ErrMemory.
func (s *Set) Reserve(r *Reservation, n int) error {
	if s.bytes.Add(int64(n)) > MaxBytes {
		s.bytes.Add(int64(-n))
		return ErrMemory
	}
	r.bytes += int64(n)
	return nil
}

// Release releases a reservation.
func (s *Set) Release(r *Reservation) {
	s.bytes.Add(-r.bytes)
	r.bytes = 0
}
