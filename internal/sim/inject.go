package sim

import (
	"encoding/binary"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// Some faults are messages that no node sends now. They arrive in packets, as gossip.

// assertion is an earlier alive message of a node.
type assertion struct {
	number      int32 // of its name
	incarnation uint32
	meta        uint32
	place       place
}

// maxAssertions is how many assertions of a node are kept, the latest.
const maxAssertions = 32

// strangeVersions are version bytes of no member: none, too few, impossible ones, and those of a program with another
// version of the delegate protocol.
var strangeVersions = [][]byte{nil, {}, {1, 5}, {0, 0, 0, 0, 0, 0}, {1, 5, 2, 4, 6, 5}}

// strangeNames returns new names for a fault that introduces some, without nodes.
func (s *Sim) strangeNames(fault int) []int32 {
	f := &s.cfg.Faults[fault]
	if f.newNames(0) == 0 || f.Kind == Rename {
		return nil
	}
	if names := s.brought[fault]; names != nil {
		return names
	}
	names := make([]int32, f.Count)
	for i := range names {
		names[i] = s.newName()
		s.check.named(names[i])
	}
	s.brought[fault] = names
	return names
}

// nowhere returns an address for a name without a node, and elsewhere another one.
func nowhere(name int32) place   { return 255<<16 | place(name)&0xffff }
func elsewhere(name int32) place { return 254<<16 | place(name)&0xffff }

// ghost returns an alive message for a name without a node.
func (s *Sim) ghost(n *node, name int32, at place) *wire.Alive {
	return &wire.Alive{Incarnation: 1, Node: s.names[name], Addr: at.addrPort().Addr().AsSlice(), Port: port,
		Meta: binary.BigEndian.AppendUint32(nil, uint32(n.cluster)<<24), Vsn: versions[:]}
}

// addGhosts makes a node know names as members that were alive and are dead, without gossip about them. Some never
// answered it; they come first, since all known members count as having answered when it settles.
func (s *Sim) addGhosts(n *node, f *Fault, names []int32) {
	silent, at := int(f.Rate*float64(len(names))), f.To // at other members' addresses, if any
	for i, name := range names {
		p := nowhere(name)
		if len(at) > 0 {
			p = s.nodes[at[i%len(at)]].place
		}
		s.convince(n, s.ghost(n, name, p).Append(nil))
		if i >= silent {
			n.settled(s)
			s.check.answered(n, name)
		}
		s.convince(n, (&wire.Suspect{Incarnation: 1, Node: s.names[name], From: n.name}).Append(nil)) // otherwise the death is checked
		s.convince(n, (&wire.Dead{Incarnation: 1, Node: s.names[name], From: n.name}).Append(nil))
	}
	n.settled(s)
}

// move makes a node know names, and then receive claims for them at other addresses.
func (s *Sim) move(n *node, names []int32) {
	for _, name := range names {
		s.convince(n, s.ghost(n, name, nowhere(name)).Append(nil))
		s.check.answered(n, name)
	}
	n.settled(s)
	for _, name := range names {
		claim := s.ghost(n, name, elsewhere(name))
		claim.Incarnation = 2
		s.tell(n, n.place, claim.Append(nil))
	}
}

// receiveStrange sends a node alive messages without usable versions, in a packet and in a push/pull.
func (s *Sim) receiveStrange(n *node, names []int32) {
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
		t.Merge(new(swim.Peer), &states)
		s.endTurn(n, t)
	}
}

// replay sends a node old alive messages of others, and of itself under former names; nil: all.
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
		from := s.nodes[s.rand.IntN(len(s.nodes))].place // any member's, as with gossip
		s.tell(n, from, a.Append(nil))
	}
}

// settled makes all that a node knows old news, and all members count as having answered it.
func (n *node) settled(s *Sim) {
	if n.up {
		t := s.beginTurn(n)
		t.Settle(s.plain)
		s.endTurn(n, t)
	}
}

// tell delivers a message to a node, if it is up, as if from a packet from an address.
func (s *Sim) tell(n *node, from place, message []byte) {
	s.deliver(n, swim.Endpoint{AddrPort: from.addrPort()}, message)
}

// convince is tell on a transport without IP addresses, so that the node believes in unknown names.
func (s *Sim) convince(n *node, message []byte) { s.deliver(n, swim.Endpoint{}, message) }

func (s *Sim) deliver(n *node, from swim.Endpoint, message []byte) {
	if !n.up { // it may have left because of the last one
		return
	}
	s.mix(uint64(n.id)<<32|uint64(from.AddrPort.Port()), uint64(len(message)))
	t := s.beginTurn(n)
	s.step(n, t, from, message)
	s.endTurn(n, t)
	s.check.checkHeard(n)
}

// guessed is how far the incarnations of forged messages are above the true ones, which their sender need not know.
const guessed = 10

// forge sends a node a packet in which all others that are given leave; nil: all. It is not from them.
func (s *Sim) forge(n *node, f *Fault) {
	from := nowhere(0)
	if s.rand.Float64() < f.Rate {
		from = s.nodes[s.rand.IntN(len(s.nodes))].place
	}
	for _, subject := range s.those(f.To) {
		if subject == n || !subject.up || subject.leaving || subject.cluster != n.cluster || subject.place == from {
			continue
		}
		incarnation := subject.core.Self().Incarnation + guessed
		s.check.forged(subject, incarnation)
		s.tell(n, from, (&wire.Dead{Incarnation: incarnation, Node: subject.name, From: subject.name}).Append(nil))
	}
}
