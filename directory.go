package memberlist

import (
	"bytes"
	"iter"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/swim"
)

// directory is what the core's members look like from outside: an immutable
// Node each, found by the core's dense IDs. One goroutine at a time writes (it
// holds Memberlist.mu); any number read without a lock.
type directory struct {
	chunks atomic.Pointer[[]*directoryChunk] // grows, never shrinks: as large as the cluster has been
	self   atomic.Pointer[Node]
	count  atomic.Int64 // members that are alive or suspect
}

const directoryChunkSize = 64

type directoryChunk [directoryChunkSize]atomic.Pointer[Node]

// slot returns where the Node of an ID is, or nil if it never was anywhere.
func (d *directory) slot(id swim.ID) *atomic.Pointer[Node] {
	chunks := d.chunks.Load()
	i := int(id / directoryChunkSize)
	if chunks == nil || i >= len(*chunks) {
		return nil
	}
	return &(*chunks)[i][id%directoryChunkSize]
}

// publish replaces the Node of a member.
func (d *directory) publish(m *swim.Member, isSelf bool) {
	slot := d.slot(m.ID)
	for slot == nil {
		d.grow()
		slot = d.slot(m.ID)
	}
	node := newNode(m)
	d.count.Add(int64(present(node) - present(slot.Swap(node))))
	if isSelf {
		d.self.Store(node)
	}
}

// forget empties the slot of an ID.
func (d *directory) forget(id swim.ID) {
	if slot := d.slot(id); slot != nil {
		d.count.Add(int64(-present(slot.Swap(nil))))
	}
}

// grow appends a chunk. Who reads the chunks before it does not see it.
func (d *directory) grow() {
	var chunks []*directoryChunk
	if old := d.chunks.Load(); old != nil {
		chunks = *old
	}
	chunks = append(chunks, new(directoryChunk))
	d.chunks.Store(&chunks)
}

// members returns all Nodes that are alive or suspect, in a slice of the
// caller's.
func (d *directory) members() []*Node {
	nodes := make([]*Node, 0, d.count.Load())
	for n := range d.all() {
		if present(n) == 1 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// all iterates over the Nodes of all members that are known.
func (d *directory) all() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		chunks := d.chunks.Load()
		if chunks == nil {
			return
		}
		for _, chunk := range *chunks {
			for i := range chunk {
				if n := chunk[i].Load(); n != nil && !yield(n) {
					return
				}
			}
		}
	}
}

// node returns the published Node of a member if it says the same as m, and
// else a Node made for m.
func (d *directory) node(m *swim.Member) *Node {
	if slot := d.slot(m.ID); slot != nil {
		n := slot.Load()
		if n != nil && n.Name == m.Name && n.State == NodeStateType(m.State) && n.Port == m.Addr.Port() &&
			bytes.Equal(n.Meta, m.Meta) && bytes.Equal(n.Addr, m.Addr.Addr().AsSlice()) {
			return n
		}
	}
	return newNode(m)
}

// present is 1 for a Node that counts as a member, else 0.
func present(n *Node) int {
	if n == nil || n.State == StateDead || n.State == StateLeft {
		return 0
	}
	return 1
}

// nodeWithIPv4 is a Node with the bytes of its address: they fit into what the allocator rounds a Node up to.
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
