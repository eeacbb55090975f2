package memberlist

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/handoff"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// membershipTurn is how many messages about members the core is given in one turn: it is locked for that long.
const membershipTurn = 32

// membershipHandler handles alive, suspect and dead messages, some in one turn. It belongs to the goroutine of membershipLoop.
// What it decodes into is used again.
type membershipHandler struct {
	m       *Memberlist
	queue   *handoff.Queue
	most    int               // messages in one turn
	taken   []*handoff.Batch  // scratch of handleAll
	batches []*handoff.Batch  // that pending are of
	pending []handoff.Message // for the next turn
	ready   []heardRumor      // those of them that nothing refuses
	turn    turn              // used again
}

// heardRumor is a message about a member, and where it came from.
type heardRumor struct {
	from  *swim.Endpoint
	rumor wire.GossipView
}

func newMembershipHandler(m *Memberlist, queue *handoff.Queue) *membershipHandler {
	h := &membershipHandler{m: m, queue: queue, most: membershipTurn, turn: turn{m: m}}
	if m.config.Alive != nil {
		h.most = 1 // what is allowed does not wait for answers about other members
	}
	h.ready = make([]heardRumor, 0, h.most)
	return h
}

// membershipLoop handles alive, suspect and dead messages. It ends with the Memberlist.
func (m *Memberlist) membershipLoop() {
	h := newMembershipHandler(m, m.membership)
	for {
		select {
		case <-h.queue.Ready():
			h.handleAll()
		case <-m.tasks.Done():
			return
		}
	}
}

// handleAll handles what is queued.
func (h *membershipHandler) handleAll() {
	for h.taken = h.queue.Take(h.taken); len(h.taken) > 0; h.taken = h.queue.Take(h.taken) {
		for _, b := range h.taken {
			if h.m.tasks.Closed() {
				return
			}
			h.handle(b)
		}
		h.flush()
	}
}

// handle handles a batch, but for what flush is left to do. Farewells wait for the user messages that arrived before them, but
// not for long: other news waits behind them.
func (h *membershipHandler) handle(b *handoff.Batch) {
	if b.After > h.m.userMessages.queue.Handled() {
		h.flush()
		h.m.userMessages.awaitHandled(b.After)
	}
	for message := range b.Messages() {
		if len(h.pending) == h.most {
			h.flush()
		}
		h.pending = append(h.pending, message)
	}
	h.batches = append(h.batches, b)
}

// flush asks the delegate about the pending messages, and gives those that it does not refuse to the core.
func (h *membershipHandler) flush() {
	if len(h.pending) == 0 {
		return
	}
	h.queue.Began(h.pending...)
	for i := range h.pending {
		h.decode(&h.pending[i])
	}
	if len(h.ready) > 0 {
		t := h.turn.begin(time.Now())
		for i := range h.ready {
			r := &h.ready[i]
			t.core.StepGossip(*r.from, &r.rumor)
		}
		t.commit()
	}
	h.queue.Done(len(h.pending))
	h.pending, h.ready = h.pending[:0], h.ready[:0]
	for _, b := range h.batches {
		h.queue.Release(b)
	}
	clear(h.batches)
	h.batches = h.batches[:0]
}

// decode makes a message ready for the core, if nobody refuses it.
func (h *membershipHandler) decode(message *handoff.Message) {
	m := h.m
	h.ready = h.ready[:len(h.ready)+1]
	r := &h.ready[len(h.ready)-1]
	r.from = &message.Batch.From
	if err := r.rumor.Parse(message.Kind, message.Body); err != nil {
		h.ready = h.ready[:len(h.ready)-1]
		m.dropFrom(metrics.DroppedDecode, "packet message", "dropping message that cannot be decoded", *r.from, err)
		return
	}
	if r.rumor.Kind != wire.TypeAlive {
		return
	}
	if r.rumor.Port == 0 {
		r.rumor.Port = uint16(m.config.BindPort)
	}
	if m.config.Alive != nil && !m.aliveAllowed(r.rumor.Alive()) {
		h.ready = h.ready[:len(h.ready)-1]
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

// nodeOfAlive makes a Node that says what an alive message says, with memory of
// its own.
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

// loop calls the delegate with each message, after the event delegate has been called for what had arrived about members before the
// message. It ends with the Memberlist.
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
					if !m.membership.Await(b.After, nil, m.tasks.Done()) || !m.delivery.await() {
						return
					}
					u.notify(message.Body)
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

// awaitHandled waits until the first n messages have been handled, at most for farewellPatience. It does not wait twice for the same
// call of a slow delegate.
func (u *userMessages) awaitHandled(n uint64) {
	handled := u.queue.Handled()
	if handled >= n || u.stuckAt.Load() == handled+1 {
		return
	}
	timer := time.NewTimer(farewellPatience)
	defer timer.Stop()
	if !u.queue.Await(n, timer.C, u.m.tasks.Done()) {
		u.stuckAt.Store(u.queue.Handled() + 1)
	}
}
