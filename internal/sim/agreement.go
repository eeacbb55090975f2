package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// boot records a restart.
func (c *checker) boot(n *node) {
	if c != nil {
		c.views[n.id].self, c.views[n.id].accused, c.views[n.id].known = 0, 0, 0
	}
}

// joined records that a node is a member from now on.
func (c *checker) joined(n *node) { c.become(n, true) }

// renamed records that a node has another name after its restart.
func (c *checker) renamed(n *node) {
	if c == nil {
		return
	}
	if t := c.truth(n, n.number); t.holder < 0 {
		t.holder = n.id
	} else {
		t.contested = true
		c.reconsider(n, n.number)
	}
	c.judgeAll(n)
}

// named records a name that no node has, and that others learn of at its first incarnation.
func (c *checker) named(x int32) {
	if c == nil {
		return
	}
	for i := range c.truths {
		t := &c.truths[i][x]
		t.holder, t.highest = -1, 2
		t.declared.add(1, c.s.now)
	}
}

// leaving records that a node is about to leave.
func (c *checker) leaving(n *node) {
	if c == nil {
		return
	}
	t := c.truth(n, n.number)
	t.leaves.add(t.incarnation, c.s.now)
	c.become(n, false)
}

// forged records that a leave message of a node was forged at an incarnation.
func (c *checker) forged(n *node, incarnation uint32) {
	if c == nil {
		return
	}
	t := c.truth(n, n.number)
	t.leaves.add(incarnation, c.s.now)
	t.highest = max(t.highest, incarnation)
}

// crashed records a crash, to measure its detection.
func (c *checker) crashed(n *node) {
	if c == nil || n.leaving {
		return
	}
	d := Detection{Node: int(n.id), At: time.Duration(c.s.now), number: n.number}
	for i := range c.views {
		if int32(i) != n.id && c.s.nodes[i].cluster == n.cluster && c.views[i].counts && !c.views[i].entries[n.number].state.gone() {
			d.missing++
		}
	}
	c.s.result.Detections = append(c.s.result.Detections, d)
	if d.missing > 0 {
		c.open = append(c.open, len(c.s.result.Detections)-1)
	}
}

// detected records that a node has detected that another is gone.
func (c *checker) detected(n *node, x int32) {
	if !c.views[n.id].counts {
		return
	}
	for i := 0; i < len(c.open); i++ {
		d := &c.s.result.Detections[c.open[i]]
		if d.number != x || c.s.nodes[d.Node].cluster != n.cluster {
			continue
		}
		took := time.Duration(c.s.now) - d.At
		if d.First == 0 {
			d.First = took
		}
		c.missed(i, took)
		return
	}
}

// missed removes one member from those that have to detect the crash with index i.
func (c *checker) missed(i int, took time.Duration) {
	d := &c.s.result.Detections[c.open[i]]
	if d.missing--; d.missing == 0 {
		d.All = took
		c.open = append(c.open[:i], c.open[i+1:]...)
	}
}

// stopped removes the view of a node that stops.
func (c *checker) stopped(n *node) {
	if c == nil {
		return
	}
	v := &c.views[n.id]
	for i := len(c.open) - 1; i >= 0; i-- {
		d := &c.s.result.Detections[c.open[i]]
		if d.Node != int(n.id) && c.s.nodes[d.Node].cluster == n.cluster && v.counts && !v.entries[d.number].state.gone() {
			c.missed(i, time.Duration(c.s.now)-d.At)
		}
	}
	c.become(n, false)
	clear(v.entries)
	v.ids = v.ids[:0]
	c.judgeAll(n)
}

// judgeAll counts the entries of a node that is not a member.
func (c *checker) judgeAll(n *node) {
	v := &c.views[n.id]
	v.wrong = 0
	for x := range v.entries {
		c.judge(n.id, int32(x))
	}
}

// become makes a node a member, or no longer one.
func (c *checker) become(n *node, member bool) {
	if c == nil {
		return
	}
	c.news = c.s.now
	v := &c.views[n.id]
	if v.counts != member {
		v.counts = member
		if member {
			c.wrong += v.wrong
			c.abandon(n.id)
		} else {
			c.wrong -= v.wrong
		}
	}
	c.truth(n, n.number).member = member
	c.reconsider(n, n.number)
}

// abandon stops measuring the detection of a node that is back.
func (c *checker) abandon(x int32) {
	for i := len(c.open) - 1; i >= 0; i-- {
		if c.s.result.Detections[c.open[i]].Node == int(x) {
			c.open = append(c.open[:i], c.open[i+1:]...)
		}
	}
}

// set replaces an entry and updates the counts of agreement.
func (c *checker) set(viewer, x int32, e entry) {
	old := &c.views[viewer].entries[x]
	e.agrees = old.agrees
	*old = e
	c.judgeAgain(viewer, x)
}

// reconsider compares all views with a changed truth about a name in a node's cluster.
func (c *checker) reconsider(n *node, x int32) {
	for i := range c.views {
		if c.s.nodes[i].cluster == n.cluster {
			c.judgeAgain(int32(i), x)
		}
	}
}

// holder returns the node that has or had a name in the cluster of a node; nil if none.
func (c *checker) holder(n *node, x int32) *node {
	if id := c.truth(n, x).holder; id >= 0 {
		return &c.s.nodes[id]
	}
	return nil
}

// judge counts a new entry.
func (c *checker) judge(viewer, x int32) {
	v := &c.views[viewer]
	e := &v.entries[x]
	e.agrees = c.agree(viewer, x)
	if !e.agrees {
		v.wrong++
	}
}

// judgeAgain counts an entry whose agreement may have changed.
func (c *checker) judgeAgain(viewer, x int32) {
	v := &c.views[viewer]
	e := &v.entries[x]
	is := c.agree(viewer, x)
	if is == e.agrees {
		return
	}
	delta := 1
	if is {
		delta = -1
	}
	e.agrees = is
	v.wrong += delta
	if v.counts {
		c.wrong += delta
		c.agreed = c.s.now
	}
}

// agree reports whether a node's view of another is true.
func (c *checker) agree(viewer, x int32) bool {
	n := &c.s.nodes[viewer]
	if n.number == x {
		return true // see self
	}
	e, t := &c.views[viewer].entries[x], c.truth(n, x)
	if t.contested {
		return true // either may be right
	}
	if e.state == alive {
		return t.member && e.incarnation == t.incarnation && e.meta == t.meta && e.place == c.s.nodes[t.holder].place &&
			e.zoned == (n.reads && c.s.nodes[t.holder].zone != "")
	}
	return e.state.gone() && !t.member
}

// restTime is the time without news after which a cluster that agrees is at rest.
func (s *Sim) restTime() time.Duration {
	return max(2*probeEvery(s.cfg.Core)+gossipEvery(s.cfg.Core), time.Second)
}

// Settle runs until all faults have ended, then until all members agree and are at rest. Members that do not agree
// after Bound violate a rule.
func (s *Sim) Settle() error {
	end := lastEnd(s.cfg.Faults)
	if err := s.RunUntil(max(end, time.Duration(s.now))); err != nil {
		return err
	}
	atMost := cmp.Or(s.cfg.Heal, s.cfg.bound(len(s.names)))
	if !s.cfg.agrees() {
		return s.RunUntil(s.Now() + min(atMost, maxUnsettled))
	}
	return s.Await(atMost)
}

// maxUnsettled is the time for which a cluster that need not settle is watched.
const maxUnsettled = 5 * time.Minute

// Await runs until all members agree and are at rest, at most for the given time. Disagreement after that is a
// violation.
func (s *Sim) Await(atMost time.Duration) error {
	c := s.check
	deadline := s.Now() + atMost
	if c == nil {
		return s.RunUntil(deadline)
	}
	every := cmp.Or(s.cfg.Core.GossipInterval, time.Second)
	for s.Now() < deadline {
		if err := s.RunUntil(min(s.Now()+every, deadline)); err != nil {
			return err
		}
		if c.wrong == 0 && s.now-c.news > int64(s.restTime()) && s.allIn() && s.allKnown() && c.unreportedConflict() < 0 {
			s.result.Agreed, s.result.AgreedAt = true, time.Duration(c.agreed)
			return s.atRest()
		}
	}
	for i := range c.views {
		for x := range c.views[i].entries {
			if e := &c.views[i].entries[x]; c.views[i].counts && !e.agrees {
				t := c.truth(&s.nodes[i], int32(x))
				s.fail(&s.nodes[i], ruleSettle, int32(x), fmt.Sprintf(
					"after %v: state %d at %d, metadata %d; it is a member: %v, at %d, metadata %d; %d entries are wrong",
					atMost, e.state, e.incarnation, e.meta, t.member, t.incarnation, t.meta, c.wrong))
				return s.result.Violation
			}
		}
	}
	if x := c.unreportedConflict(); x >= 0 {
		s.fail(&s.nodes[0], ruleTold, x, fmt.Sprintf("after %v", atMost))
		return s.result.Violation
	}
	if s.failUnknown(); s.result.Violation != nil {
		return s.result.Violation
	}
	if !s.allIn() {
		s.fail(&s.nodes[0], ruleSettle, -1, fmt.Sprintf("after %v a node has not joined", atMost))
		return s.result.Violation
	}
	s.result.Agreed, s.result.AgreedAt = true, time.Duration(c.agreed)
	return nil
}

// allIn reports whether all nodes that are up are members.
func (s *Sim) allIn() bool {
	for i := range s.nodes {
		if n := &s.nodes[i]; n.up && !n.joined {
			return false
		}
	}
	return true
}

// atRest runs until all gossip has ended and dead members may be forgotten, and checks that nothing is left over.
func (s *Sim) atRest() error {
	c, cfg := s.check, s.cfg.Core
	if c.contested() {
		return nil // it never rests
	}
	rest := s.cfg.gossipTime(len(s.names))*2 + s.restTime() + lateTime(cfg)
	if slices.ContainsFunc(s.nodes, s.remembersGone) {
		rest = max(rest, forgetTime(cfg))
	}
	if err := s.RunUntil(s.Now() + rest); err != nil {
		return err
	}
	if c.wrong > 0 || s.now-c.news < int64(rest) {
		return nil // old news was gossiped once more
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		if !n.up || n.leaving {
			continue
		}
		if got, want := n.core.ViewChecksum(), swim.Checksum(n.core.Members(nil)); got != want {
			s.fail(n, ruleView, -1, fmt.Sprintf("%#x, want %#x", got, want))
		}
		if s.remembersGone(*n) {
			s.fail(n, ruleRemembered, -1, fmt.Sprintf("after %v", rest))
		}
		if !n.core.AnyAlive() {
			continue // it has no members to gossip to
		}
		if queued := n.core.NumQueued(); queued > 0 && gossipEvery(s.cfg.coreOf(n.id)) > 0 {
			s.fail(n, ruleLeak, -1, fmt.Sprintf("%d messages are queued", queued))
		}
		if timers := n.core.NumTimers(); timers > 6+len(s.names) { // each other member may have asked for an indirect ping
			s.fail(n, ruleLeak, -1, fmt.Sprintf("%d timers are set", timers))
		}
	}
	if s.result.Violation != nil {
		return s.result.Violation
	}
	return s.recover()
}

// recover runs until all health scores are 0 and no member that sees another counts as isolated.
func (s *Sim) recover() error {
	began := s.Now()
	for _, what := range []struct {
		rule   string
		within time.Duration
		holds  func(*node) bool
	}{
		{ruleWellAgain, wellTime(s.cfg.Core, s.cfg.N), func(n *node) bool { return n.health == 0 }},
		{ruleWholeAgain, longestIsolation, func(n *node) bool { return !n.core.Isolated() }},
	} {
		ill := func(n node) bool { return n.joined && !n.leaving && n.core.AnyAlive() && !what.holds(&n) }
		for s.Now() < began+what.within && slices.ContainsFunc(s.nodes, ill) {
			if err := s.RunUntil(s.Now() + time.Second); err != nil {
				return err
			}
		}
		if i := slices.IndexFunc(s.nodes, ill); i >= 0 {
			s.fail(&s.nodes[i], what.rule, -1, fmt.Sprintf("not within %v; its score is %d", what.within, s.nodes[i].health))
		}
	}
	if s.result.Violation != nil {
		return s.result.Violation
	}
	return nil
}

// remembersGone reports whether a member knows dead or left members.
func (s *Sim) remembersGone(n node) bool {
	return n.up && !n.leaving && slices.ContainsFunc(s.check.views[n.id].entries, func(e entry) bool {
		return e.state == dead || e.state == left
	})
}
