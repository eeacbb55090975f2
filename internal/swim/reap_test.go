package swim

import (
	"testing"
	"time"
)

func TestForgetting(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.dead(1, 1, "m2")
	n.dead(2, 1, "m2")
	n.after(30 * time.Second)
	n.reaper.tick(n.Turn)
	if n.NumKnown() != 4 {
		t.Fatalf("%d known after exactly GossipToTheDeadTime, want 4", n.NumKnown())
	}
	n.after(1)
	n.reaper.tick(n.Turn)
	out := n.take()
	if n.NumKnown() != 2 || len(out.Forgotten) != 2 {
		t.Fatalf("%d known, %d forgotten; want 2 and 2", n.NumKnown(), len(out.Forgotten))
	}
	if _, ok := n.Member("m1"); ok {
		t.Error("a forgotten member is still found")
	}
	// An alive from before its death does not bring it back, but is answered with the death, at its address. A newer
	// one does.
	n.Step(Endpoint{AddrPort: memberAddr(1)}, aliveOf(1, 1))
	if out := n.take(); len(out.Events) != 0 || len(out.Packets) != 1 || out.Packets[0].To.AddrPort != memberAddr(1) ||
		describe(parse(t, out.Packets[0].Messages[0])) != "dead m1@1 by self" {
		t.Errorf("events %v, packets %+v", out.Events, out.Packets)
	}
	n.want(1, StateDead, 1) // so that it is gossiped
	n.alive(aliveOf(1, 2))
	n.want(1, StateAlive, 2)
	ids := map[ID]bool{}
	for _, m := range n.Members(nil) {
		if ids[m.ID] {
			t.Errorf("ID %d is used twice", m.ID)
		}
		ids[m.ID] = true
	}
}

func TestSelfIsNeverForgotten(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.Leave(0)
	n.after(time.Hour).reaper.tick(n.Turn)
	if n.Self().Name != "self" || n.NumKnown() != 2 {
		t.Errorf("%d known, self %q", n.NumKnown(), n.Self().Name)
	}
}

// TestForgottenIsNotTold: a node that is alone does not keep news about members that it has removed.
func TestForgottenIsNotTold(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.queued()
	n.dead(1, 1, "m1")
	n.Start()
	if n.NumQueued() != 1 {
		t.Fatalf("%d broadcasts are queued, want 1", n.NumQueued())
	}
	n.run(2*time.Minute, func(*Output) {})
	if _, known := n.Member("m1"); known || n.NumQueued() != 0 {
		t.Errorf("known: %v, %d broadcasts are queued", known, n.NumQueued())
	}
}
