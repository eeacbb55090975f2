// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newPipe returns the two ends of a stream in memory, with addresses. Unlike net.Pipe it is buffered, as a network
// is: a write does not wait for a read.
func newPipe(near, far *net.UDPAddr) (nearEnd, farEnd *pipeEnd) {
	there, back := newPipeBuffer(), newPipeBuffer()
	return &pipeEnd{in: back, out: there, local: near, remote: far}, &pipeEnd{in: there, out: back, local: far, remote: near}
}

// pipeBuffer holds the unread bytes of one direction.
type pipeBuffer struct {
	mu      sync.Mutex
	changed sync.Cond
	bytes   []byte
	read    int // number of bytes read
	closed  bool
	ends    int  // number of open ends
	late    bool // the reader's deadline has passed
	timer   *time.Timer
}

func newPipeBuffer() *pipeBuffer {
	p := &pipeBuffer{ends: 2}
	p.changed.L = &p.mu
	return p
}

// pipeMemory reuses the memory of closed pipes: a real network does not allocate in the heap of its users, and the
// suite's own allocations would keep their garbage collector busy.
var pipeMemory = sync.Pool{New: func() any { return new([]byte) }}

func (p *pipeBuffer) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	if p.bytes == nil {
		p.bytes = *pipeMemory.Get().(*[]byte)
	}
	p.bytes = append(p.bytes, b...)
	p.changed.Signal()
	return len(b), nil
}

func (p *pipeBuffer) readInto(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.read == len(p.bytes) {
		switch {
		case p.late:
			return 0, os.ErrDeadlineExceeded
		case p.closed:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
	n := copy(b, p.bytes[p.read:])
	p.read += n
	return n, nil
}

// closeEnd is called once for each of the two ends.
func (p *pipeBuffer) closeEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.ends--
	if p.ends == 0 && p.bytes != nil { // the rest is not read any more
		left := p.bytes[:0]
		p.bytes, p.read = nil, 0
		pipeMemory.Put(&left)
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.changed.Broadcast()
}

func (p *pipeBuffer) setDeadline(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.late = false
	if at.IsZero() || p.closed {
		return
	}
	p.timer = time.AfterFunc(time.Until(at), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.late = true
		p.changed.Broadcast()
	})
}

// pipeEnd is one end of a stream.
type pipeEnd struct {
	in, out       *pipeBuffer
	local, remote *net.UDPAddr
	written       func(n int) // nil: not counted
	closing       sync.Once
}

func (e *pipeEnd) Read(b []byte) (int, error) { return e.in.readInto(b) }

func (e *pipeEnd) Write(b []byte) (int, error) {
	if e.written != nil {
		e.written(len(b))
	}
	return e.out.write(b)
}

func (e *pipeEnd) Close() error {
	e.closing.Do(func() {
		e.in.closeEnd()
		e.out.closeEnd()
	})
	return nil
}

func (e *pipeEnd) LocalAddr() net.Addr  { return &net.TCPAddr{IP: e.local.IP, Port: e.local.Port} }
func (e *pipeEnd) RemoteAddr() net.Addr { return &net.TCPAddr{IP: e.remote.IP, Port: e.remote.Port} }

func (e *pipeEnd) SetDeadline(at time.Time) error      { return e.SetReadDeadline(at) }
func (e *pipeEnd) SetReadDeadline(at time.Time) error  { e.in.setDeadline(at); return nil }
func (e *pipeEnd) SetWriteDeadline(at time.Time) error { return nil } // writes do not wait
