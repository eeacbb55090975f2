package memberlist

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/swim"
)

// directory is what the core's members look like from outside: an immutable
// Node each, in the order in which Members lists them. One goroutine at a time
// writes (it holds Memberlist.mu); any number read without a lock.
//
// A member has a slot from when it is first alive until it is forgotten, and its
// Node in it while it is alive or suspect. The order is the reference's: a new
// member takes the slot of a random other, which moves to the end; when one is
// forgotten the last one moves into its slot.
type directory struct {
	slots atomic.Pointer[[]atomic.Pointer[Node]] // never shrinks: as large as the cluster has been
	used  atomic.Int64                           // slots in use: the first ones
	count atomic.Int64                           // members that are alive or suspect
	moves atomic.Uint64                          // one more when a Node begins to move, and when it has moved; odd meanwhile
	self  atomic.Pointer[Node]

	// The writer's own:
	entries []directoryEntry // by ID
	ids     []swim.ID        // by slot
	states  [5]int           // members by directoryEntry.state
}

// directoryEntry is what the writer knows of an ID.
type directoryEntry struct {
	slot  uint32 // plus 1; 0: none
	state uint8  // plus 1; 0: there is no such member
}

// readAttempts is how often a reader without a lock starts over because Nodes moved meanwhile.
const readAttempts = 3

// publish replaces the Node of a member.
func (d *directory) publish(m *swim.Member, isSelf bool) {
	for int(m.ID) >= len(d.entries) {
		d.entries = append(d.entries, directoryEntry{})
	}
	e := &d.entries[m.ID]
	d.setState(e, uint8(m.State)+1)
	var node *Node
	if isSelf || !m.State.Gone() {
		node = newNode(m)
	}
	if isSelf {
		d.self.Store(node)
	}
	if m.State.Gone() {
		node = nil // not listed
	}
	switch {
	case e.slot > 0:
		old := (*d.slots.Load())[e.slot-1].Swap(node)
		d.count.Add(present(node) - present(old))
	case node != nil:
		d.insert(m.ID, node)
	}
}

// forget drops the Node of an ID that may be used again.
func (d *directory) forget(id swim.ID) {
	if int(id) >= len(d.entries) {
		return
	}
	e := &d.entries[id]
	d.setState(e, 0)
	if e.slot > 0 {
		d.remove(e)
	}
}

// insert gives a new member the slot of a random one that is listed, and moves that to the end. If none is listed, the new one
// goes to the end.
func (d *directory) insert(id swim.ID, node *Node) {
	d.moves.Add(1)
	slots, end := d.grow(), len(d.ids)
	d.ids = append(d.ids, id)
	at := end
	if d.count.Load() > 0 {
		at = rand.IntN(end)
		for slots[at].Load() == nil {
			at = (at + 1) % end
		}
		d.move(slots, at, end)
	}
	d.ids[at], d.entries[id].slot = id, uint32(at)+1
	slots[at].Store(node)
	d.used.Store(int64(end + 1))
	d.count.Add(1)
	d.moves.Add(1)
}

// remove takes the slot away from an ID and moves the last one into it.
func (d *directory) remove(e *directoryEntry) {
	d.moves.Add(1)
	slots, at, end := *d.slots.Load(), int(e.slot)-1, len(d.ids)-1
	d.count.Add(-present(slots[at].Load()))
	d.move(slots, end, at)
	slots[end].Store(nil)
	d.ids = d.ids[:end]
	e.slot = 0
	d.used.Store(int64(end))
	d.moves.Add(1)
}

// move puts what is in one slot into another.
func (d *directory) move(slots []atomic.Pointer[Node], from, to int) {
	id := d.ids[from]
	d.ids[to], d.entries[id].slot = id, uint32(to)+1
	slots[to].Store(slots[from].Load())
}

// grow returns slots with room for one more than are in use. A reader that has the former ones notices by moves.
func (d *directory) grow() []atomic.Pointer[Node] {
	var old []atomic.Pointer[Node]
	if p := d.slots.Load(); p != nil {
		old = *p
	}
	if len(d.ids) < len(old) {
		return old
	}
	slots := make([]atomic.Pointer[Node], 2*len(old)+2)
	for i := range old {
		slots[i].Store(old[i].Load())
	}
	d.slots.Store(&slots)
	return slots
}

// members returns all Nodes that are alive or suspect, in a slice of the
// caller's. It takes the writer's lock only if Nodes keep moving.
func (d *directory) members(writer sync.Locker) []*Node {
	for range readAttempts {
		if nodes, ok := d.read(); ok {
			return nodes
		}
	}
	writer.Lock()
	defer writer.Unlock()
	nodes, _ := d.read()
	return nodes
}

// read returns the listed Nodes, and whether none moved meanwhile: else some may be missing, or there twice.
func (d *directory) read() (nodes []*Node, ok bool) {
	before := d.moves.Load()
	slots := d.slots.Load()
	if slots == nil {
		return nil, true
	}
	used := (*slots)[:min(int(d.used.Load()), len(*slots))]
	nodes = make([]*Node, len(used))
	n := 0
	for i := range used {
		if node := used[i].Load(); node != nil {
			nodes[n] = node
			n++
		}
	}
	return nodes[:n], before%2 == 0 && d.moves.Load() == before
}

// setState counts a member in another state.
func (d *directory) setState(e *directoryEntry, state uint8) {
	d.states[e.state]--
	e.state = state
	d.states[state]++
}

// counts returns the number of members in each state. Only the writer may call it.
func (d *directory) counts() Members {
	of := func(state swim.State) int { return d.states[state+1] }
	return Members{
		Alive:   of(swim.StateAlive),
		Suspect: of(swim.StateSuspect),
		Dead:    of(swim.StateDead),
		Left:    of(swim.StateLeft),
	}
}

// node returns the published Node of a member if it says the same as m, and
// else a Node made for m. Only the writer may call it.
func (d *directory) node(m *swim.Member) *Node { return nodeOf(m, d.published(m.ID)) }

// published returns the Node of an ID, or nil if it has none. Only the writer may call it.
func (d *directory) published(id swim.ID) *Node {
	if int(id) >= len(d.entries) || d.entries[id].slot == 0 {
		return nil
	}
	return (*d.slots.Load())[d.entries[id].slot-1].Load()
}

// nodeOf returns the published Node if it says the same as m, and else a Node made for m.
func nodeOf(m *swim.Member, published *Node) *Node {
	n := published
	if n != nil && n.Name == m.Name && n.State == NodeStateType(m.State) && n.Port == m.Addr.Port() &&
		bytes.Equal(n.Meta, m.Meta) && bytes.Equal(n.Addr, m.Addr.Addr().AsSlice()) {
		return n
	}
	return newNode(m)
}

// present is 1 for a listed Node, and 0 for none.
func present(n *Node) int64 {
	if n == nil {
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
