package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// claimOf returns an alive about member i at another address.
func claimOf(i int, incarnation uint32) *wire.Alive {
	a := aliveOf(i, incarnation)
	a.Addr = memberAddr(1000 + i).Addr().AsSlice()
	return a
}

// outcomes returns the outcomes of the events.
func outcomes(events []Event) (v []ConflictOutcome) {
	for _, e := range events {
		if e.Kind == EventConflictEnded {
			v = append(v, e.Outcome)
		}
	}
	return v
}

// asked returns the sequence number of the ping of member i at its known address, or 0 if there is none.
func asked(t *testing.T, o *Output, i int) uint32 { return askedAt(t, o, i, i) }

// askedAt returns the sequence number of the ping of member i at the address of member at, or 0 if there is none.
func askedAt(t *testing.T, o *Output, i, at int) uint32 {
	t.Helper()
	for _, p := range o.Packets {
		if ping, ok := parse(t, p.Messages[0]).(*wire.Ping); ok && p.To.AddrPort == memberAddr(at) && ping.Node == memberName(i) {
			return ping.SeqNo
		}
	}
	return 0
}

// TestConflictOldAnswers: the known member answers, early or late, by any path. It is kept, and not pinged again for
// a while.
func TestConflictOldAnswers(t *testing.T) {
	for name, answer := range map[string]func(n *node, seq uint32){
		"at once": func(n *node, seq uint32) { n.Step(Endpoint{}, &wire.Ack{SeqNo: seq}) },
		"through another": func(n *node, seq uint32) {
			n.run(700*time.Millisecond, func(*Output) {})
			n.Step(Endpoint{}, &wire.Ack{SeqNo: seq})
		},
		"only on a stream": func(n *node, seq uint32) {
			n.run(700*time.Millisecond, func(*Output) {})
			n.StreamPingDone(seq)
			n.after(300 * time.Millisecond).Tick()
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(5)
			out := n.alive(claimOf(1, 7))
			seq, assertion := asked(t, out, 1), askedAt(t, out, 1, 1001)
			if seq == 0 || assertion == 0 || len(out.Events) != 0 {
				t.Fatalf("events %v, packets %v; want a question, and no conflict yet", out.Events, out.Packets)
			}
			answer(n, seq)
			if out := n.take(); len(out.Events) != 0 {
				t.Errorf("events %v, though the asserted address did not answer", kinds(out.Events))
			}
			n.Step(Endpoint{AddrPort: memberAddr(1)}, ackOf(assertion)) // the member's own alive: the transport routes by name
			n.Step(Endpoint{AddrPort: memberAddr(1001)}, ackOf(assertion))
			n.Step(Endpoint{AddrPort: memberAddr(1001)}, ackOf(assertion))
			out = n.take()
			if got := outcomes(out.Events); !slices.Equal(got, []ConflictOutcome{ConflictKept}) {
				t.Errorf("outcomes %v, want that the old is kept", got)
			}
			if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventConflict, EventConflictEnded}) {
				t.Errorf("events %v", got)
			}
			n.want(1, StateAlive, 1)
			n.after(time.Second)
			if out := n.alive(claimOf(1, 9)); asked(t, out, 1) != 0 || len(out.Events) != 0 {
				t.Errorf("asked again at once; events %v", out.Events)
			}
			n.run(11*time.Second, func(*Output) {})
			if len(n.checks.byName) != 0 || asked(t, n.alive(claimOf(1, 9)), 1) == 0 {
				t.Errorf("not asked later; %d checks", len(n.checks.byName))
			}
		})
	}
}

// runWithClaimant runs for a time. A claimant at member 1001's address acks pings of a name if acks is true; toIt
// receives all other messages to that address, toOthers those to others.
func (n *node) runWithClaimant(d time.Duration, name string, acks bool, toIt, toOthers func(wire.Message)) {
	n.t.Helper()
	var see func(o *Output)
	see = func(o *Output) {
		for _, p := range o.Packets {
			m := parse(n.t, p.Messages[0])
			ping, isPing := m.(*wire.Ping)
			switch {
			case p.To.AddrPort != memberAddr(1001):
				toOthers(m)
			case isPing && ping.Node == name && acks:
				n.Step(Endpoint{AddrPort: memberAddr(1001)}, &wire.Ack{SeqNo: ping.SeqNo})
				see(n.take())
			default:
				toIt(m)
			}
		}
	}
	n.run(d, see)
}

// TestConflictClaimIsNobodys: the address in an old assertion is not sent what is known of the member unless a
// process answers to its name there: another process would gossip it.
func TestConflictClaimIsNobodys(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	n.alive(claimOf(1, 1))
	pings := 0
	n.runWithClaimant(3500*time.Millisecond, "m1", false, func(m wire.Message) {
		if ping, ok := m.(*wire.Ping); !ok || ping.Node != "m1" {
			t.Errorf("it was sent %s", describe(m))
		}
		pings++
	}, func(wire.Message) {})
	if pings != 3 {
		t.Errorf("pinged %d times, want once a second", pings)
	}
}

// TestConflictNewcomer: the known member does not answer. A newer assertion is accepted, whatever the member's state
// was; the sender of one that is not newer is told what to refute, and is accepted then.
func TestConflictNewcomer(t *testing.T) {
	for name, before := range map[string]func(n *node){
		"alive":   func(n *node) {},
		"suspect": func(n *node) { n.suspect(1, 1, "m2") },
		"dead":    func(n *node) { n.dead(1, 1, "m2") },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(5)
			before(n)
			n.alive(claimOf(1, 1))
			var told string
			pings := 0
			n.runWithClaimant(time.Second, "m1", true, func(m wire.Message) { told += describe(m) }, func(m wire.Message) {
				if _, ok := m.(*wire.IndirectPing); ok {
					pings++
				}
			})
			if want := "suspect m1@1 by self"; told != want || pings != 3 {
				t.Errorf("told %q, want %q; %d others asked", told, want, pings)
			}
			out := n.alive(claimOf(1, 2)) // the claimant has refuted
			m, _ := n.Member("m1")
			if m.Addr != memberAddr(1001) || m.State != StateAlive || m.Incarnation != 2 {
				t.Fatalf("member is %+v", m)
			}
			want := []EventKind{EventLeave, EventJoin, EventMoved, EventConflictEnded}
			if name == "dead" {
				want = want[1:]
			}
			if got := kinds(out.Events); !slices.Equal(got, want) || !slices.Equal(outcomes(out.Events), []ConflictOutcome{ConflictMoved}) {
				t.Errorf("events %v, want %v", got, want)
			}
			if !n.AnyAlive() || n.present != 5 {
				t.Errorf("%d are present", n.present)
			}
		})
	}
}

// TestConflictIsContradictedUntilNewer: a claimant whose assertion is not newer is told so once a second, for as long
// as the check lasts, and no longer once it is newer.
func TestConflictIsContradictedUntilNewer(t *testing.T) {
	for _, refutes := range []bool{false, true} {
		n := newNode(t, nil).withMembers(5)
		n.alive(claimOf(1, 1))
		told := 0
		count := func(m wire.Message) {
			if _, ok := m.(*wire.Suspect); ok {
				told++
			}
		}
		n.runWithClaimant(3500*time.Millisecond, "m1", true, count, func(wire.Message) {})
		want := 3
		if refutes {
			n.alive(claimOf(1, 2))
		} else {
			want = recheck
		}
		n.runWithClaimant(30*time.Second, "m1", true, count, func(wire.Message) {})
		if told != want || len(n.checks.byName) != 0 {
			t.Errorf("refutes %v: told %d times, want %d; %d checks are left", refutes, told, want, len(n.checks.byName))
		}
	}
}

// TestConflictNewerAtOnce: the newest assertion is accepted as soon as the check ends.
func TestConflictNewerAtOnce(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	n.alive(claimOf(1, 3))
	n.alive(claimOf(1, 5))
	n.alive(claimOf(1, 4))
	n.run(time.Second, func(*Output) {})
	if m, _ := n.Member("m1"); m.Addr != memberAddr(1001) || m.Incarnation != 5 {
		t.Errorf("member is %+v", m)
	}
}

// TestConflictsManyAtOnce: however many names are claimed, and however often, few members are pinged at a time, and
// few checks remembered. A check that ends makes room for the next.
func TestConflictsManyAtOnce(t *testing.T) {
	const names = 3 * checksAtOnce
	n := newNode(t, nil).withMembers(names)
	assertion := func() *Output {
		for range 3 {
			for i := 1; i <= names; i++ {
				n.Step(Endpoint{}, claimOf(i, 9))
			}
		}
		return n.take()
	}
	moved := func() (k int) {
		for i := 1; i <= names; i++ {
			if m, _ := n.Member(memberName(i)); m.Addr == memberAddr(1000+i) {
				k++
			}
		}
		return k
	}
	for batch := range 3 {
		out := assertion()
		if len(out.Packets) != 2*checksAtOnce || len(n.checks.asking) != checksAtOnce || out.Counts.Drops[DropBusy] == 0 && batch < 2 {
			t.Errorf("batch %d: %d packets, %d are asked, %d claims wait", batch, len(out.Packets), len(n.checks.asking), out.Counts.Drops[DropBusy])
		}
		n.run(time.Second, func(*Output) {})
		if got, want := moved(), (batch+1)*checksAtOnce; got != want {
			t.Errorf("batch %d: %d have moved, want %d", batch, got, want)
		}
	}
	n.run(time.Minute, func(*Output) {})
	if len(n.checks.byName)+len(n.checks.asking)+len(n.checks.claimants) != 0 || n.NumTimers() != 0 {
		t.Errorf("%d checks, %d timers are left", len(n.checks.byName), n.NumTimers())
	}
}

// TestConflictsAreBounded: no more than MaxChecks checks are remembered, and those that ended first are removed
// first.
func TestConflictsAreBounded(t *testing.T) {
	n := newNode(t, nil).withMembers(MaxChecks + 100)
	for i := 1; i <= MaxChecks+100; i++ {
		if seq := asked(t, n.alive(claimOf(i, 9)), i); seq == 0 {
			t.Fatalf("member %d is not asked", i)
		} else {
			n.Step(Endpoint{}, ackOf(seq))
		}
		n.after(time.Millisecond).take()
	}
	if len(n.checks.byName) != MaxChecks || n.checks.byName["m100"] != nil || n.checks.byName["m101"] == nil {
		t.Errorf("%d checks are remembered", len(n.checks.byName))
	}
}

// TestConflictAckOfTheClaimant: on a transport that routes by name, the newcomer itself receives the ping and acks
// it, which counts in its favour.
func TestConflictAckOfTheClaimant(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	seq := asked(t, n.alive(claimOf(1, 7)), 1)
	n.Step(Endpoint{AddrPort: memberAddr(1001)}, ackOf(seq))
	if got := outcomes(n.take().Events); !slices.Equal(got, []ConflictOutcome{ConflictMoved}) {
		t.Errorf("outcomes %v, want that it moved", got)
	}
	if m, _ := n.Member("m1"); m.Addr != memberAddr(1001) || m.State != StateAlive {
		t.Errorf("member is %+v", m)
	}
}

// TestConflictAckInAnotherName: an ack of a claimant that the transport knows by another name counts for nothing.
func TestConflictAckInAnotherName(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	out := n.alive(claimOf(1, 7))
	other := Endpoint{AddrPort: memberAddr(1001), Name: "m2"}
	n.Step(other, ackOf(asked(t, out, 1)))
	n.Step(other, ackOf(askedAt(t, out, 1, 1001)))
	out = n.take()
	if len(out.Events) != 0 || out.Counts.Drops[DropStranger] != 2 {
		t.Errorf("events %v, %d acks dropped, want 2", kinds(out.Events), out.Counts.Drops[DropStranger])
	}
	n.want(1, StateAlive, 1)
}

// TestConflictWithoutProbes: a member that sends no probes resolves conflicts too.
func TestConflictWithoutProbes(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval = 0 }).withMembers(5)
	n.alive(claimOf(1, 7))
	n.run(time.Second, func(*Output) {})
	if m, _ := n.Member("m1"); m.Addr != memberAddr(1001) {
		t.Errorf("member is %+v", m)
	}
}

// TestConflictOverOurName: an address where our name is said to be is pinged. It is a conflict only if the ping is
// answered. Otherwise it was our own old address, and our incarnation is raised above that of the assertion.
func TestConflictOverOurName(t *testing.T) {
	claimed := aliveOf(1, 7)
	claimed.Node = "self"
	for name, tt := range map[string]struct {
		answer func(n *node, seq uint32)
		want   []EventKind
		outcome
	}{
		"it answers":             {func(n *node, seq uint32) { n.Step(Endpoint{AddrPort: memberAddr(1)}, ackOf(seq)) }, []EventKind{EventConflict, EventConflictEnded}, outcome{ConflictKept, 1}},
		"it is silent":           {func(*node, uint32) {}, []EventKind{EventConflictEnded}, outcome{ConflictMoved, 8}},
		"the ping leads to us":   {func(n *node, seq uint32) { n.Step(Endpoint{AddrPort: memberAddr(0)}, ackOf(seq)) }, []EventKind{EventConflictEnded}, outcome{ConflictMoved, 8}},
		"it answers on a stream": {func(n *node, seq uint32) { n.StreamPingDone(seq) }, []EventKind{EventConflict, EventConflictEnded}, outcome{ConflictKept, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(5)
			out := n.alive(claimed)
			if len(out.Packets) != 1 || out.Packets[0].To.AddrPort != memberAddr(1) || len(out.Events) != 0 || !n.NameContested() {
				t.Fatalf("packets %+v, events %v", out.Packets, out.Events)
			}
			tt.answer(n, parse(t, out.Packets[0].Messages[0]).(*wire.Ping).SeqNo)
			events := kinds(n.take().Events)
			n.run(time.Second, func(o *Output) { events = append(events, kinds(o.Events)...) })
			if !slices.Equal(events, tt.want) || n.NameContested() {
				t.Errorf("events %v, want %v; still contested: %v", events, tt.want, n.NameContested())
			}
			if self := n.Self(); self.Incarnation != tt.incarnation || self.Addr != memberAddr(0) {
				t.Errorf("we are %+v, want incarnation %d", self, tt.incarnation)
			}
			n.alive(claimed)
			if n.NameContested() {
				t.Error("asked again at once")
			}
		})
	}
}

type outcome struct {
	ConflictOutcome
	incarnation uint32
}
