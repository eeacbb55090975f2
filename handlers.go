package memberlist

import (
	"bytes"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/handoff"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// gossipTurn is the number of messages about members in one turn: the core is locked for that long.
const gossipTurn = 32

// gossipHandler handles alive, suspect and dead messages, several in one turn. It belongs to the goroutine of gossipLoop.
type gossipHandler struct {
	m     *Memberlist
	queue *handoff.Queue
	most  int // messages in one turn

	*gossipMemory // while messages are handled
}

// gossipMemory is the memory for handling messages about members.
type gossipMemory struct {
	taken   []*handoff.Batch  // scratch of handleAll
	batches []*handoff.Batch  // of the pending messages
	pending []handoff.Message // for the next turn
	allowed []pendingGossip   // those that Config.Alive allows, in the memory of room
	room    [gossipTurn]pendingGossip
	turn    turn
}

// pendingGossip is a message about a member, and its sender.
type pendingGossip struct {
	from    *swim.Endpoint
	message wire.GossipView
}

func newGossipHandler(m *Memberlist, queue *handoff.Queue) *gossipHandler {
	h := &gossipHandler{m: m, queue: queue, most: gossipTurn}
	if m.config.Alive != nil {
		h.most = 1 // a message does not wait while the delegate is asked about another
	}
	return h
}

// gossipLoop handles alive, suspect and dead messages. It ends with the Memberlist.
func (m *Memberlist) gossipLoop() {
	h := newGossipHandler(m, m.gossip)
	for {
		select {
		case <-h.queue.Ready():
			h.handleAll()
		case <-m.tasks.Done():
			return
		}
	}
}

// handleAll handles all queued batches.
func (h *gossipHandler) handleAll() {
	h.gossipMemory = gossipMemories.get()
	h.turn.m, h.allowed = h.m, h.room[:0]
	for h.taken = h.queue.Take(h.taken); len(h.taken) > 0; h.taken = h.queue.Take(h.taken) {
		for _, b := range h.taken {
			if h.m.tasks.Closed() {
				return
			}
			h.handle(b)
		}
		h.flush()
		h.yield()
	}
	h.turn.m = nil
	gossipMemories.put(h.gossipMemory)
	h.gossipMemory = nil
}

// handle handles a batch; its last messages are left for flush. Messages of members that leave wait for the user messages that arrived
// before them, but not for long, as other messages wait behind them.
func (h *gossipHandler) handle(b *handoff.Batch) {
	if b.After > h.m.userMessages.queue.Handled() {
		h.flush()
		h.m.userMessages.awaitHandled(b.After)
	}
	for message := range b.Messages() {
		if len(h.pending) == h.most {
			h.flush()
			h.yield()
		}
		h.pending = append(h.pending, message)
	}
	h.batches = append(h.batches, b)
}

// yield lets other goroutines run if packets wait: pings are answered first.
func (h *gossipHandler) yield() {
	if len(h.m.transport.PacketCh()) > 0 {
		runtime.Gosched()
	}
}

// flush passes the pending messages that Config.Alive allows to the core.
func (h *gossipHandler) flush() {
	if len(h.pending) == 0 {
		return
	}
	h.queue.Began(h.pending...)
	for i := range h.pending {
		h.decode(&h.pending[i])
	}
	if len(h.allowed) > 0 {
		now := time.Now()
		t := h.turn.begin(now)
		t.core.Waited(now.Sub(h.pending[0].Batch.At))
		for i := range h.allowed {
			r := &h.allowed[i]
			t.core.StepGossip(*r.from, &r.message)
		}
		t.commit()
	}
	h.queue.Done(len(h.pending))
	h.pending, h.allowed = h.pending[:0], h.allowed[:0]
	for _, b := range h.batches {
		h.queue.Release(b)
	}
	clear(h.batches)
	h.batches = h.batches[:0]
}

// decode decodes a message, and adds it to h.allowed if Config.Alive allows it.
func (h *gossipHandler) decode(message *handoff.Message) {
	m := h.m
	h.allowed = h.allowed[:len(h.allowed)+1]
	r := &h.allowed[len(h.allowed)-1]
	r.from = &message.Batch.From
	if err := r.message.Parse(message.Kind, message.Body); err != nil {
		h.allowed = h.allowed[:len(h.allowed)-1]
		m.dropFrom(metrics.DroppedDecode, "packet message", "dropping message that cannot be decoded", *r.from, err)
		return
	}
	if r.message.Kind != wire.TypeAlive {
		return
	}
	if r.message.Port == 0 {
		r.message.Port = uint16(m.config.BindPort)
	}
	if m.config.Alive != nil && !m.aliveAllowed(r.message.Alive()) {
		h.allowed = h.allowed[:len(h.allowed)-1]
	}
}

// aliveAllowed asks the alive delegate about an alive message.
func (m *Memberlist) aliveAllowed(a *wire.Alive) bool {
	if m.config.Alive == nil {
		return true
	}
	if len(a.Vsn) < len(swim.Versions{}) {
		m.log.Limited("alive versions", slog.LevelWarn, "ignoring alive message without versions", slog.String("node", a.Node))
		return false
	}
	node := nodeOfAlive(a)
	if err := m.askAlive(node); err != nil {
		m.log.Limited("alive delegate", slog.LevelWarn, "alive delegate refuses member", slog.String("node", a.Node), logging.Err(err))
		return false
	}
	return true
}

// askAlive asks the alive delegate whether it allows a member.
func (m *Memberlist) askAlive(node *Node) error {
	if m.config.Alive == nil {
		return nil
	}
	if !m.tasks.BeginCallback() {
		return ErrShutdown
	}
	defer m.tasks.EndCallback()
	return m.config.Alive.NotifyAlive(node)
}

// nodeOfAlive returns a Node for an alive message, with memory of its own.
func nodeOfAlive(a *wire.Alive) *Node {
	n := &Node{
		Name: strings.Clone(a.Node),
		Addr: net.IP(bytes.Clone(a.Addr)),
		Port: a.Port,
		Meta: bytes.Clone(a.Meta),
	}
	if len(a.Vsn) >= len(swim.Versions{}) {
		n.PMin, n.PMax, n.PCur = a.Vsn[0], a.Vsn[1], a.Vsn[2]
		n.DMin, n.DMax, n.DCur = a.Vsn[3], a.Vsn[4], a.Vsn[5]
	}
	return n
}

// userMessages passes user messages of packets to Config.Delegate.
type userMessages struct {
	m       *Memberlist
	queue   *handoff.Queue
	stuckAt atomic.Uint64 // the message that awaitHandled gave up on, counted from 1; 0: none
}

// loop calls the delegate with each message, after the event delegate has been called for the messages about members that had arrived
// before. It ends with the Memberlist.
func (u *userMessages) loop() {
	m := u.m
	var taken []*handoff.Batch
	for {
		select {
		case <-u.queue.Ready():
		case <-m.tasks.Done():
			return
		}
		for taken = u.queue.Take(taken); len(taken) > 0; taken = u.queue.Take(taken) {
			for _, b := range taken {
				for message := range b.Messages() {
					u.queue.Began(message)
					if !m.gossip.Await(b.After, nil, m.tasks.Done()) || !m.delivery.await() {
						return
					}
					u.notify(bytes.Clone(message.Body)) // programs keep it, as with the reference
					u.queue.Done(1)
				}
				u.queue.Release(b)
			}
		}
	}
}

// notify passes a user message to the delegate.
func (u *userMessages) notify(message []byte) {
	m := u.m
	if m.config.Delegate == nil || !m.tasks.BeginCallback() {
		return
	}
	defer m.tasks.EndCallback()
	m.config.Delegate.NotifyMsg(message)
}

// awaitHandled waits until the first n messages have been handled, at most for leavePatience. It does not wait twice for the same
// call of a slow delegate.
func (u *userMessages) awaitHandled(n uint64) {
	handled := u.queue.Handled()
	if handled >= n || u.stuckAt.Load() == handled+1 {
		return
	}
	timer := time.NewTimer(leavePatience)
	defer timer.Stop()
	if !u.queue.Await(n, timer.C, u.m.tasks.Done()) {
		u.stuckAt.Store(u.queue.Handled() + 1)
	}
}
