package memberlist

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// membershipTurn is how many messages about members the core is given in one turn: it is locked for that long.
const membershipTurn = 32

// membershipHandler handles alive, suspect and dead messages. It belongs to the goroutine of membershipLoop; what it
// decodes into is used again.
type membershipHandler struct {
	m     *Memberlist
	most  int          // messages in one turn
	batch []handedOff  // those for the next turn
	ready []heardRumor // what of them nobody refuses
	turn  turn         // used again
}

// heardRumor is what somebody says of a member.
type heardRumor struct {
	from  *swim.Endpoint
	rumor wire.GossipView
}

func newMembershipHandler(m *Memberlist) *membershipHandler {
	h := &membershipHandler{m: m, most: membershipTurn}
	if m.config.Alive != nil {
		h.most = 1 // what is allowed does not wait for what is still to be asked about
	}
	h.batch, h.ready = make([]handedOff, 0, h.most), make([]heardRumor, 0, h.most)
	return h
}

// membershipLoop handles alive, suspect and dead messages. It ends with the Memberlist.
func (m *Memberlist) membershipLoop() {
	m.drainLoop(m.membership, newMembershipHandler(m).handle)
}

// handle handles the messages of parcels, some in a turn. Farewells wait for the user messages that arrived before them, but
// not for long: others' news waits behind them.
func (h *membershipHandler) handle(parcels []parcel) {
	for i := range parcels {
		if after := parcels[i].after; after > h.m.userMessages.handled.Load() {
			h.handleBatch()
			h.m.awaitUserMessages(after)
		}
		for message := range parcels[i].messages() {
			h.batch = append(h.batch, message)
			if len(h.batch) == h.most {
				h.handleBatch()
			}
		}
	}
	h.handleBatch()
}

// handleBatch asks whoever may refuse, and then gives the core what is left.
func (h *membershipHandler) handleBatch() {
	m := h.m
	if len(h.batch) == 0 {
		return
	}
	m.membership.began(h.batch)
	for i := range h.batch {
		h.decode(&h.batch[i])
	}
	if len(h.ready) > 0 {
		t := m.beginTurnIn(&h.turn, time.Now())
		for i := range h.ready {
			r := &h.ready[i]
			t.core.StepGossip(t.now, *r.from, &r.rumor)
		}
		m.endTurnIn(t)
	}
	m.membership.done(len(h.batch))
	h.batch, h.ready = h.batch[:0], h.ready[:0]
}

// decode makes a message ready for the core, if nobody refuses it.
func (h *membershipHandler) decode(message *handedOff) {
	m := h.m
	h.ready = h.ready[:len(h.ready)+1]
	r := &h.ready[len(h.ready)-1]
	r.from = &message.of.from
	if err := r.rumor.Parse(message.kind, message.body); err != nil {
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
