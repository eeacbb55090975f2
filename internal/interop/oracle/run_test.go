package oracle

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	our "github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/wire"
)

// run is a history while it is played.
type run struct {
	history
	ours, theirs *node
	table        map[string]member // of both nodes; of theirs for members in uneven
	oursTable    map[string]member
	fired        map[rule]int
	log          []string
	seq          uint32
	rested       time.Time            // when the last long rest ended
	uneven       map[string]bool      // members about which the nodes differ, until they are mended
	evidence     map[string]bool      // members that were reported at a higher incarnation after they went
	unattributed map[string]bool      // members that are suspect by a push/pull alone
	gone         map[string]member    // members that ours has removed, as it remembers them
	went         map[string]time.Time // when members became dead or left in ours
	asked        map[string]time.Time // when ours checked a name
	probed       bool                 // health scores may differ: the order of probes is random
	replaced     *strings.Replacer    // turns the states that theirs sends into those of ours, where they differ
	left         bool
	over         bool

	// tamper, if set, changes the input of our node, to test the comparison.
	tamper func(b []byte) []byte
}

// play plays a history in a bubble, and returns the first difference.
func (r *run) play() (err error) {
	r.fired = make(map[rule]int)
	r.uneven = make(map[string]bool)
	r.evidence = make(map[string]bool)
	r.unattributed = make(map[string]bool)
	r.gone = make(map[string]member)
	r.went = make(map[string]time.Time)
	r.asked = make(map[string]time.Time)
	r.rested = time.Now()
	if r.ours, err = startOurs(r.profile); err != nil {
		return err
	}
	if r.theirs, err = startTheirs(r.profile); err != nil {
		return errors.Join(err, r.ours.Shutdown())
	}
	defer func() {
		err = errors.Join(err, r.ours.Shutdown(), r.theirs.Shutdown())
		time.Sleep(2 * never) // the reference's goroutines wait for their timers
	}()
	synctest.Wait()
	if err := r.compare(operation{}); err != nil {
		return err
	}
	for i, o := range r.operations {
		if err := r.step(o); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		if r.over {
			break
		}
	}
	return nil
}

func (r *run) logf(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf("%12v  ", time.Since(r.ours.started))+fmt.Sprintf(format, args...))
}

func (r *run) allow(which rule, format string, args ...any) {
	r.fired[which]++
	r.logf("    allowed: %s: %s", which, fmt.Sprintf(format, args...))
}

// step plays one operation and compares.
func (r *run) step(o operation) error {
	if o.kind == opRest || o.kind == opLongRest {
		return r.rest(o)
	}
	time.Sleep(tick)
	r.expireReaped()
	r.logf("%s", o.describe(r.table))
	if o.kind >= opHighest {
		r.over = true
		return r.finish(o)
	}
	r.ours.set(func() { r.ours.acks = r.absent(o) })
	if o.kind == opJoin && r.left {
		r.over = true
		return r.rejoin(o)
	}
	err := r.feed(o)
	r.ours.set(func() { r.ours.acks = nil })
	if err != nil {
		return err
	}
	due := o
	if o.kind == opJoin || o.kind == opUpdate || o.kind == opLeave {
		due = operation{} // call has compared the immediate effects
	}
	if err := r.compare(due); err != nil {
		return err
	}
	if err := r.spread(o.acks); err != nil || o.unmended {
		return err
	}
	return r.mend()
}

// feed applies an operation to both nodes.
func (r *run) feed(o operation) error {
	switch o.kind {
	case opPushPull:
		return r.feedExchange(o)
	case opJoin:
		return r.call(o, func(n *node) (int, error) { return r.join(n, o) })
	case opUpdate:
		return r.call(o, func(n *node) (int, error) {
			n.set(func() { n.meta = o.text })
			return 0, n.UpdateNode(r.patience())
		})
	case opLeave:
		r.left = true
		return r.call(o, func(n *node) (int, error) {
			n.set(func() { n.answer = nil }) // ours exchanges states when it leaves, and must receive none
			return 0, n.Leave(r.patience())
		})
	default:
		r.feedPacket(o.message(r.table).Append(nil), o.source())
		return nil
	}
}

// feedPacket sends a packet to both nodes.
func (r *run) feedPacket(b []byte, from netip.AddrPort) {
	r.theirs.packets(slices.Clone(b), from)
	if b = r.tampered(b); b != nil {
		r.ours.packets(b, from)
	}
	synctest.Wait()
}

func (r *run) tampered(b []byte) []byte {
	if r.tamper == nil {
		return b
	}
	return r.tamper(b)
}

func (r *run) feedExchange(o operation) error {
	request := encodePushPull(o.states(r.table), o.join)
	theirs, refusal, err := r.theirs.exchange(o.source(), request)
	if err != nil {
		return fmt.Errorf("push/pull with theirs: %w", err)
	}
	if refusal != "" {
		return fmt.Errorf("theirs refuses a push/pull: %s", refusal)
	}
	synctest.Wait()
	if compatible := r.compatible(o); r.refusedByVersion(o) {
		if _, _, err := r.theirs.exchange(o.source(), encodePushPull(compatible.states(r.table), o.join)); err != nil {
			return fmt.Errorf("push/pull with theirs: %w", err)
		}
		synctest.Wait()
		r.tookCompatible(o, compatible)
	}
	if request = r.tampered(request); request == nil {
		return nil
	}
	ours, refusal, err := r.ours.exchange(o.source(), request)
	if err != nil {
		return fmt.Errorf("push/pull with ours: %w", err)
	}
	synctest.Wait()
	if refusal != "" {
		r.allow(ruleRefusal, "%s", refusal)
	} else if !maps.Equal(ours, theirs) {
		return differ("answer to a push/pull", sorted(ours), sorted(theirs))
	}
	return nil
}

// join makes a node join a peer. If theirs refuses the answer because of a member's versions and ours does not,
// theirs receives the compatible form of the answer.
func (r *run) join(n *node, o operation) (int, error) {
	to := []string{homeOf(o.sender).String()}
	n.set(func() { n.answer = encodePushPull(o.states(r.table), true) })
	joined, err := n.Join(to)
	if n != r.theirs || err == nil || !r.refusedByVersion(o) {
		return joined, err
	}
	compatible := r.compatible(o)
	n.set(func() { n.pushed, n.answer = nil, encodePushPull(compatible.states(r.table), true) })
	joined, err = n.Join(to)
	r.tookCompatible(o, compatible)
	return joined, err
}

// rejoin plays the last operation of a history in which the node left: a join, with an answer that neither node
// refuses.
func (r *run) rejoin(o operation) error {
	if r.askedLately(self) {
		return nil // it does not join any more
	}
	o = r.compatible(o)
	o.assertions = slices.DeleteFunc(o.assertions, func(c assertion) bool { return c.node == self || c.node == r.vetoMerge })
	before := r.table[self]
	want := before
	want.state, want.incarnation = alive, before.incarnation+1
	r.uneven[self] = true
	r.replaced = strings.NewReplacer(before.String(), want.String())
	if err := r.call(o, func(n *node) (int, error) { return r.join(n, o) }); err != nil {
		return err
	}
	if ours, theirs := r.oursTable[self], r.table[self]; ours != want || theirs != before {
		return differ("the state of the node that rejoined", ours, theirs)
	}
	r.allow(ruleRejoin, "%v", want)
	return nil
}

// patience returns the time for which methods wait for their broadcasts.
func (r *run) patience() time.Duration {
	if r.gossips {
		return r.gossipWindow()
	}
	return tick
}

// outcome is the result of a method.
type outcome struct {
	n    int
	err  error
	done bool
}

// call calls a method of both nodes, and compares its effects, immediate and later. If the method waits for a
// broadcast, all acks are drawn to send that, unless it takes too long.
func (r *run) call(o operation, method func(*node) (int, error)) error {
	results := make(map[*node]*outcome)
	for _, n := range []*node{r.theirs, r.ours} {
		result := &outcome{}
		results[n] = result
		go func() {
			n, err := method(n)
			*result = outcome{n, err, true}
		}()
	}
	synctest.Wait()
	if err := r.compare(o); err != nil {
		return err
	}
	if o.kind != opJoin {
		if err := r.outwait(); err != nil {
			return err
		}
	}
	ours, theirs := results[r.ours], results[r.theirs]
	switch {
	case !ours.done || !theirs.done:
		return differ("whether a method returned", ours.done, theirs.done)
	case r.left && o.kind == opUpdate && ours.err == nil && theirs.err != nil:
		r.allow(ruleLeaving, "%v", theirs.err)
	case o.kind == opJoin && errors.Is(ours.err, our.ErrNameTaken) && theirs.err == nil && r.askedLately(self):
		r.allow(ruleTaken, "%v", ours.err)
	case ours.n != theirs.n || (ours.err == nil) != (theirs.err == nil):
		return differ("the result of a method", fmt.Sprint(ours.n, ours.err), fmt.Sprint(theirs.n, theirs.err))
	}
	return nil
}

// outwait draws all queued gossip, so that methods that wait for it return.
func (r *run) outwait() error {
	if r.gossips {
		return r.pass(2 * r.patience())
	}
	if err := r.spread(-1); err != nil {
		return err
	}
	time.Sleep(2 * r.patience())
	synctest.Wait()
	return nil
}

// rest lets time pass: suspicions end, and dead members are removed.
func (r *run) rest(o operation) error {
	d := o.rest
	if o.kind == opLongRest {
		d = r.longRest()
	}
	if !r.gossips {
		if err := r.spread(-1); err != nil {
			return err
		}
	}
	return r.pass(d)
}

// pass lets time pass. If it would be too long since the last long rest, it rests long instead.
func (r *run) pass(d time.Duration) error {
	if d != r.longRest() && time.Since(r.rested)+d > r.restless() {
		d = r.longRest()
	}
	if d == r.longRest() {
		r.over = r.over || r.left // the reference has removed itself then
		defer func() { r.rested = time.Now() }()
	}
	r.logf("  rest for %v", d)
	return r.sleep(d)
}

// sleep lets time pass, and compares the effects. If the nodes gossip by timer, it continues until their queues are
// empty.
func (r *run) sleep(d time.Duration) error {
	before := r.table
	var ours, theirs effects
	for {
		time.Sleep(d)
		synctest.Wait()
		if err := errors.Join(ours.more(r.ours), theirs.more(r.theirs)); err != nil {
			return err
		}
		if d = r.gossipWindow(); !r.gossips || !r.ours.busy(ours, d) && !r.theirs.busy(theirs, d) {
			break
		}
	}
	ours.sort()
	theirs.sort()
	if err := r.compareEffects(ours, theirs); err != nil {
		return err
	}
	sent := append(slices.Clone(ours.sent), theirs.sent...)
	r.probed = r.probed || slices.ContainsFunc(sent, func(p packet) bool { return p.ping != "" })
	suspected := maps.Clone(r.unattributed)
	if err := r.observe(operation{}); err != nil {
		return err
	}
	for _, p := range sent {
		if !mayBeTold(p, before) && !mayBeTold(p, r.table) && !mayBeTold(p, r.oursTable) {
			return fmt.Errorf("a packet went to %s, which must receive nothing: %v", p.to, p.messages)
		}
	}
	toldOurs, toldTheirs := ours.told(), theirs.told()
	for !r.gossips { // the effects are in the queues, or were in probes
		a, b, err := r.drawOne()
		if err != nil {
			return err
		}
		if len(a)+len(b) == 0 {
			break
		}
		toldOurs, toldTheirs = append(toldOurs, a...), append(toldTheirs, b...)
	}
	stillSuspected := r.unattributed
	r.unattributed = suspected // as they were when the gossip was sent
	err := r.compareGossip(distinct(toldOurs), distinct(toldTheirs))
	r.unattributed = stillSuspected
	return err
}

// distinct returns the messages without duplicates.
func distinct(messages []gossip) []gossip {
	set := make(map[gossip]bool)
	for _, g := range messages {
		set[g] = true
	}
	return slices.Collect(maps.Keys(set))
}

// more adds the effects since the last call.
func (e *effects) more(n *node) error {
	more, err := n.take()
	e.sent = append(e.sent, more.sent...)
	e.events = append(e.events, more.events...)
	e.asks = append(e.asks, more.asks...)
	e.pushed = append(e.pushed, more.pushed...)
	return err
}

// busy reports whether a node may have gossip about recent effects.
func (n *node) busy(e effects, lately time.Duration) bool {
	return len(e.events) > 0 && e.events[len(e.events)-1].at > time.Since(n.started)-lately
}

// sort gives an order to events that happened at the same time.
func (e *effects) sort() {
	slices.SortStableFunc(e.events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.String(), b.String()))
	})
}

// told returns the messages in the packets that a node sent by timer. A probe of a suspect member tells it about the
// suspicion, which is not gossip.
func (e *effects) told() []gossip {
	var told []gossip
	for _, p := range e.sent {
		for _, g := range p.messages {
			if p.ping != g.node || g.kind != wire.TypeSuspect || g.detail != "from "+self {
				told = append(told, g)
			}
		}
	}
	return told
}

// mayBeTold reports whether the receiver of a packet is one that is probed or gossiped to.
func mayBeTold(p packet, table map[string]member) bool {
	for _, m := range table {
		if m.addr == p.to && m.name != self && m.state != left {
			return p.ping == "" || p.ping == m.name && m.state != dead
		}
	}
	return false
}

// spread lets the nodes gossip: by the given number of acks each, -1 for as many as carry gossip; or by timer.
func (r *run) spread(acks int) error {
	if r.gossips {
		return r.pass(r.gossipWindow())
	}
	for i := 0; i != acks; i++ {
		if i == maxAcks {
			return fmt.Errorf("gossip about the same members after %d acks", i)
		}
		ours, theirs, err := r.drawOne()
		if err != nil {
			return err
		}
		if err := r.compareGossip(slices.Clone(ours), slices.Clone(theirs)); err != nil {
			return fmt.Errorf("ack %d: %w", i, err)
		}
		if acks < 0 && len(ours)+len(theirs) == 0 {
			break
		}
	}
	return nil
}

// maxAcks is the number of acks after which the queues must be empty.
const maxAcks = 100

// drawer returns a member that both nodes know as present, at the same address: the acks of its pings carry gossip.
func (r *run) drawer() (member, bool) {
	for _, name := range slices.Sorted(maps.Keys(r.table)) {
		ours, theirs := r.oursTable[name], r.table[name]
		if name != self && ours.name != "" && ours.addr == theirs.addr && !ours.gone() && !theirs.gone() {
			return theirs, true
		}
	}
	return member{}, false
}

// drawOne pings both nodes as a member that both know, and returns what their acks carry. Without such a member nothing is
// drawn: the acks of this library carry gossip to members only.
func (r *run) drawOne() (ours, theirs []gossip, err error) {
	m, ok := r.drawer()
	if !ok {
		return nil, nil, nil
	}
	r.seq++
	from := netip.MustParseAddrPort(m.addr)
	ping := (&wire.Ping{SeqNo: r.seq, Node: self, SourceAddr: from.Addr().AsSlice(), SourcePort: from.Port(),
		SourceNode: m.name}).Append(nil)
	var acks [2]packet
	for i, n := range []*node{r.ours, r.theirs} {
		n.packets(ping, from)
		synctest.Wait()
		e, err := n.take()
		if err != nil {
			return nil, nil, err
		}
		if len(e.sent) != 1 || e.sent[0].ack != r.seq || e.sent[0].to != from.String() || len(e.events)+len(e.asks) > 0 {
			return nil, nil, fmt.Errorf("a ping was answered with %v", e)
		}
		acks[i] = e.sent[0]
	}
	if acks[0].crc != acks[1].crc {
		if acks[1].crc || m.versions[1] < 5 {
			return nil, nil, differ("checksum of an ack", acks[0].crc, acks[1].crc)
		}
		r.fired[ruleChecksum]++
	}
	return acks[0].messages, acks[1].messages, nil
}

// mend announces the members about which the nodes differ as alive.
func (r *run) mend() error {
	if len(r.uneven) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(r.uneven)) {
		ours, theirs := r.oursTable[name], r.table[name]
		if theirs.name == "" || ours.name != "" && ours.addr != theirs.addr && !ours.gone() {
			return differ("the state of "+name, ours, theirs)
		}
		at, newest := netip.MustParseAddrPort(theirs.addr), max(ours.incarnation, theirs.incarnation, r.gone[name].incarnation)
		says := []wire.Message{&wire.Alive{Incarnation: newest + 1, Node: name,
			Addr: at.Addr().AsSlice(), Port: at.Port(), Meta: []byte(theirs.meta), Vsn: goodVersions}}
		if ours.gone() && ours.addr != theirs.addr { // for both it leaves, and returns at the address that theirs has
			says = append([]wire.Message{&wire.Dead{Incarnation: newest, Node: name, From: name}}, says...)
		}
		for _, message := range says {
			r.logf("    mend: %v of %s@%d", message.Type(), name, newest)
			time.Sleep(tick)
			for _, n := range []*node{r.ours, r.theirs} {
				from := at
				if n == r.ours && message.Type() == wire.TypeDead {
					from = netip.MustParseAddrPort(ours.addr) // from elsewhere it would be questioned
				}
				n.packets(message.Append(nil), from)
			}
			synctest.Wait()
		}
	}
	if err := r.compare(operation{}); err != nil {
		return err
	}
	if err := r.spread(-1); err != nil {
		return err
	}
	clear(r.uneven)
	return r.observe(operation{})
}
