package swim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// detecting is a configuration with all of Detector but for what a test changes.
func detecting(change func(*Detector)) func(*Config) {
	return func(c *Config) {
		c.Extensions = true
		c.Detector = Detector{AdaptiveTimeout: true, Refusals: true, Corroborate: true, CheckDead: true}
		if change != nil {
			change(&c.Detector)
		}
	}
}

// fromMember returns member i as the sender of a packet.
func fromMember(i int) Endpoint { return Endpoint{Name: memberName(i), AddrPort: memberAddr(i)} }

// probingOf starts a probe of member i, and returns its ping's sequence number.
func (n *node) probingOf(i int) uint32 {
	n.t.Helper()
	n.table.unprobed = slices.Index(n.table.order, n.table.named(memberName(i)).ID) + 1
	seq := probing(n.t, n)
	if n.probe.target.Name != memberName(i) {
		n.t.Fatalf("%s is probed, want member %d", n.probe.target.Name, i)
	}
	n.take()
	return seq
}

// quick makes round trips of 1 ms known, so that the time limit of a ping is leastTimeout.
func (n *node) quick() *node {
	for range roundTripsWanted {
		n.roundTrips.note(time.Millisecond)
	}
	return n
}

// questions returns the indirect pings of an output, by the name of the helper.
func questions(t *testing.T, out *Output) map[string]*wire.IndirectPing {
	t.Helper()
	found := make(map[string]*wire.IndirectPing)
	for _, p := range out.Packets {
		if i, ok := parse(t, p.Messages[0]).(*wire.IndirectPing); ok {
			found[p.To.Name] = i
		}
	}
	return found
}

// nackFrom lets some of the helpers that were asked answer with a nack.
func (n *node) nackFrom(helpers map[string]*wire.IndirectPing, count int, evidence uint8) {
	n.t.Helper()
	for i := 1; count > 0 && i < 200; i++ {
		if q := helpers[memberName(i)]; q != nil {
			n.Step(fromMember(i), &wire.Nack{SeqNo: q.SeqNo, Evidence: evidence})
			count--
		}
	}
	if count > 0 {
		n.t.Fatalf("%d helpers are missing", count)
	}
}

func TestRoundTrips(t *testing.T) {
	var r roundTrips
	for i := range roundTripsWanted {
		if _, ok := r.high(); ok {
			t.Errorf("a percentile of %d round trips", i)
		}
		r.note(time.Duration(10+i) * time.Millisecond)
	}
	if high, ok := r.high(); !ok || high != 16*time.Millisecond {
		t.Errorf("the second largest of 10 to 17 ms is %v, %v", high, ok)
	}
	r.note(-time.Second) // by a clock that goes back
	r.note(time.Hour)
	if high, _ := r.high(); high != 17*time.Millisecond {
		t.Errorf("after an hour: %v", high)
	}
	for range roundTripsKept {
		r.note(3 * time.Millisecond)
	}
	if high, _ := r.high(); high != 3*time.Millisecond {
		t.Errorf("old round trips count: %v", high)
	}
}

// TestPingTimeout: it follows round trips, between a minimum and ProbeTimeout, and health stretches it.
func TestPingTimeout(t *testing.T) {
	for _, tt := range []struct {
		trip   time.Duration
		health int
		want   time.Duration
	}{
		{time.Millisecond, 0, 50 * time.Millisecond},
		{30 * time.Millisecond, 0, 120 * time.Millisecond},
		{30 * time.Millisecond, 1, 240 * time.Millisecond},
		{30 * time.Millisecond, 7, 500 * time.Millisecond},
		{time.Second, 0, 500 * time.Millisecond},
	} {
		n := newNode(t, detecting(nil))
		for range roundTripsWanted {
			n.roundTrips.note(tt.trip)
		}
		n.awareness.score = tt.health
		if got := n.pingTimeout(); got != tt.want {
			t.Errorf("%v, score %d: %v, want %v", tt.trip, tt.health, got, tt.want)
		}
	}
	if got := newNode(t, nil).quick().pingTimeout(); got != 500*time.Millisecond {
		t.Errorf("%v without AdaptiveTimeout", got)
	}
}

// TestAdaptiveProbe: others are asked as soon as round trips allow; the probe itself lasts as long as ever. An ack of the target
// that is late, but within ProbeTimeout, is a round trip as any other; that of a helper is none.
func TestAdaptiveProbe(t *testing.T) {
	begin := func() (*node, uint32) {
		n := newNode(t, detecting(nil)).withMembers(5).quick()
		return n, n.probingOf(1)
	}
	n, seq := begin()
	if out := n.tickTo(50 * time.Millisecond); len(questions(t, out)) != 3 || len(out.Streams) != 1 {
		t.Fatalf("%+v, want 3 indirect pings and a stream", out)
	}
	n.after(50*time.Millisecond).Step(fromMember(1), ackOf(seq))
	out := n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventPingComplete}) || out.Events[0].RTT != 100*time.Millisecond {
		t.Errorf("late ack: events %+v", out.Events)
	}

	n, seq = begin()
	out = n.tickTo(100 * time.Millisecond)
	for helper := range questions(t, out) {
		m, _ := n.Member(helper)
		n.Step(Endpoint{AddrPort: m.Addr}, ackOf(seq))
		break
	}
	if out := n.take(); !slices.Equal(kinds(out.Events), []EventKind{EventUnanswered}) || n.probe.target != nil {
		t.Errorf("relayed ack: events %+v", out.Events)
	}

	n, _ = begin()
	if out := n.tickTo(time.Second - 1); slices.Contains(kinds(out.Events), EventSuspect) {
		t.Error("suspected before the end of the interval")
	}
	if out := n.tickTo(time.Second); !slices.Contains(kinds(out.Events), EventSuspect) {
		t.Error("not suspected at the end of the interval")
	}
}

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

// TestLeadConfirms: nacks of helpers confirm a suspicion here, and are not gossiped as reports of theirs.
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
	n.nackFrom(helpers, 2, wire.EvidenceNone)
	if at := s.end().Sub(n.now); at != 8*time.Second {
		t.Errorf("ends after %v with two confirmations, want the least time of 100 members", at)
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
