package simnet

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// window is the number of unread bytes in one direction of a connection beyond which a write blocks.
const window = 256 << 10

// pipe is one direction of a connection:
//
//	write -> transit (each part until it is due and the link is up) -> arrived -> read
type pipe struct {
	network  *Network
	from, to netip.AddrPort // ends of the link
	reverse  *pipe
	stalled  bool // guarded by network.mu

	mu struct {
		sync.Mutex
		transit      []part
		arrived      bytes.Buffer
		size         int       // bytes of both
		last         time.Time // time at which the last part of transit is due
		writing      bool      // a write is in progress
		writerClosed bool
		readerClosed bool
		ended        bool          // the writer's end has arrived: no bytes follow
		broken       bool          // the reader has closed its end, and the writer knows
		changed      chan struct{} // closed by the next change; nil if nothing waits

		readDeadline  time.Time
		writeDeadline time.Time
	}
}

// part is the bytes of one write in transit.
type part struct {
	due  time.Time
	data []byte
	end  bool
}

// read is net.Conn's Read without the wrapping of errors.
func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.mu.readerClosed:
			return 0, net.ErrClosed
		case passed(p.mu.readDeadline):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case p.mu.arrived.Len() > 0:
			n, _ := p.mu.arrived.Read(b)
			p.mu.size -= n
			p.notifyLocked()
			return n, nil
		case p.mu.ended:
			return 0, io.EOF
		}
		p.waitLocked(p.mu.readDeadline)
	}
}

// write is net.Conn's Write without the wrapping of errors. Concurrent writes do not interleave.
func (p *pipe) write(b []byte) (int, error) {
	if err := p.startWrite(); err != nil {
		return 0, err
	}
	defer p.endWrite()
	written := 0
	for written < len(b) {
		room, err := p.room()
		if err != nil {
			return written, err
		}
		next := b[written:min(len(b), written+room)]
		if err := p.put(part{data: bytes.Clone(next)}); err != nil {
			return written, err
		}
		written += len(next)
	}
	return written, nil
}

func (p *pipe) startWrite() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if err := p.writeErrorLocked(); err != nil {
			return err
		}
		if !p.mu.writing {
			p.mu.writing = true
			return nil
		}
		p.waitLocked(p.mu.writeDeadline)
	}
}

func (p *pipe) endWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.writing = false
	p.notifyLocked()
}

// room blocks until the window has room and returns its size in bytes.
func (p *pipe) room() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if err := p.writeErrorLocked(); err != nil {
			return 0, err
		}
		if room := window - p.mu.size; room > 0 {
			return room, nil
		}
		p.waitLocked(p.mu.writeDeadline)
	}
}

func (p *pipe) writeErrorLocked() error {
	switch {
	case p.mu.writerClosed:
		return net.ErrClosed
	case passed(p.mu.writeDeadline):
		return os.ErrDeadlineExceeded
	case p.mu.broken:
		return ErrBroken
	}
	return nil
}

// put sends a part, behind those in transit.
func (p *pipe) put(x part) error {
	link, _ := p.network.link(p.from, p.to)
	delay := p.network.delay(link)

	p.mu.Lock()
	if p.mu.writerClosed {
		p.mu.Unlock()
		return net.ErrClosed
	}
	p.mu.writerClosed = x.end
	x.due = time.Now().Add(delay)
	if x.due.Before(p.mu.last) {
		x.due = p.mu.last
	}
	p.mu.last = x.due
	p.mu.transit = append(p.mu.transit, x)
	p.mu.size += len(x.data)
	if x.end {
		p.notifyLocked()
	}
	p.mu.Unlock()

	p.network.count(func(s *Stats) { s.StreamBytes += uint64(len(x.data)) })
	p.network.at(x.due, p.deliver)
	return nil
}

// deliver moves due parts to the reader. If the link is down, it is called again when the link changes.
func (p *pipe) deliver() {
	for p.due() {
		link, version := p.network.link(p.from, p.to, p.from, p.to)
		if !link.StreamsDown {
			p.arrive()
			return
		}
		if p.network.stall(p, version) {
			return
		}
	}
}

func (p *pipe) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.transit) > 0 && passed(p.mu.transit[0].due)
}

func (p *pipe) arrive() {
	if p.moveDue() {
		p.reverse.breakOff()
	}
}

// moveDue moves due parts, and returns whether the writer's end was among them.
func (p *pipe) moveDue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := false
	for len(p.mu.transit) > 0 && passed(p.mu.transit[0].due) {
		x := p.mu.transit[0]
		p.mu.transit[0] = part{}
		p.mu.transit = p.mu.transit[1:]
		if p.mu.readerClosed {
			p.mu.size -= len(x.data)
		} else {
			p.mu.arrived.Write(x.data)
		}
		end = end || x.end
	}
	p.mu.ended = p.mu.ended || end
	p.notifyLocked()
	return end
}

// breakOff makes all further writes fail.
func (p *pipe) breakOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.broken = true
	p.notifyLocked()
}

// closeRead drops unread bytes and those that arrive later.
func (p *pipe) closeRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.readerClosed = true
	p.mu.size -= p.mu.arrived.Len()
	p.mu.arrived = bytes.Buffer{}
	p.notifyLocked()
}

// closeWrite sends the end after the written bytes. It fails when called again.
func (p *pipe) closeWrite() error {
	return p.put(part{end: true})
}

func (p *pipe) setReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.readerClosed {
		return net.ErrClosed
	}
	p.mu.readDeadline = t
	p.notifyLocked()
	return nil
}

func (p *pipe) setWriteDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.writerClosed {
		return net.ErrClosed
	}
	p.mu.writeDeadline = t
	p.notifyLocked()
	return nil
}

// waitLocked releases the lock until something has changed or the deadline, if any, has passed.
func (p *pipe) waitLocked(deadline time.Time) {
	if p.mu.changed == nil {
		p.mu.changed = make(chan struct{})
	}
	changed := p.mu.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	if deadline.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func (p *pipe) notifyLocked() {
	if p.mu.changed != nil {
		close(p.mu.changed)
		p.mu.changed = nil
	}
}

// passed reports whether a moment is set and not in the future.
func passed(moment time.Time) bool {
	return !moment.IsZero() && !moment.After(time.Now())
}
