package sim

import (
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// A node that is blocked (Lifeguard section V: slow message processing) does not hear anything, and what it sends waits.
// Its timers run, until it sends a message of a probe: the probe waits for that message, and there is one probe at a time.
// So the time that a probe has for an answer runs out before the ping has left, and the node blames the other side.

// held is what waits at a node that is blocked.
type held struct {
	packets []heldPacket
	streams []swim.Stream
}

type heldPacket struct {
	packet uint32
	size   int
	ping   uint32 // as in swim.Packet
}

// hears reports whether a node handles what arrives.
func (n *node) hears() bool { return n.paused == 0 && n.blocked == 0 }

// hold lets a packet of a blocked node wait.
func (s *Sim) hold(n *node, messages [][]byte, h heldPacket) {
	n.held.packets = append(n.held.packets, h)
	switch wire.Type(messages[0][0]) {
	case wire.TypePing, wire.TypeIndirectPing:
		n.stuck = true
	}
}

// unblock lets go what waited at a node, and the node go on.
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

// dropHeld forgets what waits at a node that stops.
func (s *Sim) dropHeld(n *node) {
	for _, h := range n.held.packets {
		s.freePacket(h.packet)
	}
	n.held = held{}
}
