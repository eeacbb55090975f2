package tcptransport

import (
	"errors"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/metrics"
)

// peers are the peers that packets were written to of late: at most Config.MaxConnections, so that no more connections are open.
type peers struct {
	t *Transport

	mu struct {
		sync.RWMutex
		closed bool
		byAddr map[memberlist.Address]*peer
	}
}

// write queues a packet for an address. A peer that is being removed is found for a moment.
func (ps *peers) write(packet []byte, to memberlist.Address, c class) error {
	for {
		p, err := ps.get(to)
		if err != nil {
			return err
		}
		if err := p.write(packet, c); !errors.Is(err, errClosed) {
			return err
		}
	}
}

// get returns the peer at an address.
func (ps *peers) get(to memberlist.Address) (*peer, error) {
	ps.mu.RLock()
	p, closed := ps.mu.byAddr[to], ps.mu.closed
	ps.mu.RUnlock()
	switch {
	case closed:
		return nil, memberlist.ErrShutdown
	case p != nil:
		return p, nil
	}
	p, evicted := ps.add(to)
	if evicted != nil {
		ps.t.metrics.Add(metrics.TransportEvicted, 1)
		evicted.close()
	}
	if p == nil {
		return nil, memberlist.ErrShutdown
	}
	return p, nil
}

// add adds a peer, and removes another one, which is to be closed, if there are too many.
func (ps *peers) add(to memberlist.Address) (p, evicted *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.mu.closed {
		return nil, nil
	}
	if p := ps.mu.byAddr[to]; p != nil {
		return p, nil
	}
	if ps.mu.byAddr == nil {
		ps.mu.byAddr = make(map[memberlist.Address]*peer)
	}
	if len(ps.mu.byAddr) >= ps.t.config.MaxConnections {
		for _, p := range ps.mu.byAddr {
			if evicted == nil || p.used.Load() < evicted.used.Load() {
				evicted = p
			}
		}
		delete(ps.mu.byAddr, evicted.to)
	}
	p = &peer{t: ps.t, to: to}
	p.used.Store(time.Now().UnixNano())
	ps.mu.byAddr[to] = p
	return p, evicted
}

// remove removes a peer.
func (ps *peers) remove(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.mu.byAddr[p.to] == p {
		delete(ps.mu.byAddr, p.to)
	}
}

// onOpening notes that a peer is there: it has connected for packets.
func (ps *peers) onOpening(o *opening) {
	from := memberlist.Address{Addr: o.addr.String(), Name: o.name}
	ps.mu.RLock()
	named, unnamed := ps.mu.byAddr[from], ps.mu.byAddr[memberlist.Address{Addr: from.Addr}]
	ps.mu.RUnlock()
	for _, p := range []*peer{named, unnamed} {
		if p != nil {
			p.revive()
			if o.silent {
				p.renew()
			}
		}
	}
}

// onSilence makes a new connection to a peer that does not answer.
func (ps *peers) onSilence(to memberlist.Address) {
	ps.mu.RLock()
	p := ps.mu.byAddr[to]
	ps.mu.RUnlock()
	if p != nil {
		p.onSilence()
	}
}

// redial makes the next packet to each peer dial, as this member has another address to tell.
func (ps *peers) redial() {
	for _, p := range ps.list() {
		p.redial()
	}
}

func (ps *peers) list() []*peer {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	list := make([]*peer, 0, len(ps.mu.byAddr))
	for _, p := range ps.mu.byAddr {
		list = append(list, p)
	}
	return list
}

// connections returns the number of peers with a connection, or one that is being made.
func (ps *peers) connections() (n int) {
	for _, p := range ps.list() {
		p.mu.Lock()
		if p.mu.conn != nil || p.mu.writing {
			n++
		}
		p.mu.Unlock()
	}
	return n
}

// close closes all peers. None is added any more.
func (ps *peers) close() {
	ps.mu.Lock()
	ps.mu.closed = true
	ps.mu.Unlock()
	for _, p := range ps.list() {
		p.close()
	}
}
