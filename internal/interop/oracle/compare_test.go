package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/e3431adc/memberlist/internal/wire"
)

// differ returns the error for a difference that no rule allows.
func differ(what string, ours, theirs any) error {
	return fmt.Errorf("%s differs:\n  ours:   %v\n  theirs: %v", what, ours, theirs)
}

// compare compares the effects that an operation has had on both nodes by now.
func (r *run) compare(o operation) error {
	ours, err := r.ours.take()
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	theirs, err := r.theirs.take()
	if err != nil {
		return fmt.Errorf("theirs: %w", err)
	}
	if o.foreign {
		return r.compareForeign(o, ours, theirs)
	}
	anew, counted := r.suspectsAnew(o), r.countsUnattributed(o)
	for name := range anew {
		r.uneven[name] = true
	}
	for name := range counted {
		r.uneven[name] = true
	}
	expected := r.expect(o)
	for name := range expected {
		r.uneven[name] = true
	}
	if o.kind == opLeave && len(theirs.pushed) == 0 && len(ours.pushed) == 1 && strings.HasPrefix(ours.pushed[0], "false") {
		r.allow(ruleDirectLeave, "%s", ours.pushed[0])
		ours.pushed = nil
	}
	ours.asks = r.withoutIgnored(ours.asks, theirs.asks, o)
	r.takeNewcomers(&ours)
	if err := r.compareConflicts(o, &ours, &theirs); err != nil {
		return err
	}
	told, theirsTold := slices.Clone(ours.events), slices.Clone(theirs.events)
	if err := r.compareEffects(ours, theirs); err != nil {
		return err
	}
	if len(theirs.sent) > 0 {
		return differ("the immediate packets", ours.sent, theirs.sent)
	}
	answered := make(map[string]bool) // names about which ours has corrected a sender
	for _, p := range ours.sent {
		for _, g := range p.messages {
			answered[g.node] = true
		}
		switch {
		case r.answersStale(p, o):
			r.allow(ruleStale, "%v to %s", p.messages[0], p.to)
		case r.challenges(p, o, expected):
			r.allow(expected[p.messages[0].node].which, "%v to %s", p.messages[0], p.to)
		case r.isDirectLeave(p, o):
			r.allow(ruleDirectLeave, "%v to %s", p.messages[0], p.to)
		case r.doubtsLeave(p, o):
			r.allow(ruleDoubt, "%v to %s", p.messages[0], p.to)
		case r.answersStaleLeave(p, o):
			r.allow(ruleStaleLeave, "%v to %s", p.messages[0], p.to)
		case r.answersReporter(p, o):
			r.allow(ruleReporter, "%v to %s", p.messages[0], p.to)
		default:
			return differ("the immediate packets", ours.sent, theirs.sent)
		}
	}
	if r.mustAnswer(o) && !answered[self] {
		return fmt.Errorf("ours does not answer %s, which reported it", o.sender)
	}
	if err := r.observe(o); err != nil {
		return err
	}
	for name, want := range anew {
		if ours := r.oursTable[name]; ours == want {
			r.allow(ruleAnew, "%v, theirs %v", ours, r.table[name])
		} else if ours != r.table[name] {
			return differ("the state of "+name, ours, r.table[name])
		}
	}
	for name, want := range counted {
		ours := r.oursTable[name]
		if ours.state == dead && o.kind == opSuspect {
			want.state = dead // a late confirmation: the timeout has passed
		}
		if ours != want {
			return differ("the state and earlier state of "+name, ours, want)
		}
	}
	return r.compareExpected(expected, answered, told, theirsTold)
}

// countsUnattributed returns the members that are suspect and reported again by an operation, if the nodes count that
// differently: the reference takes a push/pull for an observation of its own. The value is the state expected from
// ours.
func (r *run) countsUnattributed(o operation) map[string]member {
	counted := make(map[string]member)
	for _, c := range o.assertions {
		known := r.table[c.node]
		again := known.state == suspect && c.number(known) == known.incarnation
		if again && o.reports(c) && r.unattributed[c.node] != (o.kind != opSuspect) {
			counted[c.node] = known
		}
	}
	return counted
}

// noteUnattributed notes the members that became suspect by a push/pull, and removes those that are not suspect any
// more.
func (r *run) noteUnattributed(o operation, before map[string]member) {
	for _, c := range o.assertions {
		if o.kind != opSuspect && o.reports(c) && before[c.node].state == alive {
			r.unattributed[c.node] = true
		}
	}
	for name := range r.unattributed {
		if r.table[name].state != suspect {
			delete(r.unattributed, name)
		}
	}
}

// suspectsAnew returns the members that are suspect and reported by an operation at a higher incarnation. The value
// is the state expected from ours.
func (r *run) suspectsAnew(o operation) map[string]member {
	anew := make(map[string]member)
	for _, c := range o.assertions {
		known := r.table[c.node]
		if known.state == suspect && o.reports(c) && c.number(known) > known.incarnation {
			known.incarnation = c.number(known)
			anew[c.node] = known
		}
	}
	return anew
}

// takeNewcomers removes the pings of members that ours does not know yet from its packets. They ack at once, so that both nodes
// know them now.
func (r *run) takeNewcomers(ours *effects) {
	ours.sent = slices.DeleteFunc(ours.sent, func(p packet) bool {
		is := p.ping != "" && r.oursTable[p.ping].name == "" && len(p.messages) == 0
		if is {
			r.allow(ruleNewcomer, "%s at %s", p.ping, p.to)
		}
		return is
	})
}

// reports reports whether an assertion makes the node suspect the member.
func (o operation) reports(c assertion) bool {
	return o.kind == opSuspect || (o.kind == opPushPull || o.kind == opJoin) && (c.state == suspect || c.state == dead)
}

// compareEffects compares the calls of delegates and the content of streams.
func (r *run) compareEffects(ours, theirs effects) error {
	r.noteWent(ours)
	isUneven := func(e event) bool { return r.uneven[e.node] }
	a, b := slices.DeleteFunc(ours.events, isUneven), slices.DeleteFunc(theirs.events, isUneven)
	if !slices.Equal(a, b) {
		return differ("delegate calls", a, b)
	}
	if !slices.Equal(ours.asks, theirs.asks) {
		return differ("calls of the alive delegate", ours.asks, theirs.asks)
	}
	for i, pushed := range theirs.pushed {
		if r.replaced != nil {
			theirs.pushed[i] = r.replaced.Replace(pushed)
		}
	}
	if !slices.Equal(ours.pushed, theirs.pushed) {
		return differ("the content of streams", ours.pushed, theirs.pushed)
	}
	for _, e := range b {
		r.logf("    %v", e)
	}
	return nil
}

// withoutIgnored leaves out the calls that only our alive delegate had, for assertions that were ignored then.
func (r *run) withoutIgnored(ours, theirs []string, o operation) []string {
	return slices.DeleteFunc(ours, func(ask string) bool {
		if o.kind == opUpdate && r.left && len(theirs) == 0 {
			r.allow(ruleAsked, "%s", ask)
			return true
		}
		for _, c := range o.assertions {
			ignored := !r.usable(c) || c.node == self && r.left || r.restricted && c.place == outside
			if ignored && strings.HasPrefix(ask, c.node+" ") && !slices.Contains(theirs, ask) {
				r.allow(ruleAsked, "%s", ask)
				return true
			}
		}
		return false
	})
}

// answersStale reports whether a packet of ours answers a stale alive with a message that overrides it: a suspect message about a dead
// member, too, which can then refute it.
func (r *run) answersStale(p packet, o operation) bool {
	if o.kind != opAlive || len(o.assertions) == 0 || len(p.messages) != 1 || p.to != o.source().String() {
		return false
	}
	known, g := r.table[o.assertions[0].node], p.messages[0]
	if known.name == "" {
		known = r.gone[o.assertions[0].node]
	}
	number := o.assertions[0].number(r.table[known.name])
	if g.node != known.name || number > known.incarnation {
		return false
	}
	switch known.state {
	case dead:
		if known.addr == homeOf(self).String() {
			return r.isAgainst(g, known, number)
		}
		return g.kind == wire.TypeSuspect && g.detail == "from "+self && g.incarnation == known.incarnation
	case left:
		return r.isAgainst(g, known, number)
	case suspect:
		return g.kind == wire.TypeSuspect && g.incarnation == known.incarnation && p.to == known.addr
	default:
		return false
	}
}

// isAgainst reports whether a message of ours is the known suspicion or end of a member that is asserted to be alive
// at an incarnation. A later message about the end raises the stored incarnation, not the one at which the member was
// declared dead.
func (r *run) isAgainst(g gossip, known member, number uint32) bool {
	switch {
	case known.state == left:
		return g.kind == wire.TypeDead && g.detail == "from "+known.name && g.incarnation == known.incarnation
	case g.detail != "from "+self:
		return false
	case g.kind == wire.TypeSuspect:
		return r.evidence[known.name] && g.incarnation == known.incarnation
	default:
		return g.kind == wire.TypeDead &&
			(g.incarnation == known.incarnation || r.evidence[known.name] && number <= g.incarnation && g.incarnation < known.incarnation)
	}
}

// answersReporter reports whether a packet of ours sends our refutation, a new or an earlier one, to a member that
// reported us.
func (r *run) answersReporter(p packet, o operation) bool {
	if o.kind != opSuspect && o.kind != opDead || p.to != o.source().String() {
		return false
	}
	if len(p.messages) == 2 { // the sender is down here
		sender := r.oursTable[p.messages[1].node]
		if sender.addr != p.to || sender.state < dead || !r.isAgainst(p.messages[1], sender, sender.incarnation) {
			return false
		}
	} else if len(p.messages) != 1 {
		return false
	}
	known, g, c := r.table[self], p.messages[0], o.assertions[0]
	return g.kind == wire.TypeAlive && g.node == self && g.incarnation == max(known.incarnation, c.number(known)+1) &&
		c.node == self && known.state == alive
}

// doubtsLeave reports whether a packet of ours sends a member a leave message of that member, received from another.
func (r *run) doubtsLeave(p packet, o operation) bool {
	if len(p.messages) != 1 {
		return false
	}
	g := p.messages[0]
	for _, c := range o.assertions {
		known := r.oursTable[c.node]
		leaves := o.kind == opDead && c.from == c.node && o.source().String() != known.addr ||
			(o.kind == opPushPull || o.kind == opJoin) && c.state == left
		if !leaves {
			continue
		}
		if earlier := r.oursTable[g.node]; earlier.state == left && earlier.addr == p.to && r.isAgainst(g, earlier, earlier.incarnation) {
			return true // one of those that left shortly before
		}
		if known.state != left && known.addr == p.to && g.kind == wire.TypeDead && g.node == c.node &&
			g.detail == "from "+c.node && g.incarnation == c.number(r.table[c.node]) {
			return true
		}
	}
	return false
}

// answersStaleLeave reports whether a packet of ours sends the alive message that refutes a leave message to its sender,
// which is not its subject.
func (r *run) answersStaleLeave(p packet, o operation) bool {
	if o.kind != opDead || len(p.messages) != 1 || p.to != o.source().String() {
		return false
	}
	c, g := o.assertions[0], p.messages[0]
	known := r.oursTable[c.node]
	return c.from == c.node && c.node != self && known.state == alive && known.addr != p.to &&
		g.kind == wire.TypeAlive && g.node == c.node && g.incarnation == known.incarnation && c.number(r.table[c.node]) < g.incarnation
}

// mustAnswer reports whether an operation is a member's suspect or dead message about the node, which is alive.
func (r *run) mustAnswer(o operation) bool {
	return (o.kind == opSuspect || o.kind == opDead) && o.assertions[0].node == self && r.table[self].state == alive &&
		slices.ContainsFunc(sorted(r.table), func(m member) bool { return m.addr == o.source().String() })
}

// isDirectLeave reports whether a packet of ours tells a present member that the node leaves.
func (r *run) isDirectLeave(p packet, o operation) bool {
	if o.kind != opLeave || len(p.messages) != 1 {
		return false
	}
	g := p.messages[0]
	return g.kind == wire.TypeDead && g.node == self && g.incarnation == r.table[self].incarnation && g.detail == "from "+self &&
		slices.ContainsFunc(sorted(r.table), func(m member) bool { return m.addr == p.to && m.state <= suspect })
}

// compareForeign compares the effects of a packet from outside CIDRsAllowed: none for ours.
func (r *run) compareForeign(o operation, ours, theirs effects) error {
	if len(ours.events)+len(ours.asks)+len(ours.sent) > 0 {
		return fmt.Errorf("ours accepted a packet from outside CIDRsAllowed: %v", ours)
	}
	before := r.table
	if len(o.assertions) > 0 {
		r.uneven[o.assertions[0].node] = true
		r.probed = r.probed || o.assertions[0].node == self // theirs refutes, which raises its health score
	}
	if err := r.observe(operation{}); err != nil {
		return err
	}
	if !maps.Equal(r.oursTable, before) {
		return differ("the table after a packet from outside CIDRsAllowed, and before it", sorted(r.oursTable), sorted(before))
	}
	if len(theirs.events) > 0 || !maps.Equal(r.table, before) {
		r.allow(ruleForeign, "%v", theirs.events)
		if len(o.assertions) == 0 || r.table[o.assertions[0].node] != before[o.assertions[0].node] {
			return nil
		}
	}
	// No state changed, but a report of a suspect member may have been counted as a confirmation.
	if len(o.assertions) > 0 && before[o.assertions[0].node].state != suspect {
		delete(r.uneven, o.assertions[0].node)
	}
	return nil
}

// observe compares the tables of both nodes, as in a push/pull, after an operation.
func (r *run) observe(o operation) error {
	before, oursBefore := r.table, r.oursTable
	var err error
	if r.oursTable, err = r.ours.observe(); err != nil {
		return fmt.Errorf("observe ours: %w", err)
	}
	if r.table, err = r.theirs.observe(); err != nil {
		return fmt.Errorf("observe theirs: %w", err)
	}
	if _, ok := r.table[self]; !ok && r.left && r.over && r.oursTable[self].state == left {
		r.allow(ruleSelf, "after %v", r.longRest())
		r.table[self] = r.oursTable[self]
	}
	all := maps.Clone(r.table)
	maps.Copy(all, r.oursTable)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		ours, theirs := r.oursTable[name], r.table[name]
		switch {
		case ours == theirs || r.uneven[name]:
		case o.isEvidence(before[name], ours, theirs):
			r.allow(ruleEvidence, "%v, theirs %v", ours, theirs)
			r.uneven[name], r.evidence[name] = true, true
		case o.isLateLeave(before[name], ours, theirs):
			r.allow(ruleLate, "%v, theirs %v", ours, theirs)
			r.uneven[name] = true
		default:
			return differ("the state of "+name, ours, theirs)
		}
	}
	r.noteUnattributed(o, before)
	r.noteReaped(o, oursBefore)
	if err := r.compareMembers(); err != nil {
		return err
	}
	switch ours, theirs := r.ours.GetHealthScore(), r.theirs.GetHealthScore(); {
	case ours == theirs || r.probed:
	case ours > 0 && ours < theirs:
		r.allow(ruleHealth, "%d, theirs %d", ours, theirs)
	default:
		return differ("health", ours, theirs)
	}
	return nil
}

// isEvidence reports whether the nodes differ about a dead member because ours stored a report's incarnation.
func (o operation) isEvidence(before, ours, theirs member) bool {
	if before.state != dead || theirs != before || ours.incarnation <= theirs.incarnation {
		return false
	}
	for _, c := range o.assertions {
		reports := o.reports(c) || o.kind == opDead || (o.kind == opPushPull || o.kind == opJoin) && c.state == left
		if reports && c.node == ours.name && c.number(before) == ours.incarnation {
			ours.incarnation = theirs.incarnation
			return ours == theirs
		}
	}
	return false
}

// isLateLeave reports whether the nodes differ about a dead member because ours accepted its leave.
func (o operation) isLateLeave(before, ours, theirs member) bool {
	if before.state != dead || theirs != before || ours.state != left {
		return false
	}
	for _, c := range o.assertions {
		says := o.kind == opDead && c.from == c.node || (o.kind == opPushPull || o.kind == opJoin) && c.state == left
		if says && c.node == ours.name && c.number(before) == ours.incarnation {
			ours.incarnation, ours.state = theirs.incarnation, theirs.state
			return ours == theirs
		}
	}
	return false
}

// compareMembers compares Members and NumMembers.
func (r *run) compareMembers() error {
	ours, theirs := r.ours.members(), r.theirs.members()
	isUneven := func(m member) bool { return r.uneven[m.name] }
	ours, theirs = slices.DeleteFunc(ours, isUneven), slices.DeleteFunc(theirs, isUneven)
	if len(ours) != len(theirs) {
		return differ("members", ours, theirs)
	}
	for i, m := range ours {
		if m.state == suspect && theirs[i].state == alive && r.table[m.name].state == suspect {
			r.fired[ruleState]++
			m.state = alive
		}
		if m != theirs[i] {
			return differ("members", ours, theirs)
		}
		m.incarnation, m.state = r.table[m.name].incarnation, r.table[m.name].state
		if m != r.table[m.name] || m.state > suspect {
			return differ("a member and its state in a push/pull", m, r.table[m.name])
		}
	}
	return nil
}

// compareGossip compares messages about members, in any order.
func (r *run) compareGossip(ours, theirs []gossip) error {
	isUneven := func(g gossip) bool { return r.uneven[g.node] }
	oursAll, theirsAll := slices.Clone(ours), slices.Clone(theirs)
	ours, theirs = slices.DeleteFunc(ours, isUneven), slices.DeleteFunc(theirs, isUneven)
	more := make(map[gossip]int) // ours' count minus theirs'
	for _, g := range ours {
		if g.kind == wire.TypeSuspect && g.detail == "from " && r.unattributed[g.node] {
			r.allow(ruleUnattributed, "ours: %v", g)
			g.detail, g.size = "from "+self, g.size+len(self)
		}
		more[g]++
	}
	for _, g := range theirs {
		more[g]--
	}
	for g, n := range more {
		switch {
		case n == 0:
		case n < 0 && r.wasReplaced(g):
			r.allow(ruleRefutation, "theirs: %v", g)
		case n < 0 && r.table[g.node].name == "":
			r.allow(ruleForgotten, "theirs: %v", g)
		case n < 0 && r.toldLate(): // ours gossips it when the member is mended
			r.allow(ruleLate, "theirs: %v", g)
			r.uneven[g.node] = true
		case n > 0 && r.wasLost(g, oursAll, theirsAll):
			r.allow(ruleLost, "ours: %v", g)
		default:
			return differ("gossip", inOrder(ours), inOrder(theirs))
		}
	}
	return nil
}

// wasReplaced reports whether a message is one about the node itself that a later one should have replaced.
func (r *run) wasReplaced(g gossip) bool {
	return g.kind == wire.TypeAlive && g.node == self && (g.incarnation < r.table[self].incarnation || r.left)
}

// toldLate reports whether the only members that could receive gossip are dead to the reference, and have left for
// ours.
func (r *run) toldLate() bool {
	late := false
	for name, ours := range r.oursTable {
		switch {
		case name == self:
		case ours.state == left && r.table[name].state == dead && r.uneven[name]:
			late = true
		case ours.state != left:
			return false
		}
	}
	return late && r.gossips
}

// wasLost reports whether the reference may have lost a message: it has a similar one, or had one that has been
// replaced since. Then its queue is out of order, and both members are mended. The replaced message is an alive, or
// one that ours still sends.
func (r *run) wasLost(g gossip, ours, theirs []gossip) bool {
	for _, other := range ours {
		if other.node != g.node && other.size == g.size && r.uneven[other.node] {
			r.uneven[g.node] = true
			return true
		}
	}
	for _, other := range theirs {
		if other.node != g.node && (other.size == g.size || r.table[other.node].aliveSize() == g.size) {
			r.uneven[g.node], r.uneven[other.node] = true, true
			return true
		}
	}
	return false
}

// aliveSize returns the size in bytes of a member's alive message in gossip.
func (m member) aliveSize() int {
	at, err := netip.ParseAddrPort(m.addr)
	if err != nil {
		return 0
	}
	a := &wire.Alive{Incarnation: m.incarnation, Node: m.name, Addr: at.Addr().AsSlice(), Port: at.Port(), Meta: []byte(m.meta),
		Vsn: m.versions[:]}
	return len(a.Append(nil)) - 1
}

func inOrder(messages []gossip) []gossip {
	slices.SortFunc(messages, func(a, b gossip) int { return cmp.Compare(a.String(), b.String()) })
	return messages
}
