package sim

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// An attacker has the key, if there is one, sees all packets, and sends whatever it likes to members, from addresses that are no
// member's or, in some faults, in the name of other members. It does not drop what members send.

// Forgery is what an attacker sends.
type Forgery uint8

// The forgeries.
const (
	Pings         Forgery = iota // pings, also in the name of others and for other addresses
	IndirectPings                // of any address
	Leaves                       // of members that have not left
	Suspicions
	Deaths
	Fakes   // alive messages of Count names that no process has
	Leaps   // alive, suspect and dead messages at incarnations up to the last one
	Changes // alive messages with other metadata
	Claims  // alive messages at other addresses
	Replays // recorded packets
	Acks    // acks and nacks to recorded pings
	States  // push/pulls with states of members, and of names that no process has

	numForgeries
)

var forgeryNames = [numForgeries]string{"pings", "indirect pings", "leaves", "suspicions", "deaths", "fakes", "leaps", "changes", "claims",
	"replays", "acks", "states"}

// String returns the forgery's name in lower case.
func (f Forgery) String() string {
	if f < numForgeries {
		return forgeryNames[f]
	}
	return "unknown"
}

// ofHonesty are the rules that hold only if no message is forged. A name that was raised above 2^31 is free once it is removed.
var ofHonesty = []string{ruleAway, ruleInvented, ruleAccusation, ruleDeath, ruleLeave, rulePatience, ruleConflict, ruleReplaced}

// maxRecorded is the number of packets that the attacker remembers, the latest.
const maxRecorded = 64

// recorded is a packet that the attacker saw.
type recorded struct {
	from, to place
	messages [][]byte
}

// isAttacked reports whether any fault is an attack.
func (c *Config) isAttacked() bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.Kind == Attack })
}

// record makes the attacker see a packet.
func (s *Sim) record(from, to place, messages [][]byte) {
	r := recorded{from: from, to: to}
	for _, m := range messages {
		r.messages = append(r.messages, slices.Clone(m))
	}
	s.seen = append(s.seen, r)
	s.seen = s.seen[max(len(s.seen)-maxRecorded, 0):]
}

// attack sends a node one forged packet or push/pull.
func (s *Sim) attack(n *node, f *Fault, names []int32) {
	s.attacked = true
	from := s.stranger()
	if s.rand.Float64() < f.Rate {
		from = s.nodes[s.rand.IntN(len(s.nodes))].place
	}
	subjects := s.those(f.To)
	var messages [][]byte
	switch f.Forgery {
	case Replays:
		if len(s.seen) == 0 {
			return
		}
		seen := s.seen[s.rand.IntN(len(s.seen))]
		if s.rand.IntN(2) == 0 {
			from = seen.from
		}
		messages = seen.messages
	case Acks:
		messages = s.forgeAcks(n)
		if s.rand.IntN(2) == 0 {
			from = s.anyPlace(subjects)
		}
	case States:
		s.forgeStates(n, from, subjects, names)
		return
	default:
		for range 1 + s.rand.IntN(8) {
			subject := subjects[s.rand.IntN(len(subjects))]
			messages = append(messages, s.forgeMessage(n, f, subject, names).Append(nil))
		}
		if f.Forgery == Leaps {
			from = s.stranger()
		}
	}
	s.deliverPacket(n, from, messages)
}

// deliverPacket delivers the messages of a packet to a node, if it is up.
func (s *Sim) deliverPacket(n *node, from place, messages [][]byte) {
	if !n.up || len(messages) == 0 {
		return
	}
	s.mix(uint64(n.id)<<32|uint64(from), uint64(len(messages)))
	if s.cfg.Trace != nil {
		var types []wire.Type
		for _, m := range messages {
			types = append(types, wire.Type(m[0]))
		}
		s.tracef("attacker at %v -> %s %v", from.addrPort(), n.name, types)
	}
	t := s.beginTurn(n)
	for _, m := range messages {
		s.step(n, t, swim.Endpoint{AddrPort: from.addrPort()}, m)
	}
	s.endTurn(n, t)
	s.check.checkHeard(n)
}

// stranger returns an address of the attacker, of a few.
func (s *Sim) stranger() place { return nowhere(int32(s.rand.IntN(4))) }

// anyPlace returns an address of the attacker or of a node.
func (s *Sim) anyPlace(subjects []*node) place {
	if s.rand.IntN(2) == 0 {
		return s.stranger()
	}
	return subjects[s.rand.IntN(len(subjects))].place
}

// about returns an incarnation near that of a node.
func (s *Sim) about(subject *node) uint32 {
	now := uint32(1)
	if subject.up {
		now = subject.core.Self().Incarnation
	} else if k := len(subject.past); k > 0 {
		now = subject.past[k-1].incarnation
	}
	return now - 1 + []uint32{0, 1, 2, 3, 10}[s.rand.IntN(5)]
}

// leap returns an incarnation far above that of a node.
func (s *Sim) leap(subject *node) uint32 {
	const last = math.MaxUint32
	return []uint32{last, last - 1, last - 2, last - 3, last - 1<<20 - 2, 1 << 31, 1 << 30, s.about(subject) + 1<<20, s.about(subject) + 1<<10}[s.rand.IntN(9)]
}

// forgeMessage returns a message to a node, about another one or in its name.
func (s *Sim) forgeMessage(n *node, f *Fault, subject *node, names []int32) wire.Message {
	any := s.anyPlace(s.those(nil))
	switch f.Forgery {
	case Pings:
		p := &wire.Ping{SeqNo: s.rand.Uint32(), Node: n.name, SourceAddr: any.addrPort().Addr().AsSlice(), SourcePort: port, SourceNode: subject.name}
		if s.rand.IntN(4) == 0 {
			p.Node, p.SourceNode = "", ""
		}
		return p
	case IndirectPings:
		return &wire.IndirectPing{SeqNo: s.rand.Uint32(), Target: any.addrPort().Addr().AsSlice(), Port: port, Node: subject.name,
			Nack: s.rand.IntN(2) == 0, SourceAddr: subject.place.addrPort().Addr().AsSlice(), SourcePort: port, SourceNode: subject.name}
	case Leaves:
		return &wire.Dead{Incarnation: s.about(subject), Node: subject.name, From: subject.name}
	case Suspicions:
		return &wire.Suspect{Incarnation: s.about(subject), Node: subject.name, From: s.nodes[s.rand.IntN(len(s.nodes))].name}
	case Deaths:
		return &wire.Dead{Incarnation: s.about(subject), Node: subject.name, From: s.nodes[s.rand.IntN(len(s.nodes))].name}
	case Fakes:
		a := s.ghost(n, names[s.rand.IntN(len(names))], any)
		a.Incarnation += s.rand.Uint32N(3)
		return a
	case Leaps:
		return s.forgeLeap(subject)
	case Claims:
		a := s.forgeAlive(subject, s.about(subject))
		a.Addr = any.addrPort().Addr().AsSlice()
		return a
	default:
		return s.forgeAlive(subject, s.about(subject))
	}
}

// forgeAlive returns an alive message of a node with other metadata.
func (s *Sim) forgeAlive(subject *node, incarnation uint32) *wire.Alive {
	meta := uint32(subject.cluster)<<24 | s.rand.Uint32N(1<<24)
	return &wire.Alive{Incarnation: incarnation, Node: subject.name, Addr: subject.place.addrPort().Addr().AsSlice(), Port: port,
		Meta: binary.BigEndian.AppendUint32(nil, meta), Vsn: versions[:]}
}

func (s *Sim) forgeLeap(subject *node) wire.Message {
	incarnation := s.leap(subject)
	switch s.rand.IntN(4) {
	case 0:
		return &wire.Suspect{Incarnation: incarnation, Node: subject.name, From: s.nodes[0].name}
	case 1:
		return &wire.Dead{Incarnation: incarnation, Node: subject.name, From: s.nodes[0].name}
	case 2:
		return &wire.Dead{Incarnation: incarnation, Node: subject.name, From: subject.name}
	default:
		return s.forgeAlive(subject, incarnation)
	}
}

// forgeAcks returns acks or nacks to the pings and indirect pings that a node sent lately.
func (s *Sim) forgeAcks(n *node) (acks [][]byte) {
	for i := range s.seen {
		if s.seen[i].from != n.place {
			continue
		}
		for _, m := range s.seen[i].messages {
			var seq uint32
			var ping wire.Ping
			var ask wire.IndirectPing
			switch {
			case wire.Type(m[0]) == wire.TypePing && ping.Parse(m[1:], nil) == nil:
				seq = ping.SeqNo
			case wire.Type(m[0]) == wire.TypeIndirectPing && ask.Parse(m[1:], nil) == nil:
				seq = ask.SeqNo
			default:
				continue
			}
			if s.rand.IntN(3) == 0 {
				acks = append(acks, (&wire.Nack{SeqNo: seq}).Append(nil))
			} else {
				acks = append(acks, (&wire.Ack{SeqNo: seq}).Append(nil))
			}
		}
	}
	return acks
}

// forgeStates sends a node a push/pull with states of nodes, and of names without nodes.
func (s *Sim) forgeStates(n *node, from place, subjects []*node, names []int32) {
	var states []wire.PushNodeState
	add := func(a *wire.Alive) {
		states = append(states, wire.PushNodeState{Name: a.Node, Addr: a.Addr, Port: a.Port, Meta: a.Meta, Incarnation: a.Incarnation,
			State: s.rand.IntN(4), Vsn: a.Vsn})
	}
	for range 1 + s.rand.IntN(8) {
		subject := subjects[s.rand.IntN(len(subjects))]
		a := s.forgeAlive(subject, s.about(subject))
		switch s.rand.IntN(4) {
		case 0:
			a.Incarnation, from = s.leap(subject), s.stranger()
		case 1:
			a.Addr = s.anyPlace(subjects).addrPort().Addr().AsSlice()
		}
		add(a)
		add(s.ghost(n, names[s.rand.IntN(len(names))], s.anyPlace(subjects)))
	}
	all := wire.StatesOf(states...)
	s.merge(n, n.core.Dialler(from.addrPort(), all), all)
}
