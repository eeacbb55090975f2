package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// checker checks the rules, and measures.
type checker struct {
	s       *Sim
	views   []view
	truths  [][]truth       // by cluster and number of a name
	looks   map[look]answer // of lost members, at whose addresses others answered
	touched []int32         // subjects of the messages of a turn
	open    []int           // detections that are not complete
	wrong   int             // entries of members' views that are not true
	agreed  int64           // time since which there are none
	news    int64           // time of the last change
}

// newChecker returns a checker; nil checks nothing.
func newChecker(s *Sim) *checker {
	if s.cfg.Unchecked {
		return nil
	}
	c := &checker{s: s, views: make([]view, s.cfg.N), truths: make([][]truth, 1+min(s.cfg.Strangers, 1)),
		looks: make(map[look]answer)}
	for i := range c.truths {
		c.truths[i] = make([]truth, len(s.names))
		for x := range c.truths[i] {
			c.truths[i][x].holder = -1
		}
	}
	for i := range s.nodes {
		c.truth(&s.nodes[i], s.nodes[i].number).holder = int32(i)
	}
	for i := range c.views {
		c.views[i].entries = make([]entry, len(s.names))
		for x := range c.views[i].entries {
			c.judge(int32(i), int32(x))
		}
	}
	return c
}

// truth returns the truth about a name in the cluster of a node.
func (c *checker) truth(n *node, x int32) *truth { return &c.truths[n.cluster][x] }

// turn checks the output of a node.
func (c *checker) turn(n *node, out *swim.Output) {
	if c == nil {
		return
	}
	v := &c.views[n.id]
	for _, id := range out.Forgotten {
		c.forgotten(n, v, id)
	}
	for i := range out.Events { // changes may be due to them
		ev := &out.Events[i]
		switch ev.Kind {
		case swim.EventProbeFailed:
			c.truth(n, nodeNumber(ev.Member.Name)).accused.add(ev.Member.Incarnation, c.s.now)
		case swim.EventTimeout, swim.EventRefused, swim.EventSilent:
			c.truth(n, nodeNumber(ev.Member.Name)).declared.add(ev.Member.Incarnation, c.s.now)
		}
	}
	for i := range out.Changed {
		c.changed(n, v, &out.Changed[i], out)
	}
	if c.s.result.Violation != nil {
		return // possibly without a member: the code below looks members up
	}
	for i := range out.Events {
		c.event(n, v, &out.Events[i])
	}
	for i := range out.Changed {
		x := nodeNumber(out.Changed[i].Name)
		if e := &v.entries[x]; e.present == e.state.gone() && x != n.number {
			c.s.fail(n, ruleEvents, x, fmt.Sprintf("by its events present is %v, its state is %d", e.present, e.state))
		}
	}
	for i := range out.Packets {
		c.packet(n, &out.Packets[i])
	}
	c.self(n, v)
	c.bounds(n, v, out)
}

// forgotten checks that a member may be forgotten, and forgets it too.
func (c *checker) forgotten(n *node, v *view, id swim.ID) {
	if int(id) >= len(v.ids) || v.ids[id] < 0 {
		c.s.fail(n, ruleForget, -1, fmt.Sprintf("ID %d belongs to no member", id))
		return
	}
	x := v.ids[id]
	v.ids[id] = -1
	e := &v.entries[x]
	if age := c.clock(n) - e.since; !e.state.gone() || age <= int64(c.s.cfg.Core.GossipToTheDeadTime) {
		c.s.fail(n, ruleForget, x, fmt.Sprintf("state %d for %v", e.state, time.Duration(age)))
	}
	c.set(n.id, x, entry{gone: e.gone})
}

// changed checks a visible change of a member.
func (c *checker) changed(n *node, v *view, m *swim.Member, out *swim.Output) {
	x := nodeNumber(m.Name)
	if x < 0 || int(x) >= c.s.namesUsed {
		c.s.fail(n, ruleTable, -1, fmt.Sprintf("%s does not exist", m.Name))
		return
	}
	for int(m.ID) >= len(v.ids) {
		v.ids = append(v.ids, -1)
	}
	v.ids[m.ID] = x
	old := v.entries[x]
	now := old
	now.state, now.incarnation, now.since = stateOf(m.State), m.Incarnation, int64(m.Since.Sub(start))
	now.meta = metaOf(n, m)
	now.place, now.zoned = placeOf(m.Addr), m.Zone != ""
	c.s.mix(uint64(n.id)<<32|uint64(x), uint64(m.Incarnation)<<8|uint64(now.state))
	if c.s.cfg.Trace != nil {
		c.s.tracef("%v believes %s is %v at %d", n, m.Name, m.State, m.Incarnation)
	}
	c.news = c.s.now
	c.set(n.id, x, now)
	if x == n.number {
		return // see self
	}
	t := c.truth(n, x)
	if t.contested {
		return // each is right about the one that it knows
	}
	c.identity(n, x, old, now, m)
	moved := now.place != old.place && old.state != unknown
	if moved {
		c.takeover(n, x, old, out.Events)
	} else if old.state != unknown && m.Incarnation < old.incarnation {
		c.s.fail(n, ruleIncarnation, x, fmt.Sprintf("%d after %d", m.Incarnation, old.incarnation))
	}
	if m.Incarnation > t.highest {
		c.s.fail(n, ruleInvented, x, fmt.Sprintf("%d, but it had at most %d", m.Incarnation, t.highest))
	}
	if now.zoned && !old.zoned && now.state == old.state && m.Incarnation == old.incarnation {
		return // its zone has been learned
	}
	switch now.state {
	case alive:
		if old.state != unknown && m.Incarnation <= old.incarnation && !moved {
			c.s.fail(n, ruleReturn, x, fmt.Sprintf("alive at %d after state %d at %d", m.Incarnation, old.state, old.incarnation))
		}
	case suspect:
		v.entries[x].known = int32(min(v.known, n.core.NumKnown()) - len(out.Forgotten))
		if old.state != alive && !(old.state == suspect && m.Incarnation > old.incarnation) {
			c.s.fail(n, ruleTransition, x, fmt.Sprintf("suspect after state %d", old.state))
		}
		due := t.accused.has(m.Incarnation) || t.declared.has(m.Incarnation) || t.leaves.has(m.Incarnation)
		if !due && c.isAt(n, x, now.place) && !c.s.cfg.isShared(x) {
			c.s.fail(n, ruleAccusation, x, fmt.Sprintf("suspect at %d, where no probe failed", m.Incarnation))
		}
		t.accused.add(m.Incarnation, c.s.now)
	case dead, left:
		if old.state == unknown && now.place == n.place { // it is not dead: the node is there itself
			t.declared.add(m.Incarnation, c.s.now)
			old.state = alive
		}
		late := old.state == dead && now.state == left // it had left before
		recalled := old.state == unknown               // it was dead or left before it was forgotten
		if old.state != alive && old.state != suspect && !late && !recalled {
			c.s.fail(n, ruleTransition, x, fmt.Sprintf("state %d after state %d", now.state, old.state))
		}
		v.entries[x].gone = max(old.gone, now.incarnation)
		if !recalled {
			c.gone(n, x, now)
		}
	}
}

// gone checks the reason for which a member is declared dead or left, and measures.
func (c *checker) gone(n *node, x int32, now entry) {
	t := c.truth(n, x)
	if now.state == left {
		if !t.leaves.has(now.incarnation) {
			c.s.fail(n, ruleLeave, x, fmt.Sprintf("left at %d, where it never did", now.incarnation))
		}
	} else {
		if !t.declared.has(now.incarnation) && !t.leaves.has(now.incarnation) && c.isAt(n, x, now.place) && !c.s.cfg.isShared(x) {
			c.s.fail(n, ruleDeath, x, fmt.Sprintf("dead at %d, where no suspicion ended", now.incarnation))
		}
		if subject := c.holder(n, x); subject != nil && subject.up && !subject.leaving {
			c.mistaken(n, subject, now.incarnation)
		}
	}
	c.detected(n, x)
}

// mistaken counts that a node declares a member dead that is up.
func (c *checker) mistaken(n, subject *node, incarnation uint32) {
	r, t, healthy := &c.s.result, c.truth(subject, subject.number), c.s.healthy(subject)
	if healthy {
		r.FalsePositives++
		if c.s.healthy(n) {
			r.FalsePositivesHealthy++
		}
	}
	if incarnation <= t.declaredDead {
		return // another did before
	}
	t.declaredDead = incarnation
	if healthy {
		r.FalseDeaths++
	} else {
		r.FalseDeathsImpaired++
	}
}

// event checks an event against the earlier ones.
func (c *checker) event(n *node, v *view, ev *swim.Event) {
	x := nodeNumber(ev.Member.Name)
	e := &v.entries[x]
	bad := ""
	switch ev.Kind {
	case swim.EventJoin:
		if e.present {
			bad = "join of a member that is there"
		}
		e.present, e.accused = true, false
	case swim.EventLeave:
		if !e.present {
			bad = "leave of a member that is not there"
		}
		e.present, e.accused = false, false
	case swim.EventUpdate:
		if !e.present {
			bad = "update of a member that is not there"
		}
	case swim.EventSuspect:
		c.s.result.Suspicions++
		if !e.present || ev.Member.State != swim.StateSuspect {
			bad = "suspicion of a member that is not there"
		}
		if c.s.cfg.Never&Suspicion != 0 {
			c.s.fail(n, ruleQuiet, x, "suspected")
		}
		e.accused = true
	case swim.EventTimeout:
		if !e.accused {
			bad = "end of a suspicion that did not begin"
		}
		c.timeout(n, v, ev, x)
	case swim.EventRefused, swim.EventSilent:
		if !e.accused {
			bad = "end of a suspicion that did not begin"
		}
		c.early(n, ev, x)
	case swim.EventRefute:
		c.s.result.Refutations++
	case swim.EventConflict:
		c.s.result.Conflicts++
		c.conflict(n, x, ev)
	case swim.EventStreamOnly:
		c.s.result.StreamOnly++
		if c.s.cfg.Never&Detours != 0 {
			c.s.fail(n, ruleQuiet, x, "a probe was not answered but on a stream")
		}
	case swim.EventIsolated:
		c.s.result.Isolations++
		if c.s.cfg.Never&Isolation != 0 {
			c.s.fail(n, ruleWhole, -1, fmt.Sprintf("%d failed", ev.Count))
		}
	case swim.EventMoved:
		if !e.present {
			bad = "move of a member that is not there"
		}
	}
	if bad != "" {
		c.s.fail(n, ruleOrder, x, bad)
	}
	c.s.mix(uint64(ev.Kind)<<32|uint64(n.id), uint64(x))
}

// timeout checks that a suspicion did not end too early.
func (c *checker) timeout(n *node, v *view, ev *swim.Event, x int32) {
	if c.truth(n, x).contested {
		return
	}
	lasted := time.Duration(c.clock(n)) - ev.Member.Since.Sub(start)
	if least := shortestSuspicion(c.s.cfg.coreOf(n.id), int(v.entries[x].known)); lasted < least {
		c.s.fail(n, rulePatience, x, fmt.Sprintf("%v, the minimum is %v", lasted, least))
	} else if at, ok := c.truth(n, x).accused.when(ev.Member.Incarnation); ok && n.clock == 0 && c.s.now-at < int64(least) {
		c.s.fail(n, rulePatience, x, fmt.Sprintf("%v after it was first suspected at %d, the minimum is %v",
			time.Duration(c.s.now-at), ev.Member.Incarnation, least))
	}
}

// early checks that a suspicion ended early for a good reason.
func (c *checker) early(n *node, ev *swim.Event, x int32) {
	d := c.s.cfg.coreOf(n.id).Detector
	since := ev.Member.Since.Sub(start) // by its clock
	lasted := time.Duration(c.clock(n)) - since
	if ev.Kind == swim.EventSilent {
		if lasted < d.SilenceTimeout || d.SilenceTimeout == 0 || ev.Count < leastSilent {
			c.s.fail(n, rulePatience, x, fmt.Sprintf("%v, %d members got no answer", lasted, ev.Count))
		}
		return
	}
	if least := min(leastRefused, n.core.NumPresent()); lasted < d.RefusalGrace || !d.Refusals || ev.Count < least {
		c.s.fail(n, rulePatience, x, fmt.Sprintf("%v, %d members were refused of %d", lasted, ev.Count, least))
	}
	if there := c.s.at(placeOf(ev.Member.Addr)); there != nil && there.up && n.clock == 0 &&
		there.booted < int64(since+d.RefusalGrace-probeTime(c.s.cfg.Core)) { // a stream may be on its way for as long as a probe
		c.s.fail(n, rulePatience, x, fmt.Sprintf("it was refused, though it runs since %v", time.Duration(there.booted)))
	}
}

// packet checks the content of a packet.
func (c *checker) packet(n *node, p *swim.Packet) {
	size := wire.CompoundHeaderSize
	for _, m := range p.Messages {
		size += len(m) + wire.CompoundPartOverhead
	}
	if p.Features.Has(wire.FeatureChecksum) {
		size += wire.ChecksumSize
	}
	if most := c.s.cfg.Room + c.s.cfg.CompressionBudget; size > most {
		c.s.fail(n, rulePacket, -1, fmt.Sprintf("%d bytes, limit %d", size, most))
	}
}

// self checks a node's own entry, and records it as the truth.
func (c *checker) self(n *node, v *view) {
	self := n.core.Self()
	if !n.leaving && self.State != swim.StateAlive || n.leaving && self.State != swim.StateLeft {
		c.s.fail(n, ruleSelf, n.number, fmt.Sprintf("%v, leaving is %v", self.State, n.leaving))
	}
	if self.Incarnation < v.self {
		c.s.fail(n, ruleIncarnation, n.number, fmt.Sprintf("own: %d after %d", self.Incarnation, v.self))
	}
	if !n.leaving && v.accused > 0 && self.Incarnation <= v.accused {
		c.s.fail(n, ruleRefute, n.number, fmt.Sprintf("suspect or dead at %d, its incarnation is %d", v.accused, self.Incarnation))
	}
	v.self = self.Incarnation
	t := c.truth(n, n.number)
	t.highest = max(t.highest, self.Incarnation)
	if meta := binary.BigEndian.Uint32(self.Meta); !t.contested && (t.incarnation != self.Incarnation || t.meta != meta) {
		t.incarnation, t.meta = self.Incarnation, meta
		c.news = c.s.now
		c.reconsider(n, n.number)
		n.past = append(n.past, assertion{n.number, self.Incarnation, meta, n.place})
		n.past = n.past[max(len(n.past)-maxAssertions, 0):]
	}
}

// bounds checks the memory of a node.
func (c *checker) bounds(n *node, v *view, out *swim.Output) {
	r := &c.s.result
	k := kept{n.core.NumKnown(), n.core.NumQueued(), n.core.NumTimers(), n.core.NumLost(), out.Health}
	v.known, n.health = k.known, k.health
	r.MaxKnown, r.MaxQueued, r.MaxTimers = max(r.MaxKnown, k.known), max(r.MaxQueued, k.queued), max(r.MaxTimers, k.timers)
	if n.health > 0 && c.s.cfg.Never&Illness != 0 {
		c.s.fail(n, ruleIll, -1, fmt.Sprintf("its score is %d", n.health))
	}
	if rule, detail := k.beyond(c.s.cfg.Core, len(c.s.names)); rule != "" {
		c.s.fail(n, rule, -1, detail)
	}
}

// believedRise is how far an incarnation may be above the known one to be believed whichever member says so.
const believedRise = 16

// accused records that a node received a suspect or dead message about itself, which it has to believe.
func (c *checker) accused(n *node, subject string, incarnation uint32) {
	if c != nil && subject == n.name && !n.leaving && int64(incarnation) <= int64(n.core.Self().Incarnation)+believedRise {
		v := &c.views[n.id]
		v.accused = max(v.accused, incarnation)
	}
}

// heard records that a node received a message about a member.
func (c *checker) heard(n *node, subject string) {
	if x := nodeNumber(subject); c != nil && x >= 0 && int(x) < len(c.s.names) {
		c.touched = append(c.touched, x)
	}
}

// checkHeard checks that such messages have caused no unreported change.
func (c *checker) checkHeard(n *node) {
	if c == nil {
		return
	}
	v := &c.views[n.id]
	for _, x := range c.touched {
		if x == n.number || !n.up || c.truth(n, x).contested {
			continue
		}
		m, ok := n.core.Member(c.s.names[x])
		e := &v.entries[x]
		if !ok {
			if e.state != unknown {
				c.s.fail(n, ruleSilent, x, "it is forgotten")
			}
			continue
		}
		if stateOf(m.State) != e.state {
			c.s.fail(n, ruleSilent, x, fmt.Sprintf("state %d, reported state %d", stateOf(m.State), e.state))
		}
		if m.Incarnation < e.incarnation {
			c.s.fail(n, ruleIncarnation, x, fmt.Sprintf("%d after %d", m.Incarnation, e.incarnation))
		}
		if highest := c.truth(n, x).highest; m.Incarnation > highest {
			c.s.fail(n, ruleInvented, x, fmt.Sprintf("%d, but it had at most %d", m.Incarnation, highest))
		}
		if m.State == swim.StateDead && placeOf(m.Addr) == n.place { // the node is there itself, so it is dead at any incarnation
			c.truth(n, x).declared.add(m.Incarnation, c.s.now)
		}
		e.incarnation = m.Incarnation
	}
	c.touched = c.touched[:0]
}

// clock returns a node's time, in nanoseconds since the start.
func (c *checker) clock(n *node) int64 { return c.s.now + int64(n.clock) }
