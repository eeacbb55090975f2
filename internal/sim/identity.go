package sim

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// A process is distinct from its name, its address and its cluster. On a restart, faults may give it another name or
// address, also an address that another process had. All three are numbers:
//
//	name 7       "n7"; node 7 has it at first, those from Config.N on are new names
//	place 7      10.0.0.7; node 7 is there at first; no other node's first or fresh place is the same
//	cluster 1    the high byte of the metadata that its members announce

// place is an address.
type place uint32

// home returns the fresh place of a node after the given number of moves.
func home(node int32, moves uint16) place { return place(moves&0xff)<<16 | place(node) }

// address returns the address of a node after the given number of moves.
func address(node int32, moves uint16) netip.AddrPort { return home(node, moves).addrPort() }

func (p place) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(p >> 16), byte(p >> 8), byte(p)}), port)
}

// placeOf returns the place of an address.
func placeOf(a netip.AddrPort) place {
	ip := a.Addr().As4()
	return place(binary.BigEndian.Uint32(ip[:]) & 0xffffff)
}

// nodeName returns the name with a number.
func nodeName(i int) string { return "n" + strconv.Itoa(i) }

// nodeNumber returns the number of a name; -1 if it has none.
func nodeNumber(name string) int32 {
	if len(name) < 2 || name[0] != 'n' {
		return -1
	}
	var i int32
	for _, c := range []byte(name[1:]) {
		i = 10*i + int32(c-'0')
	}
	return i
}

// numNames returns the number of names: those of the nodes, and those that faults introduce.
func numNames(cfg *Config) int {
	n := cfg.N
	for i := range cfg.Faults {
		n += cfg.Faults[i].newNames(cfg.N)
	}
	return n
}

// newNames returns the number of names that the fault introduces to a cluster of n nodes.
func (f *Fault) newNames(n int) int {
	switch f.Kind {
	case Rename:
		if f.Nodes == nil {
			return n
		}
		return len(f.Nodes)
	case Ghosts, Movers, Strange:
		return f.Count
	case Attack:
		if f.Forgery == Fakes || f.Forgery == States {
			return f.Count
		}
	}
	return 0
}

// clusterOf returns the cluster of a node, and the number of its name: with SameNames some names are in both
// clusters.
func (c *Config) clusterOf(node int) (cluster uint8, name int32) {
	first := c.N - c.Strangers
	switch {
	case node < first:
		return 0, int32(node)
	case node-first < c.SameNames:
		return 1, int32(node - first)
	default:
		return 1, int32(node)
	}
}

// isShared reports whether both clusters have a member with the name. A message about a member of one cluster may
// reach the other: on a ping to an address that has changed clusters.
func (c *Config) isShared(name int32) bool { return int(name) < c.SameNames }

// sharedName returns a name in memory that all nodes share: each of n nodes knows n names.
func (s *Sim) sharedName(name []byte) string {
	if i := nodeNumber(string(name)); i >= 0 && int(i) < len(s.names) && s.names[i] == string(name) {
		return s.names[i]
	}
	return string(name)
}

// newName returns the number of an unused name.
func (s *Sim) newName() int32 {
	s.namesUsed++
	return int32(s.namesUsed - 1)
}

// rename gives a node that is down another name.
func (s *Sim) rename(n *node, name int32) {
	n.number, n.name = name, s.names[name]
	n.meta++
	s.check.renamed(n)
}

// at returns the node that is at a place, or was last; nil if there is none, or if it is elsewhere by now.
func (s *Sim) at(p place) *node {
	id, ok := s.places[p]
	if !ok || s.nodes[id].place != p {
		return nil
	}
	return &s.nodes[id]
}

// moveTo gives a node that is down another address, an unused one if another node is there.
func (s *Sim) moveTo(n *node, p place) {
	for other := s.at(p); other != nil && other != n && other.up; other = s.at(p) {
		n.moves++
		p = home(n.id, n.moves)
	}
	n.place = p
	s.places[p] = n.id
}

// routes returns the place of an endpoint: its address, unless the transport routes by name.
func (s *Sim) routes(n *node, name string, addr netip.AddrPort) place {
	if s.cfg.RouteByName && name != "" {
		for i := range s.nodes {
			if other := &s.nodes[i]; other.up && other.cluster == n.cluster && other.name == name {
				return other.place
			}
		}
	}
	return placeOf(addr)
}
