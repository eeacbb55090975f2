package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// mixedByPackets ends a run, and is no fault of the core. Gossip sent to an address that has changed clusters may mix
// the two if they have no labels: a packet does not identify its sender. Push/pulls must not mix them.
const mixedByPackets = "two clusters were mixed by packets"

// identity checks that a node may know a member under its name, at its address.
func (c *checker) identity(n *node, x int32, old, now entry, m *swim.Member) {
	if now.place != old.place && c.reclaimable(n, old) {
		now.gone, c.views[n.id].entries[x].gone = 0, 0 // its name is free
	}
	switch {
	case uint8(now.meta>>24) != n.cluster && c.s.byPacket:
		c.s.fail(n, mixedByPackets, x, "")
	case uint8(now.meta>>24) != n.cluster:
		c.s.fail(n, ruleMerge, x, fmt.Sprintf("it is of cluster %d", now.meta>>24))
	case m.Versions != versions:
		c.s.fail(n, ruleVersions, x, fmt.Sprintf("versions %v", m.Versions))
	case now.state == alive && now.place == n.place:
		c.s.fail(n, ruleOwn, x, fmt.Sprintf("alive at %v", m.Addr))
	case now.state == alive && now.incarnation <= now.gone && now.gone > 0 && !c.isAt(n, x, now.place):
		c.s.fail(n, ruleAway, x, fmt.Sprintf("alive at %d, it was gone at %d", now.incarnation, now.gone))
	}
}

// metaOf returns the metadata of a member; without any, the first version of its cluster.
func metaOf(n *node, m *swim.Member) uint32 {
	if len(m.Meta) < 4 {
		return uint32(n.cluster) << 24
	}
	return binary.BigEndian.Uint32(m.Meta)
}

// takeover checks that a member may be at another address.
func (c *checker) takeover(n *node, x int32, old entry, events []swim.Event) {
	long := c.reclaimable(n, old)
	newer := c.views[n.id].entries[x].incarnation > old.incarnation // the old address was pinged, without an ack
	if old.state != left && !long && !newer {
		c.s.fail(n, ruleTakeover, x, fmt.Sprintf("it was in state %d", old.state))
	}
	for i := range events {
		if events[i].Kind == swim.EventMoved && nodeNumber(events[i].Member.Name) == x {
			c.s.result.Takeovers++
			return
		}
	}
	c.s.fail(n, ruleEvents, x, "it moved without an event")
}

// reclaimable reports whether a member has been dead for so long that its name may be claimed.
func (c *checker) reclaimable(n *node, e entry) bool {
	reclaim := c.s.cfg.Core.DeadNodeReclaimTime
	return e.state == dead && reclaim > 0 && c.clock(n)-e.since > int64(reclaim)
}

// isAt reports whether the member with a name is up, and at a place.
func (c *checker) isAt(n *node, x int32, p place) bool {
	holder := c.holder(n, x)
	return holder != nil && holder.number == x && holder.up && !holder.leaving && holder.place == p
}

// conflict checks that two members claim a name. With routing by name that is not certain: a single one may answer
// for both, if its ack is late and its answer on a stream, which has no address, is not.
func (c *checker) conflict(n *node, x int32, ev *swim.Event) {
	c.truth(n, x).told = true
	claimants := 0
	for i := range c.s.nodes {
		if other := &c.s.nodes[i]; other.up && other.number == x {
			claimants++
		}
	}
	if claimants < 2 && !c.s.cfg.RouteByName {
		c.s.fail(n, ruleConflict, x, fmt.Sprintf("at %v and %v", ev.Member.Addr, ev.Other.Addr))
	}
}

// answered records that a name that no node has counts as having answered.
func (c *checker) answered(n *node, x int32) {
	if c != nil {
		c.truth(n, x).answered = true
	}
}

// decided checks that nodes accept the claims of names to be elsewhere.
func (c *checker) decided(nodes []*node, names []int32) {
	if c == nil {
		return
	}
	for _, n := range nodes {
		for _, x := range names {
			if e := &c.views[n.id].entries[x]; n.up && e.state != unknown && e.place != elsewhere(x) {
				c.s.fail(n, ruleDecided, x, fmt.Sprintf("at %v", e.place.addrPort()))
			}
		}
	}
}

// contested reports whether some name has two holders.
func (c *checker) contested() bool { return c.anyName(func(t *truth) bool { return t.contested }) >= 0 }

// unreportedConflict returns a name with two holders for which no conflict was reported; -1 if there is none.
func (c *checker) unreportedConflict() int32 {
	return c.anyName(func(t *truth) bool { return t.contested && !t.told })
}

func (c *checker) anyName(is func(*truth) bool) int32 {
	for _, names := range c.truths {
		for x := range names {
			if is(&names[x]) {
				return int32(x)
			}
		}
	}
	return -1
}

// look is an attempt of a node to find a name at a place.
type look struct {
	node, number int32
	place        place
}

// answer is the process that answered a look, and the run of the node that looked.
type answer struct {
	node      int32
	life, own uint32
	at        int64
}

func (a answer) sameAs(b answer) bool { return a.node == b.node && a.life == b.life && a.own == b.own }

// looked checks that a member is not looked for at another member's address: one that is known to be alive, or that
// answered before.
func (c *checker) looked(n *node, lost *swim.Member) {
	if c == nil {
		return
	}
	x, p := nodeNumber(lost.Name), placeOf(lost.Addr)
	if t := c.truth(n, x); t.holder < 0 && !t.answered {
		c.s.fail(n, ruleReplaced, x, "it never answered")
	}
	if other := c.s.at(p); other != nil && c.answers(n, other, x) {
		this := look{n.id, x, p}
		now := answer{other.id, other.life, n.life, c.s.now}
		if before, ok := c.looks[this]; ok && before.sameAs(now) && now.at-before.at > int64(c.s.cfg.StreamTimeout) {
			c.s.fail(n, ruleReplaced, x, fmt.Sprintf("%s answered at %v before", other.name, lost.Addr))
		}
		c.looks[this] = now
	}
	for y := range c.views[n.id].entries {
		e, other := &c.views[n.id].entries[y], int32(y)
		known := e.state == alive && e.place == p && e.since < c.clock(n) // before this turn
		if known && other != n.number && other != x && c.isAt(n, other, p) {
			c.s.fail(n, ruleReplaced, x, fmt.Sprintf("%s is at %v", c.s.names[y], lost.Addr))
		}
	}
	if p == n.place {
		c.s.fail(n, ruleReplaced, x, fmt.Sprintf("it is itself at %v", lost.Addr))
	}
}

// answers reports whether a node that looks for a name is certain to learn that another is at its old address.
func (c *checker) answers(n, other *node, x int32) bool {
	return other.up && other.joined && other.number != x && !c.truth(other, other.number).contested && c.s.canReach(n, other)
}

// told checks the states sent in a push/pull.
func (c *checker) told(n *node, states wire.States) {
	if c == nil {
		return
	}
	for v := (wire.StateView{}); states.Next(&v); {
		if !bytes.Equal(v.Vsn(), versions[:]) {
			c.s.fail(n, ruleVersions, nodeNumber(string(v.Name())), fmt.Sprintf("another tells it of versions %v", v.Vsn()))
		}
	}
}
