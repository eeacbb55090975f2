package sim

import (
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// CPU is what the work of a node costs. A node does one thing at a time; what it does not get to waits: its timer, packets up to
// maxInbox, as in a socket's buffer, and messages about members. In turn it runs the timer and receives a packet; it handles messages
// about members when no packet waits, as a Memberlist does.
type CPU struct {
	Packet  time.Duration // to send or to receive a packet; 0: work costs nothing
	Message time.Duration // to encode, to decode, or to handle a message
	State   time.Duration // to encode or to merge the state of a member in a push/pull

	// Queue is the number of messages about members that may wait at a node; 0: 1024, the default of HandoffQueueDepth.
	Queue int
}

// Times returns the costs on a machine that is slower by a factor.
func (c CPU) Times(factor float64) CPU {
	c.Packet = time.Duration(factor * float64(c.Packet))
	c.Message = time.Duration(factor * float64(c.Message))
	c.State = time.Duration(factor * float64(c.State))
	return c
}

// newsAtOnce is the number of messages about members that are handled in one turn.
const newsAtOnce = 32

// work is what waits at a node, if its work costs time.
type work struct {
	scheduled bool          // an eventWork is
	busyUntil int64         // virtual time
	cost      time.Duration // of the present piece of work
	timer     bool          // is due
	last      int           // kind of the last piece of work
	news      []news
	refused   uint64 // messages for which there was no room
}

// news is a message about a member that waits.
type news struct {
	from    swim.Endpoint
	arrived int64
	message []byte
}

// costs reports whether work costs time.
func (s *Sim) costs() bool { return s.cfg.CPU.Packet > 0 }

// toil schedules the next piece of work of a node, if there is any.
func (s *Sim) toil(n *node) {
	w := &n.work
	if w.scheduled || !n.receives() || !w.timer && n.inbox.len() == 0 && len(w.news) == 0 {
		return
	}
	w.scheduled = true
	s.schedule(max(0, time.Duration(w.busyUntil-s.now)), event{kind: eventWork, node: n.id, life: n.life})
}

// workOnce does the next piece of work of a node.
func (s *Sim) workOnce(n *node) {
	w := &n.work
	w.scheduled = false
	if !n.receives() {
		return
	}
	w.cost = 0
	for range 3 {
		w.last = (w.last + 1) % 3
		if s.workOn(n, w.last) {
			break
		}
	}
	if !n.up {
		return
	}
	w.busyUntil = s.now + int64(w.cost)
	s.toil(n)
}

// workOn does a piece of work of a kind, if there is any.
func (s *Sim) workOn(n *node, kind int) bool {
	w := &n.work
	switch kind {
	case 0:
		if !w.timer {
			return false
		}
		w.timer = false
		s.tickNow(n)
	case 1:
		if n.inbox.len() == 0 {
			return false
		}
		w.cost += s.cfg.CPU.Packet
		s.handle(n, n.inbox.pop())
	default:
		if len(w.news) == 0 || n.inbox.len() > 0 {
			return false
		}
		s.handleNews(n)
	}
	return true
}

// queueNews queues a message of a packet if it is about a member, and reports whether it is. It is dropped if there is no room.
func (s *Sim) queueNews(n *node, from swim.Endpoint, at int64, message []byte) bool {
	switch wire.Type(message[0]) {
	case wire.TypeAlive, wire.TypeSuspect, wire.TypeDead:
	default:
		return false
	}
	depth := s.cfg.CPU.Queue
	if depth == 0 {
		depth = 1024
	}
	if len(n.work.news) >= depth {
		n.work.refused++
		s.result.Refused++
		return true
	}
	n.work.news = append(n.work.news, news{from, at, slices.Clone(message)})
	return true
}

// handleNews handles the first messages that wait in one turn.
func (s *Sim) handleNews(n *node) {
	w := &n.work
	some := w.news[:min(newsAtOnce, len(w.news))]
	w.news = w.news[len(some):]
	w.cost += time.Duration(len(some)) * s.cfg.CPU.Message
	t := s.beginTurn(n)
	t.Waited(time.Duration(s.now - some[0].arrived))
	for i := range some {
		s.step(n, t, some[i].from, some[i].message)
	}
	s.byPacket = true
	s.endTurn(n, t)
	s.byPacket = false
	s.check.checkHeard(n)
}

// waitForCPU schedules an event again if its node is busy, and reports whether it is. When the node is not it is so for the time that
// the states of a push/pull take.
func (s *Sim) waitForCPU(n *node, e event, states int) bool {
	if !s.costs() {
		return false
	}
	if wait := time.Duration(n.work.busyUntil - s.now); wait > 0 {
		s.schedule(wait, e)
		return true
	}
	n.work.busyUntil = s.now + int64(states)*int64(s.cfg.CPU.State)
	return false
}
