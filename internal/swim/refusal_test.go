package swim

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// refusedProbe returns a node whose probe of member 1 found its address to refuse streams, and the helpers that were asked to try
// one too.
func refusedProbe(t *testing.T, members int, change func(*Detector)) (*node, map[string]*wire.IndirectPing) {
	t.Helper()
	n := newNode(t, detecting(change)).withMembers(members).quick()
	seq := n.probingOf(1)
	n.tickTo(50 * time.Millisecond)
	n.StreamRefused(seq)
	return n, questions(t, n.take())
}

// TestRefusedProbe: helpers are asked for streams once ours is refused. A probe ends early when three members are refused, or all
// of a small cluster, and not if any reached the target.
func TestRefusedProbe(t *testing.T) {
	noGrace := func(d *Detector) { d.RefusalGrace = 0 }
	for _, tt := range []struct {
		name           string
		members        int
		asked, refused int
		dead           bool
	}{
		{"two members", 1, 0, 0, true},
		{"three members, unanswered", 2, 1, 0, false},
		{"three members", 2, 1, 1, true},
		{"six members, one helper", 5, 4, 1, false},
		{"six members, two helpers", 5, 4, 2, true},
		{"many members, two helpers", 30, 4, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, helpers := refusedProbe(t, tt.members, noGrace)
			if len(helpers) != tt.asked {
				t.Fatalf("%d helpers are asked for streams, want %d", len(helpers), tt.asked)
			}
			for name, q := range helpers {
				if !q.Dial || !q.Nack {
					t.Errorf("%s is asked %+v", name, q)
				}
			}
			n.nackFrom(helpers, tt.refused, wire.EvidenceRefused)
			if m, _ := n.Member("m1"); (m.State == StateDead) != tt.dead {
				t.Errorf("it is %v, want dead: %v", m.State, tt.dead)
			}
			if score := n.take().Health; score != 0 {
				t.Errorf("health score %d: the helpers answered", score)
			}
		})
	}

	t.Run("a helper's stream was opened", func(t *testing.T) {
		n, helpers := refusedProbe(t, 30, noGrace)
		n.nackFrom(helpers, 1, wire.EvidenceConnected)
		n.nackFrom(helpers, 4, wire.EvidenceRefused)
		n.want(1, StateAlive, 1)
	})
	t.Run("this member is late", func(t *testing.T) { // an ack may be here unread
		n, helpers := refusedProbe(t, 30, noGrace)
		n.cfg.LateAfter = LateAfter(n.cfg.ProbeTimeout)
		n.Waited(time.Second)
		n.nackFrom(helpers, 4, wire.EvidenceRefused)
		n.want(1, StateAlive, 1)
	})
	t.Run("our stream was opened", func(t *testing.T) {
		n := newNode(t, detecting(noGrace)).withMembers(1).quick()
		seq := n.probingOf(1)
		n.tickTo(50 * time.Millisecond)
		n.StreamOpened(seq)
		n.StreamRefused(seq) // the two exclude each other, but for a bug
		n.want(1, StateAlive, 1)
	})
	t.Run("nacks of strangers and repeats", func(t *testing.T) {
		n, helpers := refusedProbe(t, 30, noGrace)
		for i := 1; i < 31; i++ {
			if q := helpers[memberName(i)]; q != nil {
				for range 5 {
					n.Step(fromMember(i), &wire.Nack{SeqNo: q.SeqNo, Evidence: wire.EvidenceRefused})
					n.Step(Endpoint{AddrPort: memberAddr(1000)}, &wire.Nack{SeqNo: q.SeqNo, Evidence: wire.EvidenceRefused})
				}
				break
			}
		}
		n.want(1, StateAlive, 1)
	})
	t.Run("off", func(t *testing.T) {
		n, helpers := refusedProbe(t, 30, func(d *Detector) { *d = Detector{AdaptiveTimeout: true} })
		if len(helpers) != 0 {
			t.Errorf("%v are asked", helpers)
		}
		n.want(1, StateAlive, 1)
	})
}

// TestRefusalGrace: refusals count only in rounds that begin after the grace. A stream that is opened, or an ack, ends all that.
func TestRefusalGrace(t *testing.T) {
	grace := func(d *Detector) { d.RefusalGrace = 2 * time.Second }
	begin := func() *node {
		n, helpers := refusedProbe(t, 30, grace)
		n.nackFrom(helpers, 2, wire.EvidenceRefused)
		n.want(1, StateSuspect, 1)
		return n
	}
	const since = 50 * time.Millisecond // the suspicion began
	round := func(n *node, at time.Duration, dials bool) (seq uint32, helpers map[string]*wire.IndirectPing) {
		t.Helper()
		out := n.tickTo(since + at)
		helpers = make(map[string]*wire.IndirectPing)
		for _, s := range out.Streams {
			seq = s.Seq
		}
		for name, q := range questions(t, out) {
			if q.SeqNo == seq {
				helpers[name] = q
			}
		}
		for name, q := range helpers {
			if q.Dial != dials {
				t.Errorf("after %v %s is asked for a stream: %v", at, name, q.Dial)
			}
		}
		if len(helpers) != roundHelpers || seq == 0 {
			t.Fatalf("after %v: %d helpers, ping %d", at, len(helpers), seq)
		}
		return seq, helpers
	}

	n := begin()
	seq, helpers := round(n, time.Second, false)
	n.StreamRefused(seq)
	n.nackFrom(helpers, 6, wire.EvidenceNone)
	n.want(1, StateSuspect, 1)
	seq, helpers = round(n, 2*time.Second, true)
	n.StreamRefused(seq)
	n.nackFrom(helpers, 1, wire.EvidenceRefused)
	n.want(1, StateSuspect, 1)
	n.take()
	n.nackFrom(helpers, 2, wire.EvidenceRefused)
	n.want(1, StateDead, 1)
	if got := kinds(n.take().Events); !slices.Equal(got, []EventKind{EventRefused, EventLeave}) {
		t.Errorf("events %v", got)
	}
	if len(n.rounds) != 0 {
		t.Errorf("%d rounds are left", len(n.rounds))
	}

	for _, tt := range []struct {
		name string
		ends func(n *node, seq uint32, helpers map[string]*wire.IndirectPing)
	}{
		{"our stream is opened", func(n *node, seq uint32, _ map[string]*wire.IndirectPing) { n.StreamOpened(seq) }},
		{"an ack", func(n *node, seq uint32, _ map[string]*wire.IndirectPing) { n.Step(fromMember(1), ackOf(seq)) }},
		{"a helper's stream is opened", func(n *node, _ uint32, helpers map[string]*wire.IndirectPing) {
			n.nackFrom(helpers, 1, wire.EvidenceConnected)
		}},
		{"it refutes", func(n *node, _ uint32, _ map[string]*wire.IndirectPing) { n.alive(aliveOf(1, 2)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := begin()
			seq, helpers := round(n, time.Second, false)
			tt.ends(n, seq, helpers)
			n.StreamRefused(seq)
			if len(n.rounds) != 0 {
				t.Errorf("%d rounds go on", len(n.rounds))
			}
			if out := n.tickTo(5 * time.Second); len(out.Streams) != 0 {
				t.Errorf("streams %v", out.Streams)
			}
			if m, _ := n.Member("m1"); m.State.IsDown() {
				t.Error("it is dead before Lifeguard's time")
			}
		})
	}
}

// TestRefusalsOfConnections: where packets travel on connections a probe tries no stream, as its own packet would be refused. Who leads a
// suspicion does, and asks others to.
func TestRefusalsOfConnections(t *testing.T) {
	connections := func(grace time.Duration) *node {
		return newNode(t, func(c *Config) {
			detecting(func(d *Detector) { d.RefusalGrace = grace })(c)
			c.PacketsAreStreams = true
		}).withMembers(30).quick()
	}

	n := connections(0)
	seq := n.probingOf(1)
	n.SendFailed(seq, errors.New("connection refused"))
	n.StreamRefused(seq)
	out := n.take()
	asked := questions(t, out)
	maps.DeleteFunc(asked, func(_ string, q *wire.IndirectPing) bool { return !q.Dial })
	if len(asked) != probeHelpers || len(out.Streams) != 0 {
		t.Fatalf("%d members are asked for a stream, and %d are tried", len(asked), len(out.Streams))
	}
	n.nackFrom(asked, 2, wire.EvidenceRefused)
	n.want(1, StateDead, 1)

	n = connections(2 * time.Second)
	n.probingOf(1)
	if out := n.tickTo(999 * time.Millisecond); len(out.Streams) != 0 {
		t.Errorf("a probe tries streams: %+v", out.Streams)
	}
	out = n.tickTo(time.Second)
	n.want(1, StateSuspect, 1)
	if len(out.Streams) != 1 {
		t.Fatalf("who leads a suspicion tries %d streams", len(out.Streams))
	}
	n.StreamRefused(out.Streams[0].Seq)
	out = n.tickTo(3 * time.Second)
	seq = out.Streams[len(out.Streams)-1].Seq
	asked = questions(t, out)
	maps.DeleteFunc(asked, func(_ string, q *wire.IndirectPing) bool { return q.SeqNo != seq || !q.Dial })
	n.StreamRefused(seq)
	n.nackFrom(asked, 2, wire.EvidenceRefused)
	n.want(1, StateDead, 1)
}

// TestDialOnRequest: a helper tries a stream to a known member, says what became of it, and tries no more than two a second.
func TestDialOnRequest(t *testing.T) {
	ask := func(n *node, target int, name string) *Output {
		n.Step(fromMember(1), &wire.IndirectPing{SeqNo: 77, Target: memberAddr(target).Addr().AsSlice(), Port: 7946, Node: name,
			Nack: true, Dial: true, SourceAddr: memberAddr(1).Addr().AsSlice(), SourcePort: 7946, SourceNode: "m1"})
		return n.take()
	}
	nacks := func(t *testing.T, out *Output) (evidence []uint8) {
		t.Helper()
		for _, p := range out.Packets {
			if nack, ok := parse(t, p.Messages[0]).(*wire.Nack); ok && nack.SeqNo == 77 {
				evidence = append(evidence, nack.Evidence)
			}
		}
		return evidence
	}
	for _, tt := range []struct {
		name   string
		do     func(n *node, seq uint32)
		atOnce bool
		want   uint8
	}{
		{"refused", func(n *node, seq uint32) { n.StreamRefused(seq) }, true, wire.EvidenceRefused},
		{"opened", func(n *node, seq uint32) { n.StreamOpened(seq) }, false, wire.EvidenceConnected},
		{"silent", func(*node, uint32) {}, false, wire.EvidenceSilent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, detecting(nil)).withMembers(3).quick()
			out := ask(n, 2, "m2")
			if len(out.Streams) != 1 || out.Streams[0].Kind != StreamPing || out.Streams[0].To.Name != "m2" {
				t.Fatalf("streams %+v", out.Streams)
			}
			tt.do(n, out.Streams[0].Seq)
			if got := nacks(t, n.take()); tt.atOnce != slices.Equal(got, []uint8{tt.want}) {
				t.Errorf("nacks at once: %v", got)
			}
			got := nacks(t, n.tickTo(time.Second))
			if !tt.atOnce && !slices.Equal(got, []uint8{tt.want}) || tt.atOnce && len(got) != 0 {
				t.Errorf("nacks later: %v", got)
			}
		})
	}
	t.Run("another name at the address", func(t *testing.T) {
		if out := ask(newNode(t, detecting(nil)).withMembers(3), 2, "m3"); len(out.Streams) != 0 {
			t.Errorf("streams %+v", out.Streams)
		}
	})
	t.Run("a member that knows no pings on streams", func(t *testing.T) {
		n := newNode(t, detecting(nil)).withMembers(3)
		n.table.named("m2").Versions = Versions{1, protocolStreamPing - 1, 2}
		if out := ask(n, 2, "m2"); len(out.Streams) != 0 {
			t.Errorf("streams %+v", out.Streams)
		}
		if got := nacks(t, n.tickTo(time.Second)); !slices.Equal(got, []uint8{wire.EvidenceNone}) {
			t.Errorf("nacks %v", got)
		}
	})
	t.Run("an unknown address", func(t *testing.T) {
		if out := ask(newNode(t, detecting(nil)).withMembers(3), 9, "m9"); len(out.Streams)+len(out.Packets) != 0 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("off", func(t *testing.T) {
		n := newNode(t, nil).withMembers(3)
		if out := ask(n, 2, "m2"); len(out.Streams) != 0 || len(out.Packets) != 1 {
			t.Errorf("%+v, want a ping", out)
		}
		if got := nacks(t, n.tickTo(time.Second)); !slices.Equal(got, []uint8{wire.EvidenceNone}) {
			t.Errorf("nacks %v", got)
		}
	})
	t.Run("many", func(t *testing.T) {
		n, dials := newNode(t, detecting(nil)).withMembers(3), 0
		for range 100 {
			dials += len(ask(n, 2, "m2").Streams)
			n.after(100 * time.Millisecond)
		}
		if dials < 20 || dials > 8+20 {
			t.Errorf("%d streams in 10 s", dials)
		}
	})
}
