package swim

import (
	"fmt"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLeadConfirms: nacks of all helpers that were asked in a round confirm a suspicion here, and are not gossiped as reports of theirs.
func TestLeadConfirms(t *testing.T) {
	n := newNode(t, detecting(func(d *Detector) { d.RefusalGrace = 2 * time.Second })).withMembers(99)
	seq := n.probingOf(1)
	out := n.tickTo(time.Second)
	n.want(1, StateSuspect, 1)
	helpers := questions(t, out)
	for name, q := range helpers {
		if q.SeqNo == seq {
			delete(helpers, name)
		}
	}
	if len(helpers) < 3 {
		t.Fatalf("%d helpers in the first round", len(helpers))
	}
	s := n.suspicions.of(n.table.named("m1"))
	if at := s.end().Sub(n.now); at < 40*time.Second {
		t.Fatalf("ends after %v without confirmations", at)
	}
	for _, q := range helpers {
		for range 5 {
			n.nackFrom(helpers, 2, wire.EvidenceNone)
		}
		if got := n.rounds[q.SeqNo].silent; got != 2 {
			t.Errorf("%d members got no answer, want each of two counted once", got)
		}
		break
	}
	n.nackFrom(helpers, len(helpers)-1, wire.EvidenceNone)
	if at := s.end().Sub(n.now); at < 40*time.Second {
		t.Errorf("ends after %v, though one helper is still to answer", at)
	}
	n.nackFrom(helpers, len(helpers), wire.EvidenceNone)
	if at := s.end().Sub(n.now); at != 8*time.Second {
		t.Errorf("ends after %v with nacks of all helpers, want the least time of 100 members", at)
	}
	for _, m := range n.queued() {
		if s, ok := m.(*wire.Suspect); ok && s.From != "self" {
			t.Errorf("gossiped %s", describe(m))
		}
	}
}

// TestLeadWithoutLeader: a suspicion that another member began is led by one whose own probe fails too, if the other leads nothing.
func TestLeadWithoutLeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(n *node)
		want bool
	}{
		{"led", func(n *node) {}, false},
		{"leader is dead", func(n *node) {
			n.suspect(2, 1, "m3")
			n.Step(fromMember(3), &wire.Dead{Incarnation: 1, Node: "m2", From: "m3"})
		}, true},
		{"leader is suspect", func(n *node) { n.suspect(2, 1, "m3") }, true},
		{"leader is of the reference", func(n *node) { n.view.note(n.table.named("m2"), 0) }, true},
		{"nobody", func(n *node) { n.suspicions.of(n.table.named("m1")).reporters[0] = unattributed }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, detecting(nil)).withMembers(20)
			n.know(20)
			n.suspect(1, 1, "m2")
			tt.do(n)
			n.take()
			n.probingOf(1)
			n.tickTo(time.Second)
			if got := n.suspicions.of(n.table.named("m1")).lead != nil; got != tt.want {
				t.Errorf("leads: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSilenceTimeout: silence ends a suspicion early if four members got no answer, three of them in the last round, while few
// members are suspected; a probe whose helpers all sent nacks ends early too.
func TestSilenceTimeout(t *testing.T) {
	silence := func(d *Detector) { d.SilenceTimeout = 4 * time.Second }
	run := func(t *testing.T, helpers, others int) State {
		n := newNode(t, detecting(silence)).withMembers(40).quick()
		for i := range others {
			n.suspect(30+i, 1, "m29")
		}
		n.probingOf(1)
		answer := func(o *Output) {
			for _, p := range o.Packets {
				q, ok := parse(t, p.Messages[0]).(*wire.IndirectPing)
				if !ok {
					continue
				}
				m, _ := n.Member(p.To.Name)
				if r := n.rounds[q.SeqNo]; r == nil || r.silent < helpers { // all nacks of the probe, some of each round
					n.Step(Endpoint{AddrPort: m.Addr}, &wire.Nack{SeqNo: q.SeqNo, Evidence: wire.EvidenceSilent})
				}
			}
		}
		n.run(200*time.Millisecond, answer)
		if m, _ := n.Member("m1"); m.State != StateSuspect {
			t.Errorf("%v, want a suspicion as soon as all nacks have come", m.State)
		}
		n.run(3700*time.Millisecond, answer)
		if m, _ := n.Member("m1"); m.State != StateSuspect {
			t.Errorf("%v before the time", m.State)
		}
		n.run(500*time.Millisecond, answer)
		m, _ := n.Member("m1")
		return m.State
	}
	for _, tt := range []struct {
		helpers, others int
		want            State
	}{{6, 0, StateDead}, {6, 1, StateDead}, {1, 0, StateSuspect}, {6, 4, StateSuspect}} {
		t.Run(fmt.Sprintf("%d helpers, %d other suspects", tt.helpers, tt.others), func(t *testing.T) {
			if got := run(t, tt.helpers, tt.others); got != tt.want {
				t.Errorf("it is %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLeadPingsToTheEnd: once a lead asks no others any more, it still pings the suspect, with the suspicion, every second.
func TestLeadPingsToTheEnd(t *testing.T) {
	n := newNode(t, detecting(nil)).withMembers(20)
	n.probingOf(1)
	n.tickTo(4 * time.Second)
	n.want(1, StateSuspect, 1)
	for second := 5; second < 8; second++ {
		pings := 0
		for _, p := range n.tickTo(time.Duration(second) * time.Second).Packets {
			switch m := parse(t, p.Messages[0]).(type) {
			case *wire.Ping:
				if p.To.Name == "m1" && len(p.Messages) == 2 {
					pings++
				}
			case *wire.IndirectPing:
				t.Errorf("asks %s about %s", p.To.Name, m.Node)
			}
		}
		if pings != 1 {
			t.Errorf("%d pings with the suspicion in a second", pings)
		}
	}
}
