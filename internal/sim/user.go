package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// userMessage is a broadcast of a node's program. Every program that knows it broadcasts it in all the room offered,
// until all that should have it do.
type userMessage struct {
	by    int32
	wants []bool // by node: it should receive it
	knows []bool
}

// say starts a broadcast of a node's program.
func (s *Sim) say(n *node) {
	if !n.joined || n.leaving {
		return
	}
	m := userMessage{by: n.id, wants: make([]bool, len(s.nodes)), knows: make([]bool, len(s.nodes))}
	for i := range s.nodes {
		other := &s.nodes[i]
		m.wants[i] = other.joined && !other.leaving && other.cluster == n.cluster
	}
	m.knows[n.id] = true
	s.users = append(s.users, m)
}

// fillGossip fills packets with room for user broadcasts, as a driver does: first the user's, then the core's.
func (s *Sim) fillGossip(n *node, out *swim.Output) {
	for i := range out.Packets {
		p := &out.Packets[i]
		if p.Room == 0 {
			continue
		}
		var said [][]byte
		used := 0
		for id := range s.users {
			message := binary.BigEndian.AppendUint16([]byte{byte(wire.TypeUser)}, uint16(id))
			size := wire.CompoundPartOverhead + len(message)
			if s.users[id].knows[n.id] && s.wanted(id) && used+size <= p.Room {
				said = append(said, message)
				used += size
			}
		}
		t := n.core.Begin(s.time(n), s.fill)
		t.FillGossip(out, p, used)
		t.End()
		out.Wakeup = s.fill.Wakeup
		p.Messages = append(p.Messages, said...)
	}
}

// receiveUser delivers a user message to the program of a node.
func (s *Sim) receiveUser(n *node, body []byte) {
	s.result.Received[wire.TypeUser]++
	if m := &s.users[binary.BigEndian.Uint16(body)]; !m.knows[n.id] {
		m.knows[n.id] = true
		s.tracef("%s knows what the program of n%d says", n.name, m.by)
	}
}

// clearUser drops the messages of a program that stops.
func (s *Sim) clearUser(n *node) {
	for i := range s.users {
		s.users[i].knows[n.id], s.users[i].wants[n.id] = false, false
	}
}

// wanted reports whether a message is known to some, and not to all that should receive it.
func (s *Sim) wanted(id int) bool { return s.waitsFor(id) >= 0 && s.users[id].knownToAny() }

func (m *userMessage) knownToAny() bool {
	for i := range m.knows {
		if m.knows[i] {
			return true
		}
	}
	return false
}

// waitsFor returns a node that should receive a message and has not; -1: none.
func (s *Sim) waitsFor(id int) int {
	m := &s.users[id]
	for i := range m.wants {
		if m.wants[i] && !m.knows[i] && !s.nodes[i].leaving {
			return i
		}
	}
	return -1
}

// allKnown reports whether all broadcasts have reached all nodes that should receive them.
func (s *Sim) allKnown() bool {
	for id := range s.users {
		if s.wanted(id) {
			return false
		}
	}
	return true
}

// failUnknown records that a broadcast did not reach a member.
func (s *Sim) failUnknown() {
	for id := range s.users {
		if s.wanted(id) {
			n := &s.nodes[s.waitsFor(id)]
			s.fail(n, ruleUser, s.nodes[s.users[id].by].number, fmt.Sprintf("message %d is not known", id))
		}
	}
}
