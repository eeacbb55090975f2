package memberlist

import (
	"bytes"
	"iter"
	"math/bits"
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

// directoryChunkSize is as many as fill 512 bytes with what else a chunk has.
const directoryChunkSize = 62

// allPresent is what directoryChunk.present is if all are.
const allPresent = 1<<directoryChunkSize - 1

// directoryChunk has the Nodes of some IDs, and which of them are alive or suspect, so that who wants those need not look at
// each Node.
type directoryChunk struct {
	present atomic.Uint64 // a bit for each of nodes
	changes atomic.Uint32 // one more when present begins to change, and when it has; so odd meanwhile
	nodes   [directoryChunkSize]atomic.Pointer[Node]
}

// swap puts another Node, or none, into a slot and returns what was there.
func (c *directoryChunk) swap(i int, node *Node) (old *Node) {
	before, after := present(c.nodes[i].Load()), present(node)
	if before == after {
		return c.nodes[i].Swap(node)
	}
	c.changes.Add(1)
	old = c.nodes[i].Swap(node)
	c.present.Store(c.present.Load()&^(1<<i) | uint64(after)<<i)
	c.changes.Add(1)
	return old
}

// appendPresent appends the Nodes that are alive or suspect.
func (c *directoryChunk) appendPresent(nodes []*Node) []*Node {
	before, known := c.changes.Load(), len(nodes)
	left := c.present.Load()
	if left == allPresent && cap(nodes)-known >= directoryChunkSize {
		nodes = nodes[:known+directoryChunkSize]
		all := (*[directoryChunkSize]*Node)(nodes[known:])
		for i := range all {
			all[i] = c.nodes[i].Load()
		}
		left = 0
	}
	for ; left != 0; left &= left - 1 {
		nodes = append(nodes, c.nodes[bits.TrailingZeros64(left)].Load())
	}
	if before%2 == 0 && c.changes.Load() == before {
		return nodes
	}
	nodes = nodes[:known] // somebody came or went meanwhile: each Node says itself what it is
	for i := range c.nodes {
		if n := c.nodes[i].Load(); present(n) == 1 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// chunk returns where the Node of an ID is, or nil if it never was anywhere.
func (d *directory) chunk(id swim.ID) (chunk *directoryChunk, i int) {
	chunks := d.chunks.Load()
	if at := int(id / directoryChunkSize); chunks != nil && at < len(*chunks) {
		return (*chunks)[at], int(id % directoryChunkSize)
	}
	return nil, 0
}

// publish replaces the Node of a member.
func (d *directory) publish(m *swim.Member, isSelf bool) {
	chunk, i := d.chunk(m.ID)
	for chunk == nil {
		d.grow()
		chunk, i = d.chunk(m.ID)
	}
	node := newNode(m)
	if change := present(node) - present(chunk.swap(i, node)); change != 0 {
		d.count.Add(int64(change))
	}
	if isSelf {
		d.self.Store(node)
	}
}

// forget empties the slot of an ID.
func (d *directory) forget(id swim.ID) {
	if chunk, i := d.chunk(id); chunk != nil {
		d.count.Add(int64(-present(chunk.swap(i, nil))))
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
	if chunks := d.chunks.Load(); chunks != nil {
		for _, chunk := range *chunks {
			nodes = chunk.appendPresent(nodes)
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
			for i := range chunk.nodes {
				if n := chunk.nodes[i].Load(); n != nil && !yield(n) {
					return
				}
			}
		}
	}
}

// node returns the published Node of a member if it says the same as m, and
// else a Node made for m.
func (d *directory) node(m *swim.Member) *Node {
	if chunk, i := d.chunk(m.ID); chunk != nil {
		n := chunk.nodes[i].Load()
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
