package swim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// withLateness is the configuration of a Memberlist.
func withLateness(c *Config) { c.LateAfter = LateAfter(c.ProbeTimeout) }

// TestLateness: a member is late for as long as its timer or a message was late, if that is more than LateAfter, and not for longer than
// mostLate.
func TestLateness(t *testing.T) {
	const atMost = 8 * time.Second
	for _, tt := range []struct{ late, want time.Duration }{
		{0, 0},
		{125 * time.Millisecond, 0},
		{126 * time.Millisecond, 126 * time.Millisecond},
		{5 * time.Second, 5 * time.Second},
		{time.Hour, atMost},
	} {
		timer := newNode(t, withLateness).withMembers(1)
		timer.Start()
		timer.take()
		due, _ := timer.NextDeadline()
		timer.now = due.Add(tt.late)
		timer.Tick()
		message := newNode(t, withLateness)
		message.Waited(tt.late)
		for name, n := range map[string]*node{"timer": timer, "message": message} {
			if got := n.Lateness(n.now); got != tt.want {
				t.Errorf("after a %s that was %v late it is late by %v, want %v", name, tt.late, got, tt.want)
			}
			if got := n.Lateness(n.now.Add(tt.want)); got != 0 {
				t.Errorf("%v later it is still late by %v", tt.want, got)
			}
		}
	}
	never := newNode(t, nil)
	never.Waited(time.Hour)
	if got := never.Lateness(never.now); got != 0 {
		t.Errorf("without LateAfter it is late by %v", got)
	}
}

// TestLateMemberSuspectsNobody: a member that did not run while a probe's or a suspicion's time passed goes on with it for as long: an
// answer that arrived meanwhile is read first.
func TestLateMemberSuspectsNobody(t *testing.T) {
	const stopped = 5 * time.Second
	alive := &wire.Alive{Incarnation: 2, Node: memberName(1), Addr: memberAddr(1).Addr().AsSlice(), Port: 7946, Vsn: testVersions[:]}
	for _, tt := range []struct {
		name    string
		before  time.Duration // from the beginning of the probe or the suspicion to the stop
		suspect bool          // already
		answer  wire.Message
	}{
		{"direct ping", 400 * time.Millisecond, false, nil},
		{"indirect ping", 900 * time.Millisecond, false, nil},
		{"suspicion", 3500 * time.Millisecond, true, alive},
	} {
		n := newNode(t, withLateness).withMembers(2)
		answer := tt.answer
		if tt.suspect {
			n.suspect(1, 1, memberName(2))
		} else {
			answer = ackOf(probing(t, n))
		}
		target := 1
		if n.probe.target != nil && n.probe.target.Name == memberName(2) {
			target = 2
		}
		n.tickTo(tt.before)
		n.after(stopped).Tick()
		out := n.take()
		if len(out.Events) > 0 || len(out.Streams) > 0 || out.Counts.DegradedLate == 0 {
			t.Errorf("%s: events %v, %d streams, %d waits when it goes on, want a wait", tt.name, kinds(out.Events), len(out.Streams),
				out.Counts.DegradedLate)
		}
		n.after(time.Second).Step(Endpoint{AddrPort: memberAddr(target)}, answer)
		n.tickTo(time.Minute)
		incarnation := uint32(1)
		if tt.suspect {
			incarnation = 2
		}
		n.want(target, StateAlive, incarnation)
	}
}

// TestLateMemberReadsAnswersFirst: nor does it give up a newcomer, or believe a death that it checks, before it has read the answers that
// arrived while it did not run.
func TestLateMemberReadsAnswersFirst(t *testing.T) {
	const stopped = 5 * time.Second
	n := newNode(t, withLateness).withMembers(2)
	n.Step(Endpoint{AddrPort: strangerAddr}, aliveOf(5, 1))
	seq := parse(t, n.take().Packets[0].Messages[0]).(*wire.Ping).SeqNo
	n.after(newcomerPatience*n.cfg.ProbeTimeout + stopped).Tick()
	n.after(time.Second).Step(Endpoint{AddrPort: memberAddr(5)}, ackOf(seq))
	n.want(5, StateAlive, 1)

	n = newNode(t, func(c *Config) { withLateness(c); c.Detector.CheckDead = true }).withMembers(2)
	n.Step(fromMember(2), &wire.Dead{Incarnation: 1, Node: "m1", From: "m2"})
	seq = parse(t, n.take().Packets[0].Messages[0]).(*wire.Ping).SeqNo
	for range deadPings {
		n.after(stopped).Tick()
		n.want(1, StateAlive, 1)
	}
	n.after(time.Second).Step(fromMember(1), ackOf(seq))
	n.tickTo(time.Minute)
	n.want(1, StateAlive, 1)
}

// TestLateMemberWaitsLonger: a member that is late all the time waits for an answer for three times as long as it can be late at once, as
// the other one may be as late. Then it goes on without.
func TestLateMemberWaitsLonger(t *testing.T) {
	for _, tt := range []struct {
		answered time.Duration
		suspects bool
	}{{20 * time.Second, false}, {50 * time.Second, true}} {
		n := newNode(t, withLateness).withMembers(1)
		answer, begin := ackOf(probing(t, n)), n.now
		suspected := false
		for n.now.Sub(begin) < tt.answered {
			n.after(time.Second).Waited(3 * time.Second)
			n.Tick()
			for _, e := range n.take().Events {
				suspected = suspected || e.Kind == EventSuspect
			}
		}
		n.Step(fromMember(1), answer)
		if suspected != tt.suspects {
			t.Errorf("with an answer after %v it is suspected: %v, want %v", tt.answered, suspected, tt.suspects)
		}
	}
}

// TestLateProbeHasBothParts: a probe that goes on later waits for the answers to indirect pings as long as any.
func TestLateProbeHasBothParts(t *testing.T) {
	n := newNode(t, withLateness).withMembers(2)
	probing(t, n)
	n.after(5 * time.Second).Tick()
	stopped := n.now
	var indirect time.Duration
	n.run(time.Minute, func(o *Output) {
		if indirect == 0 && len(questions(t, o)) > 0 {
			indirect = n.now.Sub(stopped)
		}
		for _, e := range o.Events {
			if e.Kind == EventProbeFailed {
				if took := n.now.Sub(stopped); indirect == 0 || took-indirect != 500*time.Millisecond {
					t.Errorf("indirect pings after %v, the end after %v", indirect, took)
				}
				return
			}
		}
	})
	if indirect == 0 {
		t.Error("no indirect pings")
	}
}

// TestLateMemberFindsFailures: a member whose timer is always late suspects, and declares dead, a member that does not answer, but later.
func TestLateMemberFindsFailures(t *testing.T) {
	const late = 2 * time.Second
	n := newNode(t, withLateness).withMembers(1)
	n.Start()
	begin, state := n.now, StateAlive
	for want := range []State{StateSuspect, StateDead} {
		for state == StateAlive+State(want) {
			due, ok := n.NextDeadline()
			if !ok || n.now.Sub(begin) > 5*time.Minute {
				t.Fatalf("the member is %v after %v", state, n.now.Sub(begin))
			}
			n.now = later(due.Add(late), n.now)
			n.Tick()
			n.take()
			m, _ := n.Member(memberName(1))
			state = m.State
		}
		t.Logf("%v after %v", state, n.now.Sub(begin))
	}
}

// TestLateMemberGossipsLess: while a member is late its rounds are twice as far apart as it is late; afterwards they are as before.
func TestLateMemberGossipsLess(t *testing.T) {
	n := newNode(t, withLateness).withMembers(1)
	n.Start()
	n.take()
	phase := n.loops.gossip.at.Sub(testStart) % n.cfg.GossipInterval
	n.now = n.loops.gossip.at.Add(time.Second)
	n.Tick()
	if wait := n.loops.gossip.at.Sub(n.now); wait <= 2*time.Second || wait > 2*time.Second+n.cfg.GossipInterval {
		t.Errorf("the next round is after %v, want 2 s to 2.2 s", wait)
	}
	if got := n.loops.gossip.at.Sub(testStart) % n.cfg.GossipInterval; got != phase {
		t.Errorf("the phase is %v, was %v: gossip and probes no longer coincide", got, phase)
	}
	n.tickTo(n.loops.gossip.at.Sub(testStart))
	if wait := n.loops.gossip.at.Sub(n.now); wait != n.cfg.GossipInterval {
		t.Errorf("afterwards the next round is after %v, want %v", wait, n.cfg.GossipInterval)
	}
}

// TestEndedSuspicionIsNotLate: a confirmation that ends a suspicion at once makes this member no late one.
func TestEndedSuspicionIsNotLate(t *testing.T) {
	n := newNode(t, withLateness).withMembers(5)
	n.suspect(1, 1, memberName(2))
	n.tickTo(10 * time.Second)
	n.suspect(1, 1, memberName(3))
	n.suspect(1, 1, memberName(4))
	n.Tick()
	n.want(1, StateDead, 1)
	if late := n.Lateness(n.now); late != 0 {
		t.Errorf("it is late by %v", late)
	}
}
