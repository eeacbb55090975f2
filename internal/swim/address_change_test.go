package swim

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

var newAddr = netip.MustParseAddrPort("10.9.9.9:7000")

// texts returns messages as text, sorted.
func texts(messages []wire.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, describe(m))
	}
	slices.Sort(all)
	return all
}

// TestMove: the node announces that it left, then that it is alive at another address; suspect and dead messages
// about the old one are not refuted.
func TestMove(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.queued()
	if !n.BeginAddressChange(7) {
		t.Fatal("there is no other member")
	}
	if got, want := texts(n.queued()), []string{"dead self@1 by self"}; !slices.Equal(got, want) {
		t.Errorf("gossips %q, want %q", got, want)
	}
	if out := n.take(); len(out.Events) > 0 || len(out.Finished) > 0 || n.Self().State != StateAlive {
		t.Errorf("finished %v, events %v, state %v", out.Finished, out.Events, n.Self().State)
	}
	echo := aliveOf(0, 1)
	echo.Node = "self"
	n.Step(Endpoint{AddrPort: memberAddr(1)}, &wire.Dead{Incarnation: 1, Node: "self", From: "self"})
	n.Step(Endpoint{AddrPort: memberAddr(1)}, &wire.Suspect{Incarnation: 4, Node: "self", From: "m1"})
	n.Merge([]wire.PushNodeState{{Name: "self", Addr: []byte{10, 0, 0, 0}, Port: 7946, Incarnation: 1,
		State: int(StateLeft), Vsn: testVersions[:]}})
	n.Step(Endpoint{AddrPort: memberAddr(1)}, echo)
	n.Announce(memberAddr(0), []byte("new"), testVersions, 8)
	if got := n.queued(); len(got) > 0 {
		t.Errorf("gossips %q in the middle of a move", texts(got))
	}
	if out := n.take(); !slices.Equal(out.Finished, []uint64{8}) || len(out.Events) != 1 || out.Events[0].Kind != EventUpdate {
		t.Errorf("finished %v, events %v; want the notice and an update", out.Finished, out.Events)
	}

	n.FinishAddressChange(newAddr, 9)
	got := n.queued()
	if want := []string{"alive self@5 new", "dead self@1 by self"}; !slices.Equal(texts(got), want) {
		t.Errorf("gossips %q, want %q", texts(got), want)
	}
	for _, m := range got {
		if a, ok := m.(*wire.Alive); ok && (!bytes.Equal(a.Addr, newAddr.Addr().AsSlice()) || a.Port != 7000 || string(a.Meta) != "new") {
			t.Errorf("announces %+v", a)
		}
	}
	if self := n.Self(); self.Addr != newAddr || self.Incarnation != 5 {
		t.Errorf("is %+v", self)
	}
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: 5, Node: "self", From: "m1"})
	if n.Self().Incarnation != 6 {
		t.Error("refutes nothing after the move")
	}
}

// TestDepartureIsFinished: the departure is finished when it has been sent.
func TestDepartureIsFinished(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.Start()
	n.BeginAddressChange(7)
	var finished []uint64
	n.run(5*time.Second, func(out *Output) { finished = append(finished, out.Finished...) })
	if !slices.Equal(finished, []uint64{7}) {
		t.Errorf("finished %v", finished)
	}
}

// TestMoveAlone: an address change without another member to tell, and one while leaving.
func TestMoveAlone(t *testing.T) {
	n := newNode(t, nil)
	n.queued()
	if n.BeginAddressChange(7) {
		t.Error("it was sent")
	}
	n.FinishAddressChange(newAddr, 0)
	if got, want := texts(n.queued()), []string{"alive self@2 "}; !slices.Equal(got, want) || n.Self().Addr != newAddr {
		t.Errorf("gossips %q, want %q", got, want)
	}
	_, s := snapshotOf(n, func() {})
	if s.Len() != 1 {
		t.Errorf("a snapshot has %d states, want only our own", s.Len())
	}

	n = newNode(t, nil).withMembers(1)
	n.BeginAddressChange(7)
	n.Leave(8)
	n.take()
	n.FinishAddressChange(newAddr, 9)
	if out := n.take(); !slices.Equal(out.Finished, []uint64{9}) || n.Self().Addr == newAddr || n.Self().State != StateLeft {
		t.Errorf("arrives though it leaves: finished %v, is %+v", out.Finished, n.Self())
	}
	n = newNode(t, nil).withMembers(1)
	n.Leave(7)
	if n.BeginAddressChange(8) {
		t.Error("moves after it left")
	}

	unannounced := &node{Turn: New(testConfig()).Begin(testStart, new(Output)), t: t, out: new(Output)}
	unannounced.Introduce(memberAddr(0), nil, testVersions)
	unannounced.BeginAddressChange(1)
	unannounced.FinishAddressChange(newAddr, 2)
	if got := unannounced.queued(); len(got) > 0 || unannounced.Self().Addr != newAddr || unannounced.Self().State != StateLeft {
		t.Errorf("one that was refused gossips %q and is %+v", texts(got), unannounced.Self())
	}
}

// TestWhoMissedTheDeparture: a node that missed the departure refuses the new address, until it exchanges states with
// the member, or receives both parts.
func TestWhoMissedTheDeparture(t *testing.T) {
	mover := newNode(t, func(c *Config) { c.Name = "m1" }).withMembers(0)
	mover.alive(aliveOf(2, 1))
	straggler := func() *node { return newNode(t, nil).withMembers(1) }
	mover.Announce(memberAddr(1), nil, testVersions, 0)
	mover.queued()
	mover.BeginAddressChange(0)
	mover.queued()
	mover.FinishAddressChange(newAddr, 0)
	gossip := mover.queued()
	alive := gossip[slices.IndexFunc(gossip, func(m wire.Message) bool { _, ok := m.(*wire.Alive); return ok })].(*wire.Alive)

	check := func(n *node, out *Output, kinds ...EventKind) {
		t.Helper()
		var got []EventKind
		for _, e := range out.Events {
			got = append(got, e.Kind)
		}
		if !slices.Equal(got, kinds) {
			t.Errorf("events %v, want %v", got, kinds)
		}
	}
	s := straggler()
	s.withMembers(1)
	check(s, s.alive(alive))
	if m, _ := s.Member("m1"); m.Addr != memberAddr(1) {
		t.Errorf("took %v at once", m.Addr)
	}

	var snapshot Snapshot
	for mover.Core.Snapshot(&snapshot) {
	}
	states := readStates(t, &snapshot)
	again := states
	s.Turn.Merge(new(Peer), &states)
	check(s, s.take(), EventLeave, EventJoin, EventMoved, EventJoin) // m2 is new to it
	if m, _ := s.Member("m1"); m.Addr != newAddr || m.State != StateAlive {
		t.Errorf("after an exchange: %+v", m)
	}
	s.Turn.Merge(new(Peer), &again)
	check(s, s.take())

	s = straggler()
	s.dead(1, mover.local.addressChange.incarnation, "m1")
	check(s, s.alive(alive), EventJoin, EventMoved)
	check(s, s.dead(1, mover.local.addressChange.incarnation, "m1"))
}

// TestReminder: a node that still has us at the old address makes us announce the move again, but not too often, and
// does not count as another process of our name.
func TestReminder(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.BeginAddressChange(0)
	n.FinishAddressChange(newAddr, 0)
	n.queued()
	old := aliveOf(0, 1)
	old.Node = "self"
	want := []string{"alive self@2 ", "dead self@1 by self"}
	if n.alive(old); len(n.queued()) > 0 {
		t.Error("gossips again at once")
	}
	n.after(remindEvery)
	if out := n.alive(old); len(out.Events) > 0 {
		t.Errorf("events %v", out.Events)
	}
	if got := texts(n.queued()); !slices.Equal(got, want) {
		t.Errorf("gossips %q, want %q", got, want)
	}
	n.after(remindEvery - time.Second)
	if n.alive(old); len(n.queued()) > 0 {
		t.Error("gossips again too soon")
	}
	impostor := aliveOf(9, 1)
	impostor.Node = "self"
	if n.alive(impostor); !n.NameContested() {
		t.Error("another process of our name was taken for our former self")
	}
}
