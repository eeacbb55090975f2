package memberlist

import "github.com/e3431adc/memberlist/internal/wire"

// membershipTurn is how many messages about members the core is given in one turn: it is locked for that long.
const membershipTurn = 32

// membershipHandler handles alive, suspect and dead messages. It belongs to the goroutine of membershipLoop; the messages
// that it decodes into are used again.
type membershipHandler struct {
	m     *Memberlist
	names *wire.Names
	ready []readyMessage // those that nobody refuses, of the ones at hand

	alives   [membershipTurn]wire.Alive
	suspects [membershipTurn]wire.Suspect
	deads    [membershipTurn]wire.Dead
}

// readyMessage is a message that goes to the core.
type readyMessage struct {
	from    *handedOff
	message wire.Message
}

// membershipLoop handles alive, suspect and dead messages. It ends with the Memberlist.
func (m *Memberlist) membershipLoop() {
	h := &membershipHandler{m: m, names: wire.NewNames(), ready: make([]readyMessage, 0, membershipTurn)}
	room := make([]handedOff, membershipTurn)
	if m.config.Alive != nil {
		room = room[:1] // what is allowed does not wait for what is still to be asked about
	}
	m.drainLoop(m.membership, room, h.handle)
}

// handle asks whoever may refuse, and then gives the core what is left of at most membershipTurn messages.
func (h *membershipHandler) handle(messages []handedOff) {
	m := h.m
	clear(h.ready)
	h.ready = h.ready[:0]
	for i := range messages {
		from := &messages[i]
		message, err := h.parse(i, from)
		if err != nil {
			m.dropFrom(keyDroppedDecode, "packet message", "dropping message that cannot be read", from.from, err)
			continue
		}
		if alive, ok := message.(*wire.Alive); ok {
			if alive.Port == 0 {
				alive.Port = uint16(m.config.BindPort)
			}
			if !m.aliveAllowed(alive) {
				continue
			}
		}
		h.ready = append(h.ready, readyMessage{from, message})
	}
	if len(h.ready) == 0 {
		return
	}
	t := m.beginTurn()
	for i := range h.ready {
		t.core.Step(t.now, h.ready[i].from.from, h.ready[i].message)
	}
	m.endTurn(t)
}

// parse decodes a message into the place for the one at hand of that number.
func (h *membershipHandler) parse(i int, from *handedOff) (wire.Message, error) {
	switch from.kind {
	case wire.TypeAlive:
		return &h.alives[i], h.alives[i].Parse(from.body, h.names)
	case wire.TypeSuspect:
		return &h.suspects[i], h.suspects[i].Parse(from.body, h.names)
	default:
		return &h.deads[i], h.deads[i].Parse(from.body, h.names)
	}
}
