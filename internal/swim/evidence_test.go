package swim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// evidenceOf returns the evidence of the first event of a kind.
func evidenceOf(t *testing.T, events []Event, kind EventKind) *Evidence {
	t.Helper()
	for i := range events {
		if events[i].Kind == kind {
			if events[i].Evidence == nil {
				t.Fatalf("event %d has no evidence", kind)
			}
			return events[i].Evidence
		}
	}
	t.Fatalf("events %v, none of kind %d", kinds(events), kind)
	return nil
}

// describeHelped returns "m2 nacked=3", sorted.
func describeHelped(f *Findings) string {
	var all []string
	for _, h := range f.Helpers {
		all = append(all, fmt.Sprint(h.Name, "=", h.Result))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestEvidenceOfProbe: a suspicion by our own probe tells what the ping, each helper and the stream found.
func TestEvidenceOfProbe(t *testing.T) {
	n := newNode(t, nil).withMembers(4)
	seq := n.probingOf(1)
	n.tickTo(500 * time.Millisecond)
	n.Step(fromMember(2), &wire.Nack{SeqNo: seq})
	n.Step(fromMember(3), &wire.Nack{SeqNo: seq, Evidence: wire.EvidenceConnected})
	n.StreamOpened(seq)
	n.StreamFailed(seq, strings.Repeat("x", 1000))
	n.take()
	out := n.tickTo(time.Second)
	for _, kind := range []EventKind{EventUnanswered, EventProbeFailed, EventSuspect} {
		e := evidenceOf(t, out.Events, kind)
		f := e.Findings
		if e.Cause != CauseProbe || e.By != "self" || f.To != memberAddr(1) || f.Pings != 1 || f.Waited != 500*time.Millisecond ||
			f.Stream != ResultConnected || len(f.Error) != maxReason || f.Unsent != "" {
			t.Errorf("event %d: evidence %+v, findings %+v", kind, e, f)
		}
		if got, want := describeHelped(f), fmt.Sprintf("m2=%d m3=%d m4=%d", ResultNacked, ResultConnected, ResultSilent); got != want {
			t.Errorf("event %d: helpers %s, want %s", kind, got, want)
		}
	}
	e := evidenceOf(t, out.Events, EventSuspect)
	if e.Health != 0 || e.SuspectedBy != "self" || e.Timeout <= 0 || e.Suspected != 0 {
		t.Errorf("evidence %+v", e)
	}
	n.after(time.Second).suspect(1, 1, "m3")
	if len(e.Confirmed) > 0 {
		t.Error("what was put out has changed")
	}
	now := n.Evidence(n.table.named("m1").ID, n.now)
	if !slices.Equal(now.Confirmed, []string{"m3"}) || now.Suspected != time.Second || now.Timeout >= e.Timeout {
		t.Errorf("a confirmation and a second later: %+v", now)
	}
}

// TestEvidenceOfUnsentPing tells the error of the transport.
func TestEvidenceOfUnsentPing(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.SendFailed(n.probingOf(1), errors.New("no route"))
	n.take()
	if f := evidenceOf(t, n.tickTo(time.Second).Events, EventSuspect).Findings; f.Unsent != "no route" || f.Waited != 0 || f.Stream != ResultSilent {
		t.Errorf("findings %+v", f)
	}
}

// TestEvidenceOfHelpedProbe: a member that only others reach is not suspected, and it is known who reached it.
func TestEvidenceOfHelpedProbe(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	seq := n.probingOf(1)
	n.tickTo(500 * time.Millisecond)
	n.Step(fromMember(2), ackOf(seq))
	f := evidenceOf(t, n.take().Events, EventUnanswered).Findings
	if got, want := describeHelped(f), fmt.Sprintf("m2=%d", ResultAcked); got != want || f.Stream != ResultNone {
		t.Errorf("helpers %s, stream %d; want %s alone, as others had no time", got, f.Stream, want)
	}
}

// TestEvidenceByOthers: by whose word, and through whom, a member is suspect, dead, gone or back, and how long that took.
func TestEvidenceByOthers(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	step := func(m wire.Message) []Event {
		n.Step(fromMember(4), m)
		return n.take().Events
	}
	merge := func(state State, incarnation uint32) []Event {
		peer := Dialled(memberAddr(4))
		states := wire.StatesOf(wire.PushNodeState{Name: "m1", Addr: memberAddr(1).Addr().AsSlice(), Port: 7946, Incarnation: incarnation,
			State: int(state), Vsn: testVersions[:]})
		n.Turn.Merge(&peer, &states)
		return n.take().Events
	}
	check := func(what string, e *Evidence, cause Cause, by, sender string, suspectedBy string, suspected time.Duration) {
		t.Helper()
		if e.Cause != cause || e.By != by || e.Sender.Name != sender || e.SuspectedBy != suspectedBy || e.Suspected != suspected {
			t.Errorf("%s: %+v", what, e)
		}
	}
	e := evidenceOf(t, step(&wire.Suspect{Node: "m1", Incarnation: 1, From: "m2"}), EventSuspect)
	check("suspect", e, CauseGossip, "m2", "m4", "m2", 0)
	n.after(2*time.Second).suspect(1, 1, "m3")
	e = evidenceOf(t, step(aliveOf(1, 2)), EventRecover)
	check("recover", e, CauseGossip, "m1", "m4", "m2", 2*time.Second)
	if !slices.Equal(e.Confirmed, []string{"m3"}) || e.Acked {
		t.Errorf("recover: %+v", e)
	}
	if got := n.Evidence(n.table.named("m1").ID, n.now); got != nil {
		t.Errorf("of a member that is alive: %+v", got)
	}

	e = evidenceOf(t, merge(StateDead, 2), EventSuspect)
	check("suspect in a push/pull", e, CausePushPull, "", "m4", "", 0)
	n.suspicions.noteAck(n.table.named("m1"))
	n.after(time.Second)
	e = evidenceOf(t, step(&wire.Dead{Node: "m1", Incarnation: 2, From: "m2"}), EventLeave)
	check("dead", e, CauseGossip, "m2", "m4", "", time.Second)
	if !e.Acked || n.Evidence(n.table.named("m1").ID, n.now) != e {
		t.Errorf("dead: %+v, kept as %+v", e, n.Evidence(n.table.named("m1").ID, n.now))
	}
	n.after(3 * time.Second)
	e = evidenceOf(t, merge(StateAlive, 3), EventJoin)
	check("back", e, CausePushPull, "m1", "m4", "", 0)
	if e.Down != 3*time.Second || e.Timeout != 0 {
		t.Errorf("back: %+v", e)
	}

	n.Step(Endpoint{AddrPort: memberAddr(66)}, &wire.Dead{Node: "m1", Incarnation: 3, From: "m1"})
	e = evidenceOf(t, n.take().Events, EventLeave)
	check("left", e, CauseGossip, "m1", "", "", 0)
	if e.Sender.AddrPort != memberAddr(66) {
		t.Errorf("left, from %v", e.Sender)
	}
	n.after(time.Hour).Tick()
	n.take()
	if n.table.named("m1") != nil {
		t.Fatal("m1 is still in the table")
	}
	if e = evidenceOf(t, merge(StateAlive, 4), EventJoin); e.Down != time.Hour {
		t.Errorf("back after it was removed: %+v", e)
	}
	n.ForceLeaveAlive("m1", 0)
	check("forced", evidenceOf(t, n.take().Events, EventLeave), CauseProgram, "m1", "", "", 0)
}

// TestEvidenceOfVerdicts: of suspicions that end here, of those that end early, and of those that were missed.
func TestEvidenceOfVerdicts(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		n := newNode(t, nil).withMembers(4)
		n.suspect(1, 1, "m2")
		var got *Evidence
		n.run(time.Minute, func(o *Output) {
			if slices.Contains(kinds(o.Events), EventTimeout) {
				timeout, leave := evidenceOf(t, o.Events, EventTimeout), evidenceOf(t, o.Events, EventLeave)
				if timeout.Cause != leave.Cause || timeout.Suspected != leave.Suspected {
					t.Errorf("timeout %+v, leave %+v", timeout, leave)
				}
				got = leave
			}
		})
		if got == nil || got.Cause != CauseTimeout || got.By != "self" || got.SuspectedBy != "m2" || got.Suspected < got.Timeout {
			t.Errorf("%+v", got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		n, helpers := refusedProbe(t, 5, func(d *Detector) { d.RefusalGrace = -1 })
		n.nackFrom(helpers, 2, wire.EvidenceRefused)
		e := evidenceOf(t, n.take().Events, EventRefused)
		if e.Cause != CauseRefused || e.Findings.Stream != ResultRefused || strings.Count(describeHelped(e.Findings), fmt.Sprint("=", ResultRefused)) != 2 {
			t.Errorf("%+v, findings %+v", e, e.Findings)
		}
	})
	t.Run("checked", func(t *testing.T) {
		n := newNode(t, detecting(nil)).withMembers(5)
		n.Step(fromMember(2), &wire.Dead{Node: "m1", Incarnation: 1, From: "m3"})
		var got *Evidence
		n.run(2*time.Second, func(o *Output) {
			if slices.Contains(kinds(o.Events), EventLeave) {
				got = evidenceOf(t, o.Events, EventLeave)
			}
		})
		if got == nil || got.Cause != CauseGossip || got.By != "m3" || got.Sender.Name != "m2" || got.Findings == nil || got.Findings.Pings != deadPings {
			t.Errorf("%+v", got)
		}
	})
	t.Run("missed", func(t *testing.T) {
		n := newNode(t, nil).withMembers(5)
		n.suspect(1, 1, "m2")
		peer := Dialled(memberAddr(4)).OfDifferences()
		states := wire.StatesOf(wire.PushNodeState{Name: "m1", Incarnation: 1, State: int(StateDead), Vsn: testVersions[:]})
		n.Turn.Merge(&peer, &states)
		if e := evidenceOf(t, n.take().Events, EventLeave); e.Cause != CausePushPull || e.By != "" || e.Sender.Name != "m4" || e.SuspectedBy != "m2" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("replaced", func(t *testing.T) {
		n := newNode(t, nil).withMembers(5)
		a := aliveOf(1, 2)
		a.Addr = memberAddr(0).Addr().AsSlice()
		n.table.move(n.table.self, addressOf(memberAddr(1)))
		a.Addr = memberAddr(1).Addr().AsSlice()
		if e := evidenceOf(t, n.alive(a).Events, EventLeave); e.Cause != CauseReplaced || e.By != "self" {
			t.Errorf("%+v", e)
		}
	})
}

// TestEvidenceOfRounds: what helpers find in the rounds that follow a suspicion is in its evidence, and is limited.
func TestEvidenceOfRounds(t *testing.T) {
	n := newNode(t, detecting(nil)).withMembers(40)
	n.probingOf(1)
	helped := 0
	for i := range 30 {
		out := n.tickTo(time.Duration(i+1) * time.Second)
		for name, i := range questions(t, out) {
			m, _ := n.Member(name)
			if helped++; helped%2 == 0 {
				n.Step(Endpoint{AddrPort: m.Addr}, &wire.Nack{SeqNo: i.SeqNo})
			}
		}
		n.take()
		if m := n.table.named("m1"); m == nil || m.State.IsDown() {
			break
		}
	}
	e := n.Evidence(n.table.named("m1").ID, n.now)
	if e == nil || e.Findings == nil {
		t.Fatalf("%+v", e)
	}
	got := describeHelped(e.Findings)
	for _, result := range []Result{ResultNacked, ResultSilent} {
		if !strings.Contains(got, fmt.Sprint("=", result)) {
			t.Errorf("helpers %s, none with result %d", got, result)
		}
	}
	if n := len(e.Findings.Helpers); n < 4 || n > maxHelped || e.Findings.Pings < 2 {
		t.Errorf("%d helpers, %d pings", n, e.Findings.Pings)
	}
}

// TestEvidenceCostsNothingWhileAllIsWell: probes that are answered allocate nothing, and members that are alive have no evidence.
func TestEvidenceCostsNothingWhileAllIsWell(t *testing.T) {
	n := newNode(t, detecting(func(d *Detector) { d.Ring = false })).withMembers(20)
	c, out := n.Turn, new(Output)
	ack := new(wire.Ack)
	probe := func() {
		c.probe.start(c)
		ack.SeqNo = c.probe.seq
		c.Step(Endpoint{AddrPort: c.table.addrPort(c.probe.target)}, ack)
		out = swap(c, out)
	}
	for range 100 {
		probe()
	}
	if got := testing.AllocsPerRun(200, probe); got > 1 { // the ping
		t.Errorf("%v allocations for a ping and its ack, want 1, the ping", got)
	}
	for i := 1; i <= 20; i++ {
		if e := n.Evidence(n.table.named(memberName(i)).ID, n.now); e != nil {
			t.Errorf("m%d: %+v", i, e)
		}
	}
}
