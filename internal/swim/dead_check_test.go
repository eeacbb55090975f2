package swim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// gossipsDead reports whether a dead message is queued.
func (n *node) gossipsDead() bool {
	return slices.ContainsFunc(n.queued(), func(m wire.Message) bool { return m.Type() == wire.TypeDead })
}

// TestDeadCheck: a dead message about a member that is not suspected is believed once the member does not answer.
func TestDeadCheck(t *testing.T) {
	says := func(n *node, incarnation uint32) *Output {
		n.Step(fromMember(2), &wire.Dead{Incarnation: incarnation, Node: "m1", From: "m2"})
		return n.take()
	}
	begin := func(t *testing.T) (*node, uint32) {
		n := newNode(t, detecting(nil)).withMembers(5).quick()
		out := says(n, 1)
		if len(out.Packets) != 1 || len(out.Events) != 0 {
			t.Fatalf("%+v, want a ping", out)
		}
		p := out.Packets[0]
		ping := parse(t, p.Messages[0]).(*wire.Ping)
		if p.To.Name != "m1" || describe(parse(t, p.Messages[1])) != "dead m1@1 by m2" {
			t.Errorf("sent %v to %s", parse(t, p.Messages[1]), p.To.Name)
		}
		n.want(1, StateAlive, 1)
		if again := says(n, 1); len(again.Packets) != 0 {
			t.Errorf("a repeat is checked again: %+v", again.Packets)
		}
		if !n.gossipsDead() {
			t.Error("not passed on for others to check")
		}
		return n, ping.SeqNo
	}

	t.Run("silent", func(t *testing.T) {
		n, _ := begin(t)
		out := n.tickTo(50*time.Millisecond - 1)
		if len(out.Packets) != 1 {
			t.Errorf("%d packets, want a second ping", len(out.Packets))
		}
		n.want(1, StateAlive, 1)
		if out := n.tickTo(50 * time.Millisecond); len(out.Events) != 1 || out.Events[0].Kind != EventLeave || out.Events[0].From != "m2" {
			t.Errorf("events %+v", out.Events)
		}
		n.want(1, StateDead, 1)
	})
	t.Run("silent, and declared dead at a higher incarnation meanwhile", func(t *testing.T) {
		n, _ := begin(t)
		says(n, 3)
		n.tickTo(time.Second)
		n.want(1, StateDead, 3)
	})
	t.Run("acks", func(t *testing.T) {
		n, seq := begin(t)
		n.Step(fromMember(1), ackOf(seq))
		if n.gossipsDead() {
			t.Error("still passed on")
		}
		n.tickTo(time.Second)
		n.want(1, StateAlive, 1)
	})
	t.Run("refutes, then acks", func(t *testing.T) {
		n, seq := begin(t)
		n.alive(aliveOf(1, 2))
		n.Step(fromMember(1), ackOf(seq))
		if len(n.queued()) != 1 || n.gossipsDead() {
			t.Errorf("queued %v, want the refutation", n.queued())
		}
	})
	t.Run("another acks", func(t *testing.T) {
		n, seq := begin(t)
		n.Step(fromMember(2), ackOf(seq))
		n.tickTo(time.Second)
		n.want(1, StateDead, 1)
	})
	t.Run("refutes", func(t *testing.T) {
		n, _ := begin(t)
		n.alive(aliveOf(1, 2))
		n.tickTo(time.Second)
		n.want(1, StateAlive, 2)
	})
	t.Run("suspect", func(t *testing.T) {
		n := newNode(t, detecting(nil)).withMembers(5)
		n.suspect(1, 1, "m2")
		says(n, 1)
		n.want(1, StateDead, 1)
	})
	t.Run("leaves", func(t *testing.T) {
		n := newNode(t, detecting(nil)).withMembers(5)
		n.Step(fromMember(1), &wire.Dead{Incarnation: 1, Node: "m1", From: "m1"})
		n.want(1, StateLeft, 1)
	})
	t.Run("many", func(t *testing.T) {
		n := newNode(t, detecting(nil)).withMembers(maxDeadChecks + 40)
		for i := 1; i <= maxDeadChecks+40; i++ {
			n.Step(fromMember(i%3+1), &wire.Dead{Incarnation: 1, Node: memberName(i), From: "m9"})
		}
		if len(n.deadChecks) != maxDeadChecks {
			t.Errorf("%d checks at once", len(n.deadChecks))
		}
		n.tickTo(time.Second)
		if len(n.deadChecks) != 0 || n.AnyAlive() {
			t.Errorf("%d checks, any alive: %v, a second later", len(n.deadChecks), n.AnyAlive())
		}
	})
}

// TestVerdictOfExchange: a death that an exchange of differences has of a member that is alive here, or suspected because of a push/pull
// alone, is checked, and not gossiped meanwhile.
func TestVerdictOfExchange(t *testing.T) {
	begin := func(t *testing.T, suspected bool) (n *node, seq uint32) {
		n = newNode(t, detecting(nil)).withMembers(5).quick()
		dead := wire.PushNodeState{Name: "m1", Addr: memberAddr(1).Addr().AsSlice(), Port: 7946, Incarnation: 1, State: int(StateDead),
			Vsn: testVersions[:]}
		if suspected {
			n.Merge([]wire.PushNodeState{dead})
			n.want(1, StateSuspect, 1)
			n.take()
		}
		before := n.gossipsDead()
		peer, states := Peer{}.OfDifferences(), wire.StatesOf(dead)
		n.Turn.Merge(&peer, &states)
		out := n.take()
		if len(out.Packets) != 1 || len(out.Packets[0].Messages) != 2 || out.Packets[0].To.Name != "m1" {
			t.Fatalf("%+v, want a ping and the dead message", out)
		}
		if n.gossipsDead() != before {
			t.Error("gossiped")
		}
		return n, parse(t, out.Packets[0].Messages[0]).(*wire.Ping).SeqNo
	}
	for _, suspected := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent, suspected before: %v", suspected), func(t *testing.T) {
			n, _ := begin(t, suspected)
			n.tickTo(leastTimeout)
			n.want(1, StateDead, 1)
		})
		t.Run(fmt.Sprintf("acks, suspected before: %v", suspected), func(t *testing.T) {
			n, seq := begin(t, suspected)
			n.Step(fromMember(1), ackOf(seq))
			n.tickTo(leastTimeout)
			if m, _ := n.Member("m1"); m.State.IsDown() {
				t.Error("dead, though it answers")
			}
		})
	}
}
