package oracle

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/e3431adc/memberlist/internal/wire"
)

// finish plays the last operation of a history, after which the nodes may differ for good.
func (r *run) finish(o operation) error {
	c := o.assertions[0]
	var message wire.Message
	which := ruleHighest
	switch o.kind {
	case opHighest:
		message = &wire.Suspect{Incarnation: math.MaxUint32, Node: c.node, From: c.from}
		if c.state == dead {
			message = &wire.Dead{Incarnation: math.MaxUint32, Node: c.node, From: c.from}
		}
	case opMalformed:
		message, which = malformedAlive(o.text), ruleMalformed
		if o.text == longName {
			which = ruleUnpingable
		}
	case opVersionless:
		return r.finishVersionless(o)
	case opHere:
		return r.finishHere(o)
	}
	before := r.table
	r.feedPacket(message.Append(nil), o.source())
	return r.compareIgnored(which, before)
}

// malformedAlive returns an alive message with one error.
func malformedAlive(how string) *wire.Alive {
	a := &wire.Alive{Incarnation: 7, Node: "odd", Addr: []byte{10, 0, 0, 99}, Port: port, Vsn: goodVersions}
	switch how {
	case "long metadata":
		a.Meta = []byte(strings.Repeat("m", 513))
	case longName:
		a.Node = strings.Repeat("n", 1020)
	case "no name":
		a.Node = ""
	case "odd address":
		a.Addr = append(a.Addr, 5)
	case "no address":
		a.Addr = nil
	}
	return a
}

// compareIgnored checks that ours ignored a message that theirs may have accepted.
func (r *run) compareIgnored(which rule, before map[string]member) error {
	ours, errOurs := r.ours.take()
	theirs, errTheirs := r.theirs.take()
	if err := errors.Join(errOurs, errTheirs); err != nil {
		return err
	}
	if len(ours.events)+len(ours.sent) > 0 {
		return differ("the effects", ours, theirs)
	}
	oursTable, err := r.ours.observe()
	if err != nil {
		return err
	}
	theirsTable, err := r.theirs.observe()
	if err != nil {
		return err
	}
	if !maps.Equal(oursTable, before) {
		return differ("the table, and the one before,", sorted(oursTable), sorted(before))
	}
	if len(theirs.events) > 0 || !maps.Equal(theirsTable, before) {
		r.allow(which, "%v", theirs.events)
	}
	return nil
}

// finishVersionless announces a member without versions, or with unknown ones, and then plays a push/pull.
func (r *run) finishVersionless(o operation) error {
	before := r.table
	who := assertion{node: "p6", delta: 1, meta: "first"}
	if o.assertions[0].state == dead {
		who.vsn = []byte{1, 5, 6, 0, 0, 0}
	}
	r.feedPacket(operation{kind: opAlive, assertions: []assertion{who}}.message(before).Append(nil), homeOf("p6"))
	if err := r.compareIgnored(ruleVersions, before); err != nil {
		return err
	}
	theirsBefore, err := r.theirs.observe()
	if known := theirsBefore["p6"]; err != nil || known.name == "" || known.state != alive || r.usable(assertion{vsn: known.versions[:]}) {
		return err
	}
	news := operation{kind: opPushPull, sender: "p1", assertions: []assertion{{node: "p5", delta: 1, meta: "news", vsn: goodVersions}}}
	request := encodePushPull(news.states(before), false)
	if _, _, err := r.theirs.exchange(news.source(), request); err != nil {
		return err
	}
	if theirs, err := r.theirs.observe(); err != nil || !maps.Equal(theirs, theirsBefore) {
		return differ("the table of theirs, with a member without versions, after and before a push/pull,", sorted(theirs), sorted(theirsBefore))
	}
	_, refusal, err := r.ours.exchange(news.source(), request)
	if err != nil || refusal != "" {
		return fmt.Errorf("ours refuses a push/pull: %v %s", err, refusal)
	}
	r.allow(ruleVersions, "p6 has %v", who.vsn)
	return nil
}

// finishHere announces other names at the node's own address: an unknown one, in packets and push/pulls, and one that
// may be known at another address.
func (r *run) finishHere(o operation) error {
	odd := &wire.Alive{Incarnation: 7, Node: "odd", Addr: homeOf(self).Addr().AsSlice(), Port: port, Vsn: goodVersions}
	want := maps.Clone(r.table)
	denied := member{odd.Node, homeOf(self).String(), "", [6]byte(goodVersions), odd.Incarnation, dead}
	says := gossip{wire.TypeDead, odd.Node, odd.Incarnation, "from " + self, 0}
	is := func(g gossip) bool { g.size = 0; return g == says }

	b := odd.Append(nil)
	r.theirs.packets(slices.Clone(b), homeOf("p1"))
	r.ours.verified = "p1" // a stranger would be ignored
	r.ours.packets(b, homeOf("p1"))
	r.ours.verified = ""
	synctest.Wait()
	want[odd.Node] = denied
	if err := r.compareHere(want); err != nil {
		return err
	}
	gossip, _, err := r.drawOne()
	if _, drawn := r.drawer(); err != nil || drawn && !slices.ContainsFunc(gossip, is) {
		return fmt.Errorf("ours gossips %v, want %v: %w", gossip, says, err)
	}

	odd.Incarnation++ // ours refutes that
	denied.incarnation, says.incarnation = odd.Incarnation, odd.Incarnation
	want[odd.Node] = denied
	r.feedPacket(odd.Append(nil), homeOf("p1"))
	if err := r.compareHere(want, says); err != nil {
		return err
	}
	if theirs := r.table[odd.Node]; theirs.state != alive || theirs.addr != denied.addr {
		return fmt.Errorf("theirs has %v", theirs)
	}
	r.allow(ruleHere, "%v", denied)

	if known := want[o.assertions[0].node]; known.name != "" && known.name != self {
		elsewhere := *odd
		elsewhere.Node, elsewhere.Incarnation = known.name, known.incarnation+1
		r.feedPacket(elsewhere.Append(nil), homeOf("p1"))
		if err := r.compareHere(want); err != nil {
			return err
		}
	}
	return r.finishMeant(odd, want)
}

// finishMeant sends states that have another name at the node's own address. They are meant for the node if the peer
// joins or has the node among its states, and otherwise for another member.
func (r *run) finishMeant(odd *wire.Alive, want map[string]member) error {
	state := wire.PushNodeState{Name: odd.Node, Addr: odd.Addr, Port: odd.Port, Incarnation: odd.Incarnation, Vsn: odd.Vsn}
	own := want[self]
	node := wire.PushNodeState{Name: self, Addr: odd.Addr, Port: odd.Port, Meta: []byte(own.meta), Incarnation: own.incarnation,
		Vsn: own.versions[:]}
	for _, tc := range []struct {
		join, known, refused bool
	}{{refused: true}, {join: true}, {known: true}} {
		state.Incarnation++
		states := []wire.PushNodeState{state}
		if tc.known {
			states = append(states, node)
		}
		request := encodePushPull(states, tc.join)
		if _, _, err := r.theirs.exchange(homeOf("p1"), request); err != nil {
			return fmt.Errorf("push/pull with theirs: %w", err)
		}
		_, refusal, err := r.ours.exchange(homeOf("p1"), request)
		if err != nil || (refusal != "") != tc.refused {
			return fmt.Errorf("ours says %q to a push/pull, want a refusal: %v; %w", refusal, tc.refused, err)
		}
		synctest.Wait()
		if tc.refused {
			if err := r.compareHere(want); err != nil {
				return err
			}
			if theirs := r.table[odd.Node]; theirs.incarnation != state.Incarnation {
				return fmt.Errorf("theirs has %v after a push/pull", theirs)
			}
			r.allow(ruleMeant, "%s", refusal)
			continue
		}
		denied := want[odd.Node]
		denied.incarnation = state.Incarnation
		want[odd.Node] = denied
		if err := r.compareOurs(want); err != nil {
			return err
		}
	}
	return nil
}

// compareHere checks the table of ours after p1 announced a name at its own address: no delegate was called, and p1
// received exactly the answers.
func (r *run) compareHere(want map[string]member, answers ...gossip) error {
	ours, err := r.ours.take()
	if err != nil {
		return err
	}
	var answered []gossip
	for _, p := range ours.sent {
		for _, g := range p.messages {
			g.size = 0
			answered = append(answered, g)
		}
		if p.to != homeOf("p1").String() {
			return differ("the address of an answer", p, homeOf("p1"))
		}
	}
	if len(ours.events) > 0 || len(ours.sent) != len(answers) || !slices.Equal(answered, answers) {
		return differ("the effects", ours, answers)
	}
	theirs, err := r.theirs.take()
	if err != nil {
		return err
	}
	for _, e := range theirs.events {
		r.logf("    theirs: %v", e)
	}
	if r.table, err = r.theirs.observe(); err != nil {
		return err
	}
	return r.compareOurs(want)
}

// compareOurs compares the table of ours with the expected one.
func (r *run) compareOurs(want map[string]member) error {
	ours, err := r.ours.observe()
	if err == nil && !maps.Equal(ours, want) {
		err = differ("the table and the expected one", sorted(ours), sorted(want))
	}
	return err
}
