package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLeaveGoesFirst: a leave is sent before all other messages, to several members at once, and to one in a
// push/pull.
func TestLeaveGoesFirst(t *testing.T) {
	n := newNode(t, nil).withMembers(40) // news about all of them is queued
	n.dead(1, 1, "m2")
	n.suspect(2, 1, "m3")
	if !n.Leave(7) {
		t.Error("it was sent to no member")
	}
	out := n.take()
	const leave = "dead self@1 by self"
	told := make(map[string]bool)
	for _, p := range out.Packets {
		if len(p.Messages) != 1 || describe(parse(t, p.Messages[0])) != leave || p.To.Name == "m1" {
			t.Errorf("%s is sent %q", p.To.Name, p.Messages)
		}
		told[p.To.Name] = true
	}
	if len(told) != leaveFanout {
		t.Errorf("%d members are told at once, want %d", len(told), leaveFanout)
	}
	if len(out.Streams) != 1 || out.Streams[0].Kind != StreamLeave || !told[out.Streams[0].To.Name] {
		t.Errorf("streams %v, want an exchange with one of them", out.Streams)
	}
	if len(out.Finished) != 0 {
		t.Error("the notice is finished before it is gossiped")
	}
	n.Start()
	var finished []uint64
	rounds := 0
	n.run(10*time.Second, func(o *Output) {
		for _, p := range o.Packets {
			carries := slices.ContainsFunc(p.Messages, func(b []byte) bool { return describe(parse(t, b)) == leave })
			if o.Counts.GossipRounds > 0 && len(finished)+len(o.Finished) == 0 && !carries {
				t.Errorf("gossip to %s goes without it", p.To.Name)
			}
		}
		if o.Counts.GossipRounds > 0 && len(finished) == 0 {
			rounds++
		}
		finished = append(finished, o.Finished...)
	})
	if !slices.Equal(finished, []uint64{7}) || rounds > 3 {
		t.Errorf("finished %v after %d rounds", finished, rounds)
	}
}

// TestLeaveHasRoom: the packets of a leave have room for user broadcasts, if the driver has any.
func TestLeaveHasRoom(t *testing.T) {
	for _, has := range []bool{false, true} {
		n := newNode(t, func(c *Config) { c.HasUserBroadcasts = has }).withMembers(3)
		n.Leave(0)
		packets := n.take().Packets
		for i := range packets {
			p := &packets[i]
			if len(p.Messages) != 1 || (p.Room > 0) != has || has && packetSize(p, p.Room) != 1400 {
				t.Errorf("with user broadcasts %v: %d messages and room for %d bytes", has, len(p.Messages), p.Room)
			}
		}
		if len(packets) != 3 {
			t.Errorf("%d packets, want 3", len(packets))
		}
	}
}

// TestLeaveAlone: a leave without another member.
func TestLeaveAlone(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.dead(1, 1, "m2")
	heard := n.Leave(7)
	if out := n.take(); heard || len(out.Packets) != 0 || len(out.Streams) != 0 {
		t.Errorf("heard is %v; packets %v, streams %v", heard, out.Packets, out.Streams)
	}
}

// TestNoticesEndWithTheLast: a wait for a broadcast ends when the other members are gone, whichever member it is
// about.
func TestNoticesEndWithTheLast(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.dead(1, 1, "m2")
	n.ForceLeave("m1", 5)
	n.Announce(memberAddr(0), []byte("new"), testVersions, 6)
	n.take()
	n.dead(2, 1, "m3")
	if out := n.take(); len(out.Finished) != 0 {
		t.Errorf("finished are %v", out.Finished)
	}
	if out := n.dead(3, 1, "m2"); !slices.Equal(out.Finished, []uint64{5, 6}) {
		t.Errorf("finished are %v, want both", out.Finished)
	}
	n.queued()
	if out := n.take(); len(out.Finished) != 0 {
		t.Errorf("finished again are %v", out.Finished)
	}
}

// TestForget: nothing of a removed member remains anywhere, and the probe order continues.
func TestForget(t *testing.T) {
	n := reconnecting(t, nil).withMembers(9)
	n.Start()
	n.run(3500*time.Millisecond, func(*Output) {})
	n.dead(1, 1, "m2")
	n.dead(3, 1, "m3")
	for name, want := range map[string]Removal{"self": NotSelf, "m2": NotGone, "nobody": NotKnown, "m1": Removed, "m3": Removed} {
		if got := n.Forget(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	out := n.take()
	if len(out.Forgotten) != 2 || n.NumKnown() != 8 || n.NumLost() != 0 {
		t.Errorf("%v removed, %d known, %d failed", out.Forgotten, n.NumKnown(), n.NumLost())
	}
	for _, m := range n.queued() {
		if d, ok := m.(*wire.Dead); ok {
			t.Errorf("still queued: %s", describe(d))
		}
	}
	n.alive(aliveOf(1, 1))
	n.want(1, StateAlive, 1)

	// The order: each other member is probed once before any is probed twice.
	probed := make(map[string]int)
	n.run(8*time.Second, func(o *Output) {
		for _, p := range o.Packets {
			if _, ok := parse(t, p.Messages[0]).(*wire.Ping); ok {
				probed[p.To.Name]++
				n.Turn.acked(Endpoint{}, &wire.Ack{SeqNo: p.Ping})
			}
		}
	})
	if len(probed) < 6 {
		t.Errorf("probed are %v", probed)
	}
}

// TestForgetWhileProbed: the target of a probe is declared dead and removed. The probe has no effect.
func TestForgetWhileProbed(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.Start()
	n.run(2100*time.Millisecond, func(*Output) {})
	if n.probe.target == nil {
		t.Fatal("no member is probed")
	}
	n.dead(1, 1, "m2")
	n.Forget("m1")
	n.take()
	n.alive(aliveOf(2, 1)) // at the index of the removed one
	n.run(900*time.Millisecond, func(o *Output) {
		for _, e := range o.Events {
			t.Errorf("event %v about %s", e.Kind, e.Member.Name)
		}
	})
	n.want(2, StateAlive, 1)
}

// TestForceLeave checks the results for members in each state.
func TestForceLeave(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before        func(*node)
		force, forced Removal // by ForceLeave, by ForceLeaveAlive
		events        int     // of the latter
	}{
		{"alive", func(*node) {}, NotGone, Removed, 1},
		{"suspect", func(n *node) { n.suspect(1, 1, "m2") }, NotGone, Removed, 1},
		{"dead", func(n *node) { n.dead(1, 1, "m2") }, Removed, Removed, 0},
		{"left", func(n *node) { n.dead(1, 1, "m1") }, RemovedBefore, RemovedBefore, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, forced := range []bool{false, true} {
				n := reconnecting(t, nil).withMembers(3)
				tt.before(n)
				n.queued()
				force, want, events := n.ForceLeave, tt.force, 0
				if forced {
					force, want, events = n.ForceLeaveAlive, tt.forced, tt.events
				}
				if got := force("m1", 9); got != want {
					t.Errorf("forced is %v: %v, want %v", forced, got, want)
				}
				out := n.take()
				if len(out.Events) != events {
					t.Errorf("events %v, want %d", out.Events, events)
				}
				queued := n.queued()
				if want != Removed {
					if len(queued) != 0 || len(out.Changed) != 0 {
						t.Errorf("gossips %v, changes %v", queued, out.Changed)
					}
					continue
				}
				n.want(1, StateLeft, 1)
				if len(queued) != 1 || describe(queued[0]) != "dead m1@1 by m1" || n.NumLost() != 0 {
					t.Errorf("gossips %v, %d failed", queued, n.NumLost())
				}
			}
		})
	}
	n := newNode(t, nil).withMembers(1)
	if got := n.ForceLeaveAlive("self", 1); got != NotSelf {
		t.Errorf("ForceLeave of ourselves: %v", got)
	}
	if got := n.ForceLeaveAlive("m9", 1); got != NotKnown {
		t.Errorf("unknown: %v", got)
	}
}

// TestReturn: a node that left becomes a member again above the incarnation of its leave, announces that, and
// reconnects to failed members.
func TestReturn(t *testing.T) {
	n := reconnecting(t, nil).withMembers(3)
	n.dead(3, 1, "m1")
	if n.Return() {
		t.Error("returned without having left")
	}
	n.queued()
	n.Leave(7)
	if !n.Return() || n.Leaving() || n.Self().State != StateAlive || n.Self().Incarnation != 2 {
		t.Errorf("after the return we are %+v", n.Self())
	}
	out := n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventLeave, EventJoin}) || !slices.Equal(out.Finished, []uint64{7}) {
		t.Errorf("events %v, finished %v", got, out.Finished)
	}
	if got := texts(n.queued()); !slices.Equal(got, []string{"alive self@2 "}) {
		t.Errorf("gossips %q", got)
	}
	if names, _ := n.attempts(time.Minute); !slices.Contains(names, "m3") {
		t.Errorf("tried are %v", names)
	}

	unannounced := New(testConfig()).Begin(testStart, new(Output))
	unannounced.Introduce(memberAddr(0), nil, testVersions)
	unannounced.Leave(0)
	if unannounced.Return(); unannounced.Leaving() || unannounced.Self().State != StateLeft {
		t.Errorf("one that was refused returned as %+v", unannounced.Self())
	}
}

// TestNewsWithoutLoops: if no loop sends queued messages, a broadcast with a waiter is sent to a few members at once,
// and in a push/pull, and the wait ends.
func TestNewsWithoutLoops(t *testing.T) {
	for name, tell := range map[string]func(n *node){
		"announce": func(n *node) { n.Announce(memberAddr(0), []byte("new"), testVersions, 7) },
		"leave":    func(n *node) { n.Leave(7) },
		"remove":   func(n *node) { n.ForceLeaveAlive("m1", 7) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.ProbeInterval, c.GossipNodes = 0, 0 }).withMembers(20)
			n.dead(20, 1, "m19")
			tell(n)
			out := n.take()
			told := make(map[string]bool)
			for _, p := range out.Packets {
				switch parse(t, p.Messages[0]).(type) {
				case *wire.Alive, *wire.Dead:
					told[p.To.Name] = true
				}
			}
			if len(told) < directly || told["m20"] || len(out.Streams) != 1 || !slices.Equal(out.Finished, []uint64{7}) {
				t.Errorf("told are %v, %d streams, finished %v", told, len(out.Streams), out.Finished)
			}
		})
	}
}

// sentTo describes what a turn sends to an address, packet by packet.
func sentTo(t *testing.T, out *Output, i int) []string {
	t.Helper()
	var all []string
	for _, p := range out.Packets {
		if p.To.AddrPort != memberAddr(i) {
			continue
		}
		for _, b := range p.Messages {
			all = append(all, describe(parse(t, b)))
		}
	}
	return all
}

// leaves delivers a leave message about a member from another one's address.
func (n *node) leaves(subject int, incarnation uint32, from int) *Output {
	n.Step(Endpoint{AddrPort: memberAddr(from)}, &wire.Dead{Incarnation: incarnation, Node: memberName(subject), From: memberName(subject)})
	return n.take()
}

// TestLeaveIsQuestioned: a leave message that did not come from the member itself is sent to the member, if it
// changes anything.
func TestLeaveIsQuestioned(t *testing.T) {
	const question = "dead m1@4 by m1"
	n := newNode(t, nil).withMembers(3) // so few that each is questioned
	if got := sentTo(t, n.leaves(1, 4, 2), 1); !slices.Equal(got, []string{question}) {
		t.Errorf("it is sent %q", got)
	}
	n.want(1, StateLeft, 4)
	if got := sentTo(t, n.leaves(1, 5, 2), 1); len(got) != 0 {
		t.Errorf("it is sent %q, though it has left before", got)
	}
	n.alive(aliveOf(1, 5)) // it refutes
	n.want(1, StateAlive, 5)
	if got := sentTo(t, n.leaves(1, 5, 1), 1); len(got) != 0 {
		t.Errorf("it is sent %q, though the message is its own", got)
	}

	n = newNode(t, nil).withMembers(3)
	n.Merge([]wire.PushNodeState{{Name: "m1", Addr: memberAddr(1).Addr().AsSlice(), Port: 7946, Incarnation: 4, State: int(StateLeft), Vsn: testVersions[:]}})
	if got := sentTo(t, n.take(), 1); !slices.Equal(got, []string{question}) {
		t.Errorf("after a push/pull it is sent %q", got)
	}

	n = newNode(t, nil).withMembers(3)
	n.Leave(0)
	n.take()
	if got := sentTo(t, n.leaves(1, 4, 2), 1); len(got) != 0 {
		t.Errorf("a member that leaves sends %q", got)
	}
}

// TestFewLeavesAreQuestioned: of many members, leaveQuestions question a leave; of many leaves together each is questioned, up to a
// limit.
func TestFewLeavesAreQuestioned(t *testing.T) {
	const members = 400
	n := newNode(t, nil).withMembers(members)
	questions := 0
	for i := 1; i < members; i++ {
		n.after(time.Minute)
		questions += len(sentTo(t, n.leaves(i, 1, members), i))
		n.alive(aliveOf(i, 2))
	}
	if questions > 3*leaveQuestions || questions == 0 {
		t.Errorf("%d of %d leaves are questioned, want about %d", questions, members, leaveQuestions)
	}
	n.after(time.Minute)
	questions = 0
	for i := 1; i <= maxLeaveQuestions; i++ {
		n.Step(Endpoint{AddrPort: memberAddr(members)}, &wire.Dead{Incarnation: 2, Node: memberName(i), From: memberName(i)})
	}
	if questions = len(n.take().Packets); questions != maxLeaveQuestions {
		t.Errorf("%d of %d leaves at once are questioned", questions, maxLeaveQuestions)
	}
	for i := maxLeaveQuestions + 1; i < members; i++ {
		n.Step(Endpoint{AddrPort: memberAddr(members)}, &wire.Dead{Incarnation: 2, Node: memberName(i), From: memberName(i)})
	}
	if more := len(n.take().Packets); more > 64 { // the last ones in any case
		t.Errorf("of %d more leaves %d are questioned", members-maxLeaveQuestions, more)
	}
}

// TestPingOfOneThatIsDown: a member that pings us while it is dead or has left here is sent that, also after its
// removal, if it pings from its known address.
func TestPingOfOneThatIsDown(t *testing.T) {
	ping := &wire.Ping{SeqNo: 9, Node: "self", SourceAddr: memberAddr(1).Addr().AsSlice(), SourcePort: 7946, SourceNode: "m1"}
	for _, tt := range []struct {
		name string
		do   func(n *node)
		want string
	}{
		{"alive", func(*node) {}, ""},
		{"left", func(n *node) { n.leaves(1, 4, 2) }, "dead m1@4 by m1"},
		{"dead", func(n *node) { n.dead(1, 4, "m2") }, "dead m1@4 by self"},
		{"suspected since", func(n *node) { n.dead(1, 4, "m2"); n.suspect(1, 6, "m2") }, "suspect m1@6 by self"},
		{"forgotten", func(n *node) { n.leaves(1, 4, 2); n.after(time.Minute).Tick(); n.take() }, "dead m1@4 by m1"},
	} {
		n := newNode(t, nil).withMembers(3)
		tt.do(n)
		n.queued()
		n.StepPing(Endpoint{AddrPort: memberAddr(1)}, ping, nil)
		want := []string{"ack 9"}
		if tt.want != "" {
			want = append(want, tt.want)
		}
		if got := sentTo(t, n.take(), 1); !slices.Equal(got, want) {
			t.Errorf("%s: it is sent %q, want %q", tt.name, got, want)
		}
		elsewhere := *ping
		elsewhere.SourceAddr = memberAddr(9).Addr().AsSlice()
		n.StepPing(Endpoint{AddrPort: memberAddr(9)}, &elsewhere, nil)
		if got := sentTo(t, n.take(), 9); !slices.Equal(got, []string{"ack 9"}) {
			t.Errorf("%s: elsewhere %q is sent", tt.name, got)
		}
	}
}

// TestStaleLeaveIsAnswered: a member that sends a refuted leave message is sent the refutation.
func TestStaleLeaveIsAnswered(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.alive(aliveOf(1, 5))
	if got := sentTo(t, n.leaves(1, 4, 2), 2); !slices.Equal(got, []string{"alive m1@5 "}) {
		t.Errorf("it is sent %q", got)
	}
	if got := n.leaves(1, 4, 9).Packets; len(got) != 0 { // no member is there
		t.Errorf("a stranger is sent %v", got)
	}
	if got := n.leaves(1, 4, 1).Packets; len(got) != 0 { // its own, late
		t.Errorf("the member itself is sent %v", got)
	}
}

// TestReporterThatIsDown: a member that has left here and sends that we left is sent the refutation and its own
// leave.
func TestReporterThatIsDown(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.Start()
	n.leaves(1, 4, 2)
	n.Step(Endpoint{AddrPort: memberAddr(1)}, &wire.Dead{Incarnation: 7, Node: "self", From: "self"})
	if got := sentTo(t, n.take(), 1); !slices.Equal(got, []string{"alive self@8 ", "dead m1@4 by m1"}) {
		t.Errorf("it is sent %q", got)
	}
}

// TestAllHaveLeft: once the last other member has left, all that left are tried, and seeds too, until one is alive
// again.
func TestAllHaveLeft(t *testing.T) {
	n := reconnecting(t, nil).withMembers(3)
	n.HaveSeeds()
	n.Start()
	n.leaves(1, 4, 2)
	n.leaves(2, 4, 3)
	if n.MayBeUnknown(memberAddr(1)) {
		t.Error("a member that left may be unknown, though another is alive")
	}
	n.leaves(3, 4, 1)
	if !n.MayBeUnknown(memberAddr(1)) {
		t.Error("a member that left may not be unknown, though all have left")
	}
	names, _ := n.attempts(5 * time.Second)
	slices.Sort(names)
	if !slices.Equal(names, []string{"m1", "m2", "m3", "seeds"}) {
		t.Errorf("tried are %v", names)
	}
	m1, _ := n.Member("m1")
	n.NotThere(m1)
	if names, _ := n.attempts(time.Minute); slices.Contains(names, "m1") || !slices.Contains(names, "m2") {
		t.Errorf("tried are %v after m1 was found not to be there", names)
	}
	n.Step(Endpoint{AddrPort: memberAddr(2)}, aliveOf(2, 5))
	n.take()
	if n.failed.allLeft {
		t.Error("a member is alive again")
	}
}
