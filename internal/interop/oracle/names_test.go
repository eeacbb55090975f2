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

// recheck is for how long a name that was asked about is not asked about again.
const recheck = 10 * probeInterval

// remembered is for how long ours remembers whom it has forgotten: ReconnectTimeout as it is by default.
const remembered = 24 * time.Hour

// versions are those of the nodes.
func (p profile) versions() []byte { return []byte{1, 5, p.protocol, 0, 0, 0} }

// usable reports whether the member of an alive claim and the nodes understand each other.
func (p profile) usable(c assertion) bool {
	a, b := c.vsn, p.versions()
	understands := func(a, b []byte, low int) bool { return a[low] <= b[low+2] && b[low+2] <= a[low+1] }
	return len(a) >= len(b) && a[0] > 0 && understands(a, b, 0) && understands(b, a, 0) && understands(a, b, 3) && understands(b, a, 3)
}

// tells reports whether an operation says in a claim that a member is alive.
func (o operation) tells(c assertion) bool {
	return o.kind == opAlive || (o.kind == opPushPull || o.kind == opJoin) && c.state == alive
}

// claimed is the address that a claim says.
func (c assertion) claimed(known member) string {
	ip, at := c.address(known)
	if at == 0 {
		at = port
	}
	return addrText(ip, at)
}

// expected is what ours is to know of a member, by a rule.
type expected struct {
	which rule
	want  member
}

// expect gives the members that an operation says to be alive, that ours does not take and theirs may.
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

// compareExpected holds that ours knows what it is to know, where theirs may know something else, and tells nobody of it.
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
			return differ("what is known of "+name, ours, theirs)
		}
	}
	return nil
}

// challenges reports whether a packet of ours tells who claims the name of a member that went what it has to be newer than.
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

// noteGone notes whom ours has forgotten, and remembers all the same.
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
			r.went[name] = time.Now() // as it says
		}
		if _, ok := r.oursTable[name]; !ok {
			m.state = max(m.state, dead) // a suspect died first
			r.gone[name] = m
		}
	}
	for name := range r.oursTable {
		delete(r.gone, name)
	}
}

// noteWent notes when ours found members dead, or left.
func (r *run) noteWent(ours effects) {
	for _, e := range ours.events {
		if strings.HasPrefix(e.text, "leave ") {
			r.went[e.node] = r.ours.started.Add(e.at)
		}
	}
}

// forgetGone forgets whom ours remembers no more.
func (r *run) expireReaped() {
	maps.DeleteFunc(r.gone, func(name string, _ member) bool { return time.Since(r.went[name]) > remembered })
}

// askedLately reports whether ours asked lately if there are two of a name.
func (r *run) askedLately(name string) bool {
	at, ok := r.asked[name]
	return ok && time.Since(at) < recheck
}

// checks gives, by name, where ours is to ask about the claims to names at other addresses that an operation says: where the
// member is known, unless it is the node itself, and where the claim says it is.
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

// absent gives the addresses at which an operation says members to be that are known elsewhere, and where acks of pings to these
// come from, if no other is there. Who has our own name is there.
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

// takeChecks takes the pings of checks out of what ours sent, and gives the names that it asked about.
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
			return nil, fmt.Errorf("ours asks about %s, and not at %v", name, checks[name])
		}
	}
	return asked, nil
}

// compareConflicts compares of what conflicts the nodes told, and takes that out of what they did. Ours tells of one when all
// that it asks have answered, which here they do at once, if another is there; and of none that it asked about lately.
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
			r.allow(ruleVerdict, "%v", e)
		case r.left:
			r.allow(ruleIncurious, "%v", e)
		case !r.uneven[e.node]:
			return differ("a conflict", told, theirsTold)
		}
	}
	return nil
}

// takeConflicts takes conflicts out of what delegates were told.
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

// refuses reports whether ours refuses a push/pull: the peer is one that it cannot speak to.
func (r *run) refuses(o operation) bool {
	var there, all, any bool // is known; anyone is; any is usable
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

// compatible is a push/pull as ours takes it: without alive members that it cannot speak to, and whatever those speak that
// are not alive.
func (r *run) compatible(o operation) operation {
	var assertions []assertion
	for _, c := range o.assertions {
		switch {
		case c.state != alive:
			c.vsn = goodVersions
		case !r.usable(c) && c.node == self:
			c.vsn = foreign // which is as wrong
		case !r.usable(c):
			continue
		}
		assertions = append(assertions, c)
	}
	o.assertions = assertions
	return o
}

// refusedByVersion reports whether theirs has refused a push/pull because of somebody's versions, as ours does not. It has
// told nobody of it then.
func (r *run) refusedByVersion(o operation) (refused bool) {
	r.theirs.set(func() { refused = len(r.theirs.events) == 0 })
	return refused && !r.refuses(o)
}

// foreign are versions that are not the node's, and go with these.
var foreign = []byte{1, 5, 3, 0, 0, 0}

// tookCompatible notes that theirs was given a push/pull as ours takes it, of which delegates are told what was said.
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

// mergeText is what merge delegates are told of states.
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
