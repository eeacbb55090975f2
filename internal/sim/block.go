package sim

import (
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// A blocked node (Lifeguard section V: slow message processing) receives nothing, and its outbound messages wait. Its
// timers run until it sends a message of a probe: the probe waits for that message, and there is one probe at a time.
// So the timeout of the probe passes before the ping has left, and the node blames the other side.

// held has the waiting messages of a blocked node.
type held struct {
	packets []heldPacket
	streams []swim.Stream
}

type heldPacket struct {
	packet uint32
	size   int
	ping   uint32 // as in swim.Packet
}

// receives reports whether a node handles messages.
func (n *node) receives() bool { return n.paused == 0 && n.blocked == 0 }

// hold keeps a packet of a blocked node.
func (s *Sim) hold(n *node, messages [][]byte, h heldPacket) {
	n.held.packets = append(n.held.packets, h)
	switch wire.Type(messages[0][0]) {
	case wire.TypePing, wire.TypeIndirectPing:
		n.stuck = true
	}
}

// unblock sends and handles the waiting messages, and lets the node continue.
func (s *Sim) unblock(n *node) {
	if !n.up {
		return
	}
	waited := n.held
	n.held, n.stuck = held{}, false
	t := s.beginTurn(n)
	for _, h := range waited.packets {
		if err := s.dispatch(n, h.packet, h.size); err != nil && h.ping != 0 {
			t.SendFailed(h.ping, err)
		}
	}
	s.endTurn(n, t)
	for i := range waited.streams {
		s.open(n, &waited.streams[i])
	}
	s.resume(n)
}

// dropHeld drops the waiting messages of a node that stops.
func (s *Sim) dropHeld(n *node) {
	for _, h := range n.held.packets {
		s.freePacket(h.packet)
	}
	n.held = held{}
}
