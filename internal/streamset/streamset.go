// Package streamset holds the open streams of a member: it admits inbound streams, within limits that no peer can
// exceed, and closes all streams when the member ends.
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

// Limits of all inbound streams together.
const (
	// MaxInbound is the number of inbound streams that are served at once. A further one replaces another: see
	// Accept.
	MaxInbound = 512

	// silentAfter is the age from which a stream from which nothing was read is silent.
	silentAfter = time.Second

	// MaxBytes is the memory for all streams that are being read: what the largest legal exchange takes, a sealed frame of 20 MiB that
	// inflates to 40. Go's heap grows to two or three times what is in use.
	MaxBytes = 96 << 20
)

var (
	// ErrClosed is returned for a stream that is opened after CloseAll.
	ErrClosed = errors.New("streams are closed")

	// ErrMemory is returned when all streams together take too much memory.
	ErrMemory = fmt.Errorf("all streams together exceed %d bytes", MaxBytes)
)

// Set is the open streams of a member. Its methods may be called from any goroutine. The zero value is empty and
// ready for use.
type Set struct {
	bytes atomic.Int64 // reserved

	mu struct {
		sync.Mutex
		closed  bool
		open    map[net.Conn]struct{}
		inbound []*Inbound // the oldest first
		sources map[netip.Prefix]*source
	}
}

// source is a network from which inbound streams come.
type source struct {
	prefix netip.Prefix
	open   int // number of them
	unread int // number of them from which nothing was read
}

// Inbound is a stream that a peer opened.
type Inbound struct {
	net.Conn // Read and Close are Inbound's

	set    *Set
	source *source
	since  time.Time
	spoke  bool // something was read; written by the reading goroutine, with set.mu locked
	left   bool // it has been released or evicted
}

// Accept admits a stream that a peer opened, of which only the result is used then. If there are too many, it closes another and returns
// that: one of the source that has most, so that no source can exclude another, however often it opens streams. Of that source's streams,
// it is the oldest one on which nothing was said, if that is a second old, or there are as many of these as of others; else
// the oldest of the others. After an error, ErrClosed, conn has been closed.
func (s *Set) Accept(conn net.Conn, from netip.Addr, now time.Time) (in, evicted *Inbound, err error) {
	in, evicted = s.admit(conn, from, now)
	if evicted != nil {
		evicted.Conn.Close()
	}
	if err := s.Open(conn); err != nil {
		in.Close()
		return nil, evicted, err
	}
	return in, evicted, nil
}

func (s *Set) admit(conn net.Conn, from netip.Addr, now time.Time) (in, evicted *Inbound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in = &Inbound{Conn: conn, set: s, source: s.sourceLocked(from), since: now}
	in.source.open++
	in.source.unread++
	if len(s.mu.inbound) >= MaxInbound {
		evicted = s.victimLocked(now)
		s.releaseLocked(evicted)
	}
	s.mu.inbound = append(s.mu.inbound, in)
	return in, evicted
}

// sourceLocked returns the source of an address, which it adds if necessary. The caller opens a stream of it.
func (s *Set) sourceLocked(from netip.Addr) *source {
	from = from.Unmap().WithZone("")
	size := from.BitLen()
	if from.Is6() {
		size = sourceBits6
	}
	prefix, _ := from.Prefix(size) // of no IP address: the zero value
	if s.mu.sources == nil {
		s.mu.sources = make(map[netip.Prefix]*source)
	}
	if s.mu.sources[prefix] == nil {
		s.mu.sources[prefix] = &source{prefix: prefix}
	}
	return s.mu.sources[prefix]
}

// sourceBits6 is the length of the part of an IPv6 address that one peer cannot choose.
const sourceBits6 = 64

// victimLocked returns the stream to close for another. There must be one.
func (s *Set) victimLocked(now time.Time) *Inbound {
	most := s.mu.inbound[0].source
	for _, i := range s.mu.inbound {
		if i.source.open > most.open || i.source.open == most.open && i.source.unread > most.unread {
			most = i.source
		}
	}
	var unread, spoke *Inbound // the oldest ones
	for _, i := range slices.Backward(s.mu.inbound) {
		switch {
		case i.source != most:
		case i.spoke:
			spoke = i
		default:
			unread = i
		}
	}
	if spoke == nil || unread != nil && (2*most.unread >= most.open || now.Sub(unread.since) >= silentAfter) {
		return unread
	}
	return spoke
}

// Read reads from the stream.
func (i *Inbound) Read(b []byte) (int, error) {
	n, err := i.Conn.Read(b)
	if n > 0 && !i.spoke {
		i.set.mu.Lock()
		i.spoke = true
		if !i.left {
			i.source.unread--
		}
		i.set.mu.Unlock()
	}
	return n, err
}

// Close closes the stream and releases its place. It returns nil.
func (i *Inbound) Close() error {
	i.set.Close(i.Conn)
	i.set.mu.Lock()
	defer i.set.mu.Unlock()
	i.set.releaseLocked(i)
	return nil
}

// releaseLocked does nothing for a stream that was evicted.
func (s *Set) releaseLocked(i *Inbound) {
	if i.left {
		return
	}
	i.left = true
	at := slices.Index(s.mu.inbound, i)
	s.mu.inbound = slices.Delete(s.mu.inbound, at, at+1)
	i.source.open--
	if !i.spoke {
		i.source.unread--
	}
	if i.source.open == 0 {
		delete(s.mu.sources, i.source.prefix)
	}
}

// NumInbound returns the number of inbound streams.
func (s *Set) NumInbound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.inbound)
}

// Open adds an open stream, so that CloseAll closes it. After an error, ErrClosed, conn has been closed.
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

// Bytes returns the number of reserved bytes.
func (s *Set) Bytes() int64 { return s.bytes.Load() }

// Reservation is the memory reserved for reading one stream. It belongs to the reading goroutine. The zero value is
// empty.
type Reservation struct{ bytes int64 }

// Reserve adds n bytes to a reservation, or returns ErrMemory. A negative n releases bytes.
func (s *Set) Reserve(r *Reservation, n int) error {
	if s.bytes.Add(int64(n)) > MaxBytes && n > 0 {
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
