package memberlist

import (
	"bytes"

	"github.com/e3431adc/memberlist/internal/swim"
)

// publishNodeLocked makes a member visible as it is now.
func (m *Memberlist) publishNodeLocked(member *swim.Member) {
	var node *Node
	if !member.State.Gone() {
		node = newNode(member)
	}
	m.nodes.Set(uint32(member.ID), uint8(member.State), node)
	if member.Name == m.config.Name {
		if node == nil {
			node = newNode(member) // is not listed
		}
		m.self.Store(node)
	}
}

// nodeLocked returns the published Node of a member if it is up to date, or else a new one.
func (m *Memberlist) nodeLocked(member *swim.Member) *Node {
	return nodeOf(member, m.nodes.Get(uint32(member.ID)))
}

// nodeOf returns the published Node of a member if it is up to date, or else a new one.
func nodeOf(m *swim.Member, published *Node) *Node {
	n := published
	if n != nil && n.Name == m.Name && n.State == NodeStateType(m.State) && n.Port == m.Addr.Port() &&
		bytes.Equal(n.Meta, m.Meta) && bytes.Equal(n.Addr, m.Addr.Addr().AsSlice()) {
		return n
	}
	return newNode(m)
}

// nodeWithIPv4 is a Node with the bytes of its address. It takes no more memory than a Node, whose size the allocator rounds up.
type nodeWithIPv4 struct {
	Node
	ip [4]byte
}

// newNode makes the Node of a member.
func newNode(m *swim.Member) *Node {
	var node *Node
	if addr := m.Addr.Addr(); addr.Is4() {
		n := &nodeWithIPv4{ip: addr.As4()}
		node, n.Addr = &n.Node, n.ip[:]
	} else {
		node = &Node{Addr: addr.AsSlice()}
	}
	*node = Node{
		Name:  m.Name,
		Addr:  node.Addr,
		Port:  m.Addr.Port(),
		Meta:  m.Meta,
		State: NodeStateType(m.State),
		PMin:  m.Versions[0],
		PMax:  m.Versions[1],
		PCur:  m.Versions[2],
		DMin:  m.Versions[3],
		DMax:  m.Versions[4],
		DCur:  m.Versions[5],
	}
	return node
}
