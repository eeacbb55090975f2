package sim

import (
	"encoding/binary"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// Some faults are words: members hear what no node says now. They hear it in packets, as gossip.

// claim is what a node once said of itself.
type claim struct {
	number      int32 // of its name
	incarnation uint32
	meta        uint32
	place       place
}

// maxPast is how many claims of a node are remembered, the latest.
const maxPast = 32

// strangeVersions are version bytes of which nobody is a member: none, too few, none that can be, and those of programs that
// speak another version of what lies above.
var strangeVersions = [][]byte{nil, {}, {1, 5}, {0, 0, 0, 0, 0, 0}, {1, 5, 2, 4, 6, 5}}

// strangeNames returns new names for a fault that brings such, of nobody that is a node.
func (s *Sim) strangeNames(fault int) []int32 {
	f := &s.cfg.Faults[fault]
	if f.Kind != Ghosts && f.Kind != Movers && f.Kind != Strange {
		return nil
	}
	names := make([]int32, f.Count)
	for i := range names {
		names[i] = s.newName()
		s.check.named(names[i])
	}
	s.brought[fault] = names
	return names
}

// nowhere is an address of a name that no node has, and elsewhere another one.
func nowhere(name int32) place   { return 255<<16 | place(name)&0xffff }
func elsewhere(name int32) place { return 254<<16 | place(name)&0xffff }

// ghost is the alive of a name that no node has.
func (s *Sim) ghost(n *node, name int32, at place) *wire.Alive {
	return &wire.Alive{Incarnation: 1, Node: s.names[name], Addr: at.addrPort().Addr().AsSlice(), Port: port,
		Meta: binary.BigEndian.AppendUint32(nil, uint32(n.cluster)<<24), Vsn: versions[:]}
}

// haunt makes a node know names as such that were alive and are dead. That is no news to the others.
// Some never answered it; they come first, as all that it knows count as having answered when it settles.
func (s *Sim) haunt(n *node, f *Fault, names []int32) {
	silent, at := int(f.Rate*float64(len(names))), f.To // where other members are, if any
	for i, name := range names {
		p := nowhere(name)
		if len(at) > 0 {
			p = s.nodes[at[i%len(at)]].place
		}
		s.tell(n, n.place, s.ghost(n, name, p).Append(nil))
		if i >= silent {
			n.settled(s)
			s.check.answered(n, name)
		}
		s.tell(n, n.place, (&wire.Dead{Incarnation: 1, Node: s.names[name], From: n.name}).Append(nil))
	}
	n.settled(s)
}

// move makes a node know names that are somewhere, and claim at once to be elsewhere.
func (s *Sim) move(n *node, names []int32) {
	for _, name := range names {
		s.tell(n, n.place, s.ghost(n, name, nowhere(name)).Append(nil))
		s.check.answered(n, name)
	}
	n.settled(s)
	for _, name := range names {
		claim := s.ghost(n, name, elsewhere(name))
		claim.Incarnation = 2
		s.tell(n, n.place, claim.Append(nil))
	}
}

// hearStrange makes a node hear of names without versions that can be, in a packet and in a push/pull.
func (s *Sim) hearStrange(n *node, names []int32) {
	for i, name := range names {
		a := s.ghost(n, name, nowhere(name))
		a.Vsn = strangeVersions[i%len(strangeVersions)]
		s.tell(n, n.place, a.Append(nil))
		if !n.up {
			return
		}
		states := wire.StatesOf(wire.PushNodeState{Name: a.Node, Addr: a.Addr, Port: a.Port, Meta: a.Meta,
			Incarnation: a.Incarnation, Vsn: a.Vsn})
		t := s.beginTurn(n)
		t.Merge(&states)
		s.endTurn(n, t)
	}
}

// replay makes a node hear again what others said of themselves, and itself under former names; nil: all.
func (s *Sim) replay(n *node, of []int) {
	for _, subject := range s.those(of) {
		if subject.cluster != n.cluster || len(subject.past) == 0 {
			continue
		}
		c := subject.past[s.rand.IntN(len(subject.past))]
		if c.number == n.number {
			continue
		}
		a := &wire.Alive{Incarnation: c.incarnation, Node: s.names[c.number], Addr: c.place.addrPort().Addr().AsSlice(), Port: port,
			Meta: binary.BigEndian.AppendUint32(nil, c.meta), Vsn: versions[:]}
		from := s.nodes[s.rand.IntN(len(s.nodes))].place // any member's, gossip is
		s.tell(n, from, a.Append(nil))
	}
}

// settled has a node that is up take all that it knows for old news, and for such as answered it.
func (n *node) settled(s *Sim) {
	if n.up {
		t := s.beginTurn(n)
		t.Settle()
		s.endTurn(n, t)
	}
}

// tell gives a message to a node, if it is up, as if it had come in a packet from an address.
func (s *Sim) tell(n *node, from place, message []byte) {
	if !n.up { // it may have left with the last one
		return
	}
	s.mix(uint64(n.id)<<32|uint64(from), uint64(len(message)))
	t := s.beginTurn(n)
	s.step(n, t, swim.Endpoint{AddrPort: from.addrPort()}, message)
	s.endTurn(n, t)
	s.check.settleHeard(n)
}
