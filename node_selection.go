package memberlist

import (
	"slices"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// NodeSelectionDelegate selects the members to which this one sends gossip and with which it exchanges states, for
// example those of its own zone and one bridge to each other zone. Members that no other selects receive no news: the
// delegate must see to it that the selections of all members together connect the cluster. Probes are not its concern:
// every member is probed, whatever is selected.
//
// The type and its method are those of github.com/grafana/memberlist.
type NodeSelectionDelegate interface {
	// SelectNodes is called before a round of gossip, unless there is nothing to send, and before periodic push/pulls, with
	// all known members, this one and dead and left ones included. The targets are chosen at random from the selected
	// ones, without this member and those that are down; preferred, if not nil, is among them in any case, selected or
	// not. It may return nodes itself, and must not change the slice or what it points to, nor keep the slice.
	//
	// One call is made at a time. While one has not returned, rounds go on without it, among all members.
	SelectNodes(nodes []*NodeState) (selected []*NodeState, preferred *NodeState)
}

// NodeState is what this member knows of a member. It is a snapshot, and must not be written to.
type NodeState struct {
	Node
	Incarnation uint32        // as of the last change that is visible in another field
	State       NodeStateType // the same as Node.State
	StateChange time.Time     // time of the last change of State, by this member's clock; zero: it was never alive here
}

// Address returns the member's address as "host:port", an IPv6 host in brackets.
func (n *NodeState) Address() string { return n.Node.Address() }

// FullAddress returns the member's address and name.
func (n *NodeState) FullAddress() Address { return n.Node.FullAddress() }

// DeadOrLeft reports whether the member is dead or has left.
func (n *NodeState) DeadOrLeft() bool { return n.State == StateDead || n.State == StateLeft }

// nodeSelector asks a NodeSelectionDelegate. The goroutine that asks has the mutex.
type nodeSelector struct {
	sync.Mutex
	nodes []*NodeState // what the delegate was called with last
}

// nodeStates are the members for the delegate. They are only kept if there is one.
type nodeStates struct {
	byID    []*NodeState
	changed bool // since the delegate was last called
}

// note notes what a turn changed.
func (s *nodeStates) note(out *swim.Output) {
	for i := range out.Changed {
		c := &out.Changed[i]
		if n := int(c.ID) + 1; n > len(s.byID) {
			s.byID = append(s.byID, make([]*NodeState, n-len(s.byID))...)
		}
		state := &NodeState{Node: *newNode(c), Incarnation: c.Incarnation, StateChange: c.Since}
		state.State = state.Node.State
		s.byID[c.ID] = state
	}
	for _, id := range out.Forgotten {
		s.byID[id] = nil
	}
	s.changed = s.changed || len(out.Changed)+len(out.Forgotten) > 0
}

// list returns the members, in the memory of last, which is what was returned before.
func (s *nodeStates) list(last []*NodeState) []*NodeState {
	if !s.changed {
		return last
	}
	s.changed = false
	return slices.DeleteFunc(append(last[:0], s.byID...), func(n *NodeState) bool { return n == nil })
}

// selectTargets asks the program among which members the rounds that are due may choose, with the core not locked, and does them.
// While an earlier call has not returned they choose among all.
func (t *turn) selectTargets(due swim.Selections) {
	m := t.m
	var gossip, pushPull *swim.Selection
	if m.selector.TryLock() {
		defer m.selector.Unlock() // the delegate may have returned the selector's own slice
		m.timer.Callback(func() {
			if due.Gossip {
				gossip = m.selectNodes()
			}
			if due.PushPull {
				pushPull = m.selectNodes()
			}
		})
	}
	t.begin(time.Now())
	if due.Gossip {
		t.core.GossipAmong(gossip)
	}
	if due.PushPull {
		t.core.PushPullAmong(pushPull)
	}
	t.queued, t.leaving = t.core.NumQueued(), t.core.Leaving()
	t.commit()
}

// selectNodes calls the delegate, or returns nil if none may be called any more.
func (m *Memberlist) selectNodes() *swim.Selection {
	if !m.tasks.BeginCallback() {
		return nil
	}
	defer m.tasks.EndCallback()
	m.mu.Lock()
	m.selector.nodes = m.mu.nodeStates.list(m.selector.nodes)
	m.mu.Unlock()
	selected, preferred := m.config.NodeSelection.SelectNodes(m.selector.nodes)
	s := &swim.Selection{Len: len(selected), Name: func(i int) string {
		if selected[i] == nil {
			return ""
		}
		return selected[i].Name
	}}
	if preferred != nil {
		s.Preferred = preferred.Name
	}
	return s
}

// hasZones reports whether this member may have a zone.
func (c *Config) hasZones() bool { return c.Zone != "" || c.ZoneOf != nil }

// crosses reports whether what is sent to a receiver is not known to stay within the zone of this member, which has one.
func (m *Memberlist) crosses(features wire.Features) bool {
	return m.config.hasZones() && !features.Has(wire.FeatureSameZone)
}

// askZones asks the program for the zones of members that have changed, with the core not locked. Until it has answered they are in
// the zones that they announce themselves.
func (m *Memberlist) askZones(changed []swim.Member) {
	for i := range changed {
		c := &changed[i]
		if c.State.IsDown() {
			continue
		}
		if !m.tasks.BeginCallback() {
			return
		}
		zone := m.config.ZoneOf(newNode(c))
		m.tasks.EndCallback()
		if zone == c.Zone {
			continue
		}
		t := m.begin()
		t.core.SetZone(c, zone)
		t.commit()
	}
}
