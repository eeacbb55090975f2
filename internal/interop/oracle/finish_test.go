package oracle

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/e3431adc/memberlist/internal/wire"
)

// finish plays the last operation of a history: one after which the nodes may know different things for good.
func (r *run) finish(o operation) error {
	c := o.claims[0]
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
		return r.finishHere()
	}
	before := r.table
	r.feedPacket(message.Append(nil), o.source())
	return r.compareIgnored(which, before)
}

// malformedAlive is an alive message that is wrong in one way.
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

// compareIgnored holds that ours ignored what theirs may have taken.
func (r *run) compareIgnored(which rule, before map[string]member) error {
	ours, errOurs := r.ours.take()
	theirs, errTheirs := r.theirs.take()
	if err := errors.Join(errOurs, errTheirs); err != nil {
		return err
	}
	if len(ours.events)+len(ours.sent) > 0 {
		return differ("what follows", ours, theirs)
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
		return differ("the table, and that of before,", sorted(oursTable), sorted(before))
	}
	if len(theirs.events) > 0 || !maps.Equal(theirsTable, before) {
		r.allow(which, "%v", theirs.events)
	}
	return nil
}

// finishVersionless has a member come without versions, or with such that nobody understands, and then a push/pull.
func (r *run) finishVersionless(o operation) error {
	before := r.table
	who := claim{node: "p6", delta: 1, meta: "first"}
	if o.claims[0].state == dead {
		who.vsn = []byte{1, 5, 6, 0, 0, 0}
	}
	r.feedPacket(operation{kind: opAlive, claims: []claim{who}}.message(before).Append(nil), homeOf("p6"))
	if err := r.compareIgnored(ruleVersions, before); err != nil {
		return err
	}
	theirsBefore, err := r.theirs.observe()
	if known := theirsBefore["p6"]; err != nil || known.name == "" || known.state != alive || r.usable(claim{vsn: known.versions[:]}) {
		return err
	}
	news := operation{kind: opPushPull, sender: "p1", claims: []claim{{node: "p5", delta: 1, meta: "news", vsn: goodVersions}}}
	request := encodePushPull(news.states(before), false)
	if _, _, err := r.theirs.exchange(news.source(), request); err != nil {
		return err
	}
	if theirs, err := r.theirs.observe(); err != nil || !maps.Equal(theirs, theirsBefore) {
		return differ("theirs, that has a member without versions, after a push/pull and before it", sorted(theirs), sorted(theirsBefore))
	}
	_, refusal, err := r.ours.exchange(news.source(), request)
	if err != nil || refusal != "" {
		return fmt.Errorf("ours refuses a push/pull: %v %s", err, refusal)
	}
	r.allow(ruleVersions, "p6 has %v", who.vsn)
	return nil
}

// finishHere has another name claim the node's own address, and again when it has refuted that it is dead.
func (r *run) finishHere() error {
	odd := &wire.Alive{Incarnation: 7, Node: "odd", Addr: homeOf(self).Addr().AsSlice(), Port: port, Vsn: goodVersions}
	want := maps.Clone(r.table)
	denied := member{odd.Node, homeOf(self).String(), "", [6]byte(goodVersions), odd.Incarnation, dead}
	want[odd.Node] = denied
	r.feedPacket(odd.Append(nil), homeOf("p1"))
	ours, err := r.ours.take()
	if err != nil || len(ours.events)+len(ours.sent) > 0 {
		return errors.Join(err, fmt.Errorf("ours told of %v when another name claimed its address", ours))
	}
	theirs, err := r.theirs.observe()
	if got := theirs[odd.Node]; err != nil || got.state != alive {
		return fmt.Errorf("theirs has %v: %w", got, err)
	}
	if err := r.compareOurs(want); err != nil {
		return err
	}
	odd.Incarnation++ // it refutes that
	r.feedPacket(odd.Append(nil), homeOf("p1"))
	back := denied
	back.state, back.incarnation = alive, odd.Incarnation
	want[odd.Node] = back
	if theirs, err = r.theirs.observe(); err != nil || theirs[odd.Node] != back {
		return fmt.Errorf("theirs has %v: %w", theirs[odd.Node], err)
	}
	if err := r.compareOurs(want); err != nil {
		return err
	}
	r.allow(ruleHere, "%v", denied)
	return nil
}

// compareOurs compares what ours knows with what it should.
func (r *run) compareOurs(want map[string]member) error {
	ours, err := r.ours.observe()
	if err == nil && !maps.Equal(ours, want) {
		err = differ("the table, and what it should be,", sorted(ours), sorted(want))
	}
	return err
}
