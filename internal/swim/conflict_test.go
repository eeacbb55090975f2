package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// claimOf claims the name of member i for another address.
func claimOf(i int, incarnation uint32) *wire.Alive {
	a := aliveOf(i, incarnation)
	a.Addr = memberAddr(1000 + i).Addr().AsSlice()
	return a
}

// verdicts lists the verdicts among events.
func verdicts(events []Event) (v []Verdict) {
	for _, e := range events {
		if e.Kind == EventConflictEnded {
			v = append(v, e.Verdict)
		}
	}
	return v
}

// asked returns the sequence number of the ping that asks member i where it was; 0: none does.
func asked(t *testing.T, o *Output, i int) uint32 {
	t.Helper()
	for _, p := range o.Packets {
		if ping, ok := parse(t, p.Messages[0]).(*wire.Ping); ok && p.To.AddrPort == memberAddr(i) && ping.Node == memberName(i) {
			return ping.SeqNo
		}
	}
	return 0
}

// TestConflictOldAnswers: the old one answers, at any time, in any way. It is kept, and not asked again for a while.
func TestConflictOldAnswers(t *testing.T) {
	for name, answer := range map[string]func(n *node, seq uint32){
		"at once": func(n *node, seq uint32) { n.Step(n.now, Endpoint{}, &wire.Ack{SeqNo: seq}) },
		"through another": func(n *node, seq uint32) {
			n.run(700*time.Millisecond, func(*Output) {})
			n.Step(n.now, Endpoint{}, &wire.Ack{SeqNo: seq})
		},
		"only on a stream": func(n *node, seq uint32) {
			n.run(700*time.Millisecond, func(*Output) {})
			n.StreamPingDone(seq)
			n.Tick(n.now.Add(300 * time.Millisecond))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil).meet(5)
			out := n.alive(claimOf(1, 7))
			seq := asked(t, out, 1)
			if seq == 0 || !slices.Equal(kinds(out.Events), []EventKind{EventConflict}) {
				t.Fatalf("events %v, packets %v", out.Events, out.Packets)
			}
			answer(n, seq)
			if got := verdicts(n.take().Events); !slices.Equal(got, []Verdict{VerdictKept}) {
				t.Errorf("verdicts %v, want that the old is kept", got)
			}
			n.want(1, StateAlive, 1)
			n.after(time.Second)
			if out := n.alive(claimOf(1, 9)); asked(t, out, 1) != 0 || !slices.Equal(kinds(out.Events), []EventKind{EventConflict}) {
				t.Errorf("asked again at once; events %v", out.Events)
			}
			n.run(11*time.Second, func(*Output) {})
			if len(n.checks) != 0 || asked(t, n.alive(claimOf(1, 9)), 1) == 0 {
				t.Errorf("not asked later; %d checks", len(n.checks))
			}
		})
	}
}

// TestConflictNewcomer: the old one does not answer: a newer claim is taken, in whatever state the old one was; one that is
// not newer is told what to refute, and then is.
func TestConflictNewcomer(t *testing.T) {
	for name, before := range map[string]func(n *node){
		"alive":   func(n *node) {},
		"suspect": func(n *node) { n.suspect(1, 1, "m2") },
		"dead":    func(n *node) { n.dead(1, 1, "m2") },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil).meet(5)
			before(n)
			n.alive(claimOf(1, 1))
			var told string
			pings := 0
			n.run(time.Second, func(o *Output) {
				for _, p := range o.Packets {
					switch m := parse(t, p.Messages[0]).(type) {
					case *wire.Suspect:
						told = describe(m) + " to " + p.To.AddrPort.Addr().String()
					case *wire.IndirectPing:
						pings++
					}
				}
			})
			if want := "suspect m1@1 by self to " + memberAddr(1001).Addr().String(); told != want || pings != 3 {
				t.Errorf("told %q, want %q; %d others asked", told, want, pings)
			}
			out := n.alive(claimOf(1, 2)) // it has refuted
			m, _ := n.Member("m1")
			if m.Addr != memberAddr(1001) || m.State != StateAlive || m.Incarnation != 2 {
				t.Fatalf("member is %+v", m)
			}
			want := []EventKind{EventConflict, EventLeave, EventJoin, EventMoved, EventConflictEnded}
			if name == "dead" {
				want = slices.Delete(want, 1, 2)
			}
			if got := kinds(out.Events); !slices.Equal(got, want) || !slices.Equal(verdicts(out.Events), []Verdict{VerdictMoved}) {
				t.Errorf("events %v, want %v", got, want)
			}
			if !n.AnyAlive() || n.present != 5 {
				t.Errorf("%d are present", n.present)
			}
		})
	}
}

// TestConflictIsContradictedUntilNewer: who claims what is not newer is told so each second, for as long as the check holds,
// and no more once the claim is newer.
func TestConflictIsContradictedUntilNewer(t *testing.T) {
	for _, refutes := range []bool{false, true} {
		n := newNode(t, nil).meet(5)
		n.alive(claimOf(1, 1))
		told := 0
		count := func(o *Output) {
			for _, p := range o.Packets {
				if _, ok := parse(t, p.Messages[0]).(*wire.Suspect); ok && p.To.AddrPort == memberAddr(1001) {
					told++
				}
			}
		}
		n.run(3500*time.Millisecond, count)
		want := 3
		if refutes {
			n.alive(claimOf(1, 2))
		} else {
			want = recheck
		}
		n.run(30*time.Second, count)
		if told != want || len(n.checks) != 0 {
			t.Errorf("refutes %v: told %d times, want %d; %d checks are left", refutes, told, want, len(n.checks))
		}
	}
}

// TestConflictNewerAtOnce: the newest of the claims is taken as soon as the check is over.
func TestConflictNewerAtOnce(t *testing.T) {
	n := newNode(t, nil).meet(5)
	n.alive(claimOf(1, 3))
	n.alive(claimOf(1, 5))
	n.alive(claimOf(1, 4))
	n.run(time.Second, func(*Output) {})
	if m, _ := n.Member("m1"); m.Addr != memberAddr(1001) || m.Incarnation != 5 {
		t.Errorf("member is %+v", m)
	}
}

// TestConflictIsBounded: however many names are claimed, and however often, few are asked for.
func TestConflictIsBounded(t *testing.T) {
	n := newNode(t, nil).meet(2 * maxChecks)
	for range 3 {
		for i := 1; i <= 2*maxChecks; i++ {
			n.Step(n.now, Endpoint{}, claimOf(i, 9))
		}
	}
	if out := n.take(); len(out.Packets) != maxChecks || len(n.checks) != maxChecks || n.NumTimers() != maxChecks {
		t.Errorf("%d packets, %d checks, %d timers", len(out.Packets), len(n.checks), n.NumTimers())
	}
	n.run(time.Minute, func(*Output) {})
	if len(n.checks) != 0 || n.NumTimers() != 0 {
		t.Errorf("%d checks, %d timers are left", len(n.checks), n.NumTimers())
	}
}
