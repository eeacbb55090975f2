package oracle

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// recheck is the time during which a name whose addresses were pinged is not checked again.
const recheck = 10 * probeInterval

// remembered is the time for which ours remembers removed members: the default of ReconnectTimeout.
const remembered = 24 * time.Hour

// versions returns the protocol and delegate versions of the nodes.
func (p profile) versions() []byte { return []byte{1, 5, p.protocol, 0, 0, 0} }

// usable reports whether the versions in an assertion that a member is alive are compatible with the nodes'.
func (p profile) usable(c assertion) bool {
	a, b := c.vsn, p.versions()
	understands := func(a, b []byte, low int) bool { return a[low] <= b[low+2] && b[low+2] <= a[low+1] }
	return len(a) >= len(b) && a[0] > 0 && understands(a, b, 0) && understands(b, a, 0) && understands(a, b, 3) && understands(b, a, 3)
}

// tells reports whether an operation asserts that the member is alive.
func (o operation) tells(c assertion) bool {
	return o.kind == opAlive || (o.kind == opPushPull || o.kind == opJoin) && c.state == alive
}

// claimed returns the address in an assertion, as text.
func (c assertion) claimed(known member) string {
	ip, at := c.address(known)
	if at == 0 {
		at = port
	}
	return addrText(ip, at)
}

// expected is the state that ours is to have of a member, by a rule.
type expected struct {
	which rule
	want  member
}

// expect returns the members that an operation asserts to be alive, which ours ignores and theirs may accept.
func (r *run) expect(o operation) map[string]expected {
	all := make(map[string]expected)
	for _, c := range o.assertions {
		known, gone := r.table[c.node], r.gone[c.node]
		if !o.tells(c) || c.node == self || !r.usable(c) {
			continue
		}
		number := c.number(known)
		switch {
		case known.name == "" && number == 0:
			all[c.node] = expected{ruleZero, member{}}
		case known.name == "" && number <= gone.incarnation:
			gone.meta = ""
			all[c.node] = expected{ruleRecall, gone}
		case known.state == left && number <= known.incarnation && c.claimed(known) != known.addr:
			all[c.node] = expected{ruleReclaim, known}
		}
	}
	return all
}

// compareExpected checks that ours has the expected states, where theirs may have others, and calls no delegate.
func (r *run) compareExpected(all map[string]expected, answered map[string]bool, told, theirsTold []event) error {
	for name, e := range all {
		isOther := func(e event) bool { return e.node != name }
		told, theirsTold := slices.DeleteFunc(slices.Clone(told), isOther), slices.DeleteFunc(slices.Clone(theirsTold), isOther)
		switch ours, theirs := r.oursTable[name], r.table[name]; {
		case ours == theirs && (ours.name == "" || ours.state != alive) && slices.Equal(told, theirsTold):
			delete(r.uneven, name)
		case ours == e.want && len(told) == 0 && answered[name] == (e.which != ruleZero):
			r.allow(e.which, "%v, theirs %v", ours, theirs)
		default:
			return differ("the state of "+name, ours, theirs)
		}
	}
	return nil
}

// challenges reports whether a packet of ours sends the end of a member that is dead or left to the address that
// claims its name.
func (r *run) challenges(p packet, o operation, all map[string]expected) bool {
	if len(p.messages) != 1 {
		return false
	}
	g := p.messages[0]
	e := all[g.node]
	return e.want.name != "" && slices.ContainsFunc(o.assertions, func(c assertion) bool {
		return c.node == g.node && c.claimed(r.table[g.node]) == p.to && r.isAgainst(g, e.want, c.number(r.table[g.node]))
	})
}

// noteReaped notes the members that ours has removed and still remembers.
func (r *run) noteReaped(o operation, before map[string]member) {
	if !r.remembers {
		return
	}
	for _, c := range o.assertions {
		gone, says := r.gone[c.node], o.kind == opDead && c.from == c.node && !o.foreign ||
			(o.kind == opPushPull || o.kind == opJoin) && c.state == left && !r.refuses(o) && !r.vetoes(o)
		if number := c.number(before[c.node]); says && gone.state == dead && number >= gone.incarnation {
			gone.state, gone.incarnation = left, number
			r.gone[c.node] = gone
		}
	}
	for name, m := range before {
		if m.state == dead && r.oursTable[name].state == left {
			r.went[name] = time.Now() // the member's own message
		}
		if _, ok := r.oursTable[name]; !ok {
			m.state = max(m.state, dead) // a suspect member died before it was removed
			r.gone[name] = m
		}
	}
	for name := range r.oursTable {
		delete(r.gone, name)
	}
}

// noteWent notes when members became dead or left in ours.
func (r *run) noteWent(ours effects) {
	for _, e := range ours.events {
		if strings.HasPrefix(e.text, "leave ") {
			r.went[e.node] = r.ours.started.Add(e.at)
		}
	}
}

// expireReaped forgets the members that ours does not remember any more.
func (r *run) expireReaped() {
	maps.DeleteFunc(r.gone, func(name string, _ member) bool { return time.Since(r.went[name]) > remembered })
}

// askedLately reports whether ours checked the name recently.
func (r *run) askedLately(name string) bool {
	at, ok := r.asked[name]
	return ok && time.Since(at) < recheck
}

// checks returns, by name, the addresses that ours is to ping because an operation asserts another address of a
// member: the known one, unless the name is the node's own, and the asserted one.
func (r *run) checks(o operation) map[string][]string {
	checks := make(map[string][]string)
	for _, c := range o.assertions {
		known := r.table[c.node]
		if !o.tells(c) || known.name == "" || c.claimed(known) == known.addr || r.askedLately(c.node) {
			continue
		}
		checks[c.node] = append(checks[c.node], c.claimed(known))
		if c.node != self {
			checks[c.node] = append(checks[c.node], known.addr)
		}
	}
	return checks
}

// absent returns, by asserted address of a member that is known at another, the source of acks to pings there, unless
// the claimant acks. At the address of another process of the node's own name the claimant does.
func (r *run) absent(o operation) map[netip.AddrPort]netip.AddrPort {
	if o.there == claimant {
		return nil
	}
	acks := make(map[netip.AddrPort]netip.AddrPort)
	for name, asked := range r.checks(o) {
		if name == self {
			continue
		}
		var from netip.AddrPort
		if o.there == former {
			from = netip.MustParseAddrPort(r.table[name].addr)
		}
		acks[netip.MustParseAddrPort(asked[0])] = from
	}
	return acks
}

// takeChecks removes the pings of checks from the packets of ours, and returns the names that were checked.
func (r *run) takeChecks(o operation, ours *effects) (asked map[string]bool, err error) {
	asked = make(map[string]bool)
	checks := r.checks(o)
	ours.sent = slices.DeleteFunc(ours.sent, func(p packet) bool {
		i := slices.Index(checks[p.ping], p.to)
		if i < 0 || len(p.messages) > 0 {
			return false
		}
		r.allow(ruleContest, "%s at %s", p.ping, p.to)
		checks[p.ping] = slices.Delete(checks[p.ping], i, i+1)
		asked[p.ping] = true
		return true
	})
	for name := range asked {
		if len(checks[name]) > 0 {
			return nil, fmt.Errorf("ours checks %s, but not at %v", name, checks[name])
		}
	}
	return asked, nil
}

// compareConflicts compares the conflicts that the nodes reported, and removes them from their effects. Ours reports
// one when all pinged addresses have acked, which is immediate here, if the claimant is there; and none for a name
// that it checked recently.
func (r *run) compareConflicts(o operation, ours, theirs *effects) error {
	asked, err := r.takeChecks(o, ours)
	if err != nil {
		return err
	}
	told, theirsTold := ours.takeConflicts(), theirs.takeConflicts()
	for name := range asked {
		isOther := func(e event) bool { return e.node != name }
		a, b := slices.DeleteFunc(slices.Clone(told), isOther), slices.DeleteFunc(slices.Clone(theirsTold), isOther)
		want := 1
		if o.there != claimant && name != self {
			want = 0
		}
		if len(a) != want || !r.uneven[name] && (len(b) != 1 || want == 1 && a[0] != b[0]) {
			return differ("a conflict", told, theirsTold)
		}
		if want == 1 {
			told = slices.DeleteFunc(told, func(e event) bool { return e == a[0] })
			theirsTold = slices.DeleteFunc(theirsTold, func(e event) bool { return e == a[0] })
		}
	}
	if len(told) > 0 {
		return differ("a conflict", told, theirsTold)
	}
	for name := range asked {
		r.asked[name] = time.Now()
	}
	for _, e := range theirsTold {
		switch {
		case r.askedLately(e.node):
			r.allow(ruleOutcome, "%v", e)
		case r.left:
			r.allow(ruleIncurious, "%v", e)
		case !r.uneven[e.node]:
			return differ("a conflict", told, theirsTold)
		}
	}
	return nil
}

// takeConflicts removes the conflicts from the events and returns them.
func (e *effects) takeConflicts() (told []event) {
	e.events = slices.DeleteFunc(e.events, func(e event) bool {
		is := strings.HasPrefix(e.text, "conflict ")
		if is {
			told = append(told, e)
		}
		return is
	})
	return told
}

// refuses reports whether ours refuses a push/pull because of the peer's versions.
func (r *run) refuses(o operation) bool {
	var there, all, any bool // the peer is known; a member is alive; one is usable
	usable := false
	for _, c := range o.assertions {
		if c.state != alive {
			continue
		}
		ip, _ := c.address(r.table[c.node])
		all, any = true, any || r.usable(c)
		if slices.Equal(ip, o.source().Addr().AsSlice()) {
			there, usable = true, usable || r.usable(c)
		}
	}
	if there {
		return !usable
	}
	return all && !any
}

// vetoes reports whether the merge delegate refuses a push/pull.
func (r *run) vetoes(o operation) bool {
	return o.join && slices.ContainsFunc(o.assertions, func(c assertion) bool { return c.node == r.vetoMerge })
}

// compatible returns a push/pull without what ours ignores: alive members of incompatible versions, and the versions
// of others.
func (r *run) compatible(o operation) operation {
	var assertions []assertion
	for _, c := range o.assertions {
		switch {
		case c.state != alive:
			c.vsn = goodVersions
		case !r.usable(c) && c.node == self:
			c.vsn = foreign // also differs from the node's
		case !r.usable(c):
			continue
		}
		assertions = append(assertions, c)
	}
	o.assertions = assertions
	return o
}

// refusedByVersion reports whether theirs has refused a push/pull because of a member's versions, which ours does
// not. Theirs has called no delegate then.
func (r *run) refusedByVersion(o operation) (refused bool) {
	r.theirs.set(func() { refused = len(r.theirs.events) == 0 })
	return refused && !r.refuses(o)
}

// foreign are versions that differ from the node's and are compatible with them.
var foreign = []byte{1, 5, 3, 0, 0, 0}

// tookCompatible notes that theirs was given the compatible form of a push/pull; delegates are to see the original.
func (r *run) tookCompatible(o, compatible operation) {
	r.allow(ruleVersions, "%d of %d states", len(o.assertions)-len(compatible.assertions), len(o.assertions))
	r.theirs.set(func() {
		for i, e := range r.theirs.events {
			if e.text == mergeText(compatible.states(r.table)) {
				r.theirs.events[i].text = mergeText(o.states(r.table))
			}
		}
		for _, c := range o.assertions {
			if c.node != self || c.state != alive || r.usable(c) {
				continue
			}
			for i, ask := range r.theirs.asks {
				if rest, is := strings.CutSuffix(ask, fmt.Sprint(foreign)); is && strings.HasPrefix(ask, self+" ") {
					r.theirs.asks[i] = rest + fmt.Sprint(c.vsn)
				}
			}
		}
	})
}

// mergeText returns the text by which calls of merge delegates are compared.
func mergeText(states []wire.PushNodeState) string {
	var all []string
	for _, s := range states {
		if s.Port == 0 {
			s.Port = port
		}
		all = append(all, member{s.Name, addrText(s.Addr, s.Port), string(s.Meta), [6]byte(s.Vsn), 0, s.State}.String())
	}
	return "merge? " + strings.Join(all, ", ")
}
