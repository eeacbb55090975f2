package swim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// probing starts a probe of member 1, which is the next to be probed, and returns its ping's sequence number.
func probing(t *testing.T, n *node) uint32 {
	t.Helper()
	n.probe.start(n.Turn)
	if n.probe.target == nil {
		t.Fatal("nothing is probed")
	}
	return n.probe.seq
}

// tickTo ticks at every deadline up to a time after the start of the test.
func (n *node) tickTo(at time.Duration) *Output {
	n.t.Helper()
	all := new(Output)
	n.run(testStart.Add(at).Sub(n.now), func(o *Output) {
		all.Packets = append(all.Packets, o.Packets...)
		all.Streams = append(all.Streams, o.Streams...)
		all.Events = append(all.Events, o.Events...)
		all.Pings = append(all.Pings, o.Pings...)
		all.Counts.DegradedProbes += o.Counts.DegradedProbes
		all.Counts.DegradedTimeouts += o.Counts.DegradedTimeouts
		all.Health = o.Health
		o.bytes, o.pieces = nil, nil // keep the messages
	})
	return all
}

func ackOf(seq uint32) *wire.Ack { return &wire.Ack{SeqNo: seq, Payload: []byte("payload")} }

func TestProbeAcked(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.awareness.score = 3
	seq := probing(t, n)
	out := n.take()
	if len(out.Packets) != 1 || out.Packets[0].Ping != seq || out.Packets[0].To.Name != "m1" || !out.Packets[0].Features.Has(wire.FeatureChecksum) {
		t.Fatalf("packets %+v, want one ping of m1 with a checksum", out.Packets)
	}
	if out.Packets[0].Room != 0 {
		t.Error("a ping waits for user broadcasts")
	}
	ping := parse(t, out.Packets[0].Messages[0]).(*wire.Ping)
	if ping.SeqNo != seq || ping.Node != "m1" || ping.SourceNode != "self" || ping.SourcePort != 7946 {
		t.Errorf("ping %+v", ping)
	}
	n.after(30*time.Millisecond).Step(Endpoint{}, ackOf(seq))
	out = n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventPingComplete}) {
		t.Fatalf("events %v, want a completed ping", got)
	}
	if e := out.Events[0]; e.RTT != 30*time.Millisecond || string(e.Payload) != "payload" || e.Member.Name != "m1" {
		t.Errorf("completed %+v", e)
	}
	if out.Health != 2 {
		t.Errorf("health score %d after a success, want 2", out.Health)
	}
	if out := n.tickTo(time.Minute); len(out.Events)+len(out.Streams) != 0 {
		t.Errorf("an acked probe goes on: %+v", out)
	}
}

// TestClockThatGoesBack: no round-trip time of any ping is negative.
func TestClockThatGoesBack(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	seq := probing(t, n)
	n.take()
	n.after(-time.Second).Step(Endpoint{}, ackOf(seq))
	out := n.take()
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventPingComplete}) || out.Events[0].RTT != 0 {
		t.Errorf("events %+v, want a ping that took no time", out.Events)
	}
}

func TestProbeTimeline(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	n.table.unprobed = slices.Index(n.table.order, n.table.named("m1").ID) + 1
	seq := probing(t, n)
	n.take()

	if out := n.tickTo(500*time.Millisecond - 1); len(out.Packets) != 0 {
		t.Fatalf("packets %v before the timeout", out.Packets)
	}
	out := n.tickTo(500 * time.Millisecond)
	if len(out.Packets) != 3 || len(out.Streams) != 1 {
		t.Fatalf("%d packets, %d streams at the timeout; want 3 and 1", len(out.Packets), len(out.Streams))
	}
	helpers := map[string]bool{}
	for _, p := range out.Packets {
		helpers[p.To.Name] = true
		i := parse(t, p.Messages[0]).(*wire.IndirectPing)
		if i.SeqNo != seq || i.Node != "m1" || !i.Nack || i.Port != 7946 || i.SourceNode != "self" {
			t.Errorf("indirect ping %+v", i)
		}
	}
	if len(helpers) != 3 || helpers["m1"] || helpers["self"] {
		t.Errorf("helpers %v, want 3 others", helpers)
	}
	s := out.Streams[0]
	if s.Kind != StreamPing || s.To.Name != "m1" || s.Seq != seq || !s.Deadline.Equal(testStart.Add(time.Second)) {
		t.Errorf("stream %+v", s)
	}
	if out := n.tickTo(time.Second - 1); len(out.Events) != 0 {
		t.Fatalf("events %v before the end", out.Events)
	}
	out = n.tickTo(time.Second)
	if got := kinds(out.Events); !slices.Equal(got, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}) {
		t.Errorf("events %v, want a suspicion", got)
	}
	n.want(1, StateSuspect, 1)
	if out.Health != 3 {
		t.Errorf("health score %d, want 3: no nack of 3 came", out.Health)
	}
}

func TestProbeOutcome(t *testing.T) {
	const late = 700 * time.Millisecond
	for _, tt := range []struct {
		name    string
		members int
		pmax    uint8
		do      func(n *node, seq uint32)
		health  int // from 4
		failed  bool
		events  []EventKind
	}{
		{"no nacks", 4, 5, func(*node, uint32) {}, 7, true, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"all nacks", 4, 5, func(n *node, seq uint32) {
			for range 3 {
				n.Step(Endpoint{}, &wire.Nack{SeqNo: seq})
			}
		}, 4, true, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"one nack", 4, 5, func(n *node, seq uint32) { n.Step(Endpoint{}, &wire.Nack{SeqNo: seq}) }, 6, true,
			[]EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"more nacks than wanted", 4, 5, func(n *node, seq uint32) {
			for range 9 {
				n.Step(Endpoint{}, &wire.Nack{SeqNo: seq})
			}
		}, 4, true, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"no helper", 1, 5, func(*node, uint32) {}, 5, true, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"helpers too old to nack", 4, 3, func(*node, uint32) {}, 5, true, []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"relayed ack", 4, 5, func(n *node, seq uint32) { n.Step(Endpoint{}, ackOf(seq)) }, 3, false,
			[]EventKind{EventUnanswered}},
		{"stream answers", 4, 5, func(n *node, seq uint32) { n.StreamPingDone(seq) }, 3, false,
			[]EventKind{EventUnanswered, EventStreamOnly}},
		{"stream answers, and an ack comes", 4, 5, func(n *node, seq uint32) {
			n.StreamPingDone(seq)
			n.Step(Endpoint{}, ackOf(seq))
		}, 3, false, []EventKind{EventUnanswered}},
		{"ack of another ping", 1, 5, func(n *node, seq uint32) { n.Step(Endpoint{}, ackOf(seq+1)) }, 5, true,
			[]EventKind{EventUnanswered, EventProbeFailed, EventSuspect}},
		{"target refuted meanwhile", 1, 5, func(n *node, _ uint32) { n.Step(Endpoint{}, aliveOf(1, 2)) }, 5, false,
			[]EventKind{EventUnanswered, EventProbeFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.ProbeInterval = 200 * time.Millisecond })
			for i := 1; i <= tt.members; i++ {
				a := aliveOf(i, 1)
				a.Vsn = []byte{1, tt.pmax, 2, 0, 0, 0}
				n.alive(a)
			}
			n.table.unprobed = slices.Index(n.table.order, n.table.named("m1").ID) + 1
			n.awareness.score = 4 // the interval is 1 s
			seq := probing(t, n)
			if got := n.take().Counts.DegradedProbes; got != 1 {
				t.Errorf("%d degraded probes counted, want 1", got)
			}
			n.tickTo(late)
			tt.do(n, seq)
			events := kinds(n.take().Events)
			out := n.tickTo(time.Second)
			events = append(events, kinds(out.Events)...)
			if !slices.Equal(events, tt.events) {
				t.Errorf("events %v, want %v", events, tt.events)
			}
			if n.awareness.score != tt.health {
				t.Errorf("health score %d, want %d", n.awareness.score, tt.health)
			}
			if m, _ := n.Member("m1"); (m.State == StateSuspect) != tt.failed {
				t.Errorf("member is %v", m.State)
			}
			if n.probe.target != nil {
				t.Error("the probe goes on")
			}
		})
	}
}

func TestProbeOfSuspectTellsIt(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.suspect(1, 1, "m2")
	probing(t, n)
	p := n.take().Packets[0]
	got := ""
	for _, m := range p.Messages {
		got += describe(parse(t, m)) + "; "
	}
	if want := "ping m1; suspect m1@1 by self; "; got != want {
		t.Errorf("sends %q, want %q", got, want)
	}
}

func TestProbePicksNoStreamForOldMembers(t *testing.T) {
	n := newNode(t, nil)
	a := aliveOf(1, 1)
	a.Vsn = []byte{1, 2, 2, 0, 0, 0}
	n.alive(a)
	probing(t, n)
	if out := n.tickTo(500 * time.Millisecond); len(out.Streams) != 0 {
		t.Errorf("streams %v to a member of version 2", out.Streams)
	}
}

func TestSendFailures(t *testing.T) {
	n := newNode(t, nil).withMembers(4)
	seq := probing(t, n)
	n.take()
	n.SendFailed(seq, errTest)
	if out := n.take(); len(out.Packets) != 3 || len(out.Streams) != 1 {
		t.Errorf("%d packets, %d streams at once; want the indirect part", len(out.Packets), len(out.Streams))
	}
	n.SendFailed(seq, errTest) // again: the indirect pings have been sent
	if out := n.take(); len(out.Packets) != 0 {
		t.Error("indirect part begun twice")
	}
}

// TestProbeLastsAsLongAsItsParts: the indirect part lasts as long as the direct one, whatever the ratio of
// ProbeTimeout to ProbeInterval.
func TestProbeLastsAsLongAsItsParts(t *testing.T) {
	for _, timeout := range []time.Duration{300 * time.Millisecond, 800 * time.Millisecond, time.Second, 3 * time.Second} {
		n := newNode(t, func(c *Config) { c.ProbeTimeout = timeout }).withMembers(4)
		probing(t, n)
		n.take()
		out := n.tickTo(timeout)
		if len(out.Packets) != 3 || len(out.Streams) != 1 {
			t.Fatalf("ProbeTimeout %v: %d packets, %d streams after the direct part", timeout, len(out.Packets), len(out.Streams))
		}
		ends := max(time.Second, 2*timeout)
		if at := out.Streams[0].Deadline.Sub(testStart); at != ends {
			t.Errorf("ProbeTimeout %v: the stream has until %v, want %v", timeout, at, ends)
		}
		if out := n.tickTo(ends - 1); len(out.Events) != 0 {
			t.Errorf("ProbeTimeout %v: it ends early: %v", timeout, kinds(out.Events))
		}
		if out := n.tickTo(ends); !slices.Equal(kinds(out.Events), []EventKind{EventUnanswered, EventProbeFailed, EventSuspect}) {
			t.Errorf("ProbeTimeout %v: it ends with %v", timeout, kinds(out.Events))
		}
	}
}

// TestMissedTicksCollapse: the ticks that pass during a stretched probe are made up for by one probe, at once.
func TestMissedTicksCollapse(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipInterval, c.PushPullInterval = 0, 0 }).withMembers(3)
	n.Start()
	begun := func() uint32 { return n.probe.seq }
	for n.probe.target == nil {
		at, _ := n.NextDeadline()
		n.now = at
		n.Tick()
	}
	n.awareness.score = 0
	first := begun()
	n.probe.ends = n.now.Add(3500 * time.Millisecond)
	n.deadlines.set(&n.probe.end, n.probe.ends)
	n.run(3500*time.Millisecond-1, func(*Output) {})
	if begun() != first || !n.probe.missedTick {
		t.Fatal("a second probe began while one was under way")
	}
	n.run(1, func(*Output) {})
	if n.probe.target == nil || begun() == first {
		t.Error("the next one does not begin at once")
	}
}

func TestRoundRobin(t *testing.T) {
	n := newNode(t, nil).withMembers(6)
	n.dead(5, 1, "m1")
	n.dead(6, 1, "m6")
	for round := range 5 {
		n.table.unprobed = 0 // a new round
		probed := map[string]int{}
		for range 4 {
			probed[n.probe.next(n.Turn).Name]++
		}
		if len(probed) != 4 || probed["m5"]+probed["m6"]+probed["self"] != 0 {
			t.Errorf("round %d probes %v, want each living member but us once", round, probed)
		}
	}
}

// TestNewcomersPutNobodyOff: each member is probed in time while as many join as are probed (SWIM section 4.3): each
// newcomer is put at a random place of the round.
func TestNewcomersPutNobodyOff(t *testing.T) {
	table := newTable()
	random := rand.New(rand.NewPCG(1, 2))
	const old, rounds = 50, 200
	for i := range old {
		table.add(fmt.Sprint("old", i), address{}, random.IntN)
	}
	last := map[ID]int{}
	for step := range old * rounds {
		if table.unprobed == 0 {
			table.shuffle(random)
		}
		table.unprobed--
		last[table.order[table.unprobed]] = step
		gone := table.named(fmt.Sprint("new", step-old)) // as many leave as join
		if gone != nil {
			table.remove(gone)
			table.leaveOrder()
		}
		table.add(fmt.Sprint("new", step), address{}, random.IntN)
		if step < 4*old {
			continue
		}
		for id := range ID(old) {
			if since := step - last[id]; since > 8*old {
				t.Fatalf("step %d: member %d was not probed for %d steps; there are %d members", step, id, since, table.len())
			}
		}
	}
}

func TestNobodyToProbe(t *testing.T) {
	n := newNode(t, nil)
	n.probe.start(n.Turn)
	if n.probe.target != nil {
		t.Error("the node probes itself")
	}
}

func TestRelay(t *testing.T) {
	asked := &wire.IndirectPing{SeqNo: 77, Target: memberAddr(2).Addr().AsSlice(), Port: 7946, Node: "m2", Nack: true,
		SourceAddr: memberAddr(1).Addr().AsSlice(), SourcePort: 7946, SourceNode: "m1"}
	begin := func(t *testing.T, change func(*wire.IndirectPing)) (*node, uint32) {
		n := newNode(t, nil).withMembers(2)
		n.queued()
		i := *asked
		if change != nil {
			change(&i)
		}
		n.Step(Endpoint{Text: "sender"}, &i)
		out := n.take()
		if len(out.Packets) != 1 || out.Packets[0].To.AddrPort != memberAddr(2) {
			t.Fatalf("packets %+v, want one to the target", out.Packets)
		}
		ping := parse(t, out.Packets[0].Messages[0]).(*wire.Ping)
		if ping.Node != "m2" || ping.SourceNode != "self" || ping.SeqNo == 77 {
			t.Errorf("ping %+v", ping)
		}
		return n, ping.SeqNo
	}
	answer := func(t *testing.T, out *Output) string {
		t.Helper()
		if len(out.Packets) != 1 {
			t.Fatalf("%d packets, want an answer", len(out.Packets))
		}
		return describe(parse(t, out.Packets[0].Messages[0])) + " to " + out.Packets[0].To.AddrPort.String() + out.Packets[0].To.Text
	}
	t.Run("ack", func(t *testing.T) {
		n, seq := begin(t, nil)
		n.Step(Endpoint{}, ackOf(seq))
		if got, want := answer(t, n.take()), "ack 77 to 10.0.0.1:7946"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if out := n.tickTo(time.Minute); len(out.Packets) != 0 {
			t.Error("a nack follows the ack")
		}
	})
	t.Run("nack", func(t *testing.T) {
		n, seq := begin(t, nil)
		if out := n.tickTo(400*time.Millisecond - 1); len(out.Packets) != 0 {
			t.Error("nack before 80 % of the timeout")
		}
		if got, want := answer(t, n.tickTo(400*time.Millisecond)), "nack 77 to 10.0.0.1:7946"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		n.Step(Endpoint{}, ackOf(seq)) // it is relayed anyway
		if got, want := answer(t, n.take()), "ack 77 to 10.0.0.1:7946"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		n, _ = begin(t, nil)
		if out := n.tickTo(time.Minute); len(out.Packets) != 1 || len(n.relays) != 0 || n.NumTimers() != 0 {
			t.Errorf("%d packets; %d relays, %d timers are left", len(out.Packets), len(n.relays), n.NumTimers())
		}
	})
	t.Run("no nack wanted", func(t *testing.T) {
		n, _ := begin(t, func(i *wire.IndirectPing) { i.Nack = false })
		if out := n.tickTo(time.Minute); len(out.Packets) != 0 {
			t.Error("nack though none was wanted")
		}
	})
	t.Run("to the sender", func(t *testing.T) {
		n, seq := begin(t, func(i *wire.IndirectPing) { i.SourceAddr = nil })
		n.Step(Endpoint{}, ackOf(seq))
		if got, want := answer(t, n.take()), "ack 77 to invalid AddrPortsender"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("default port", func(t *testing.T) { begin(t, func(i *wire.IndirectPing) { i.Port = 0 }) })
	t.Run("bad", func(t *testing.T) {
		n := newNode(t, func(c *Config) { c.Allowed = memberPrefix.Contains }).withMembers(1)
		for _, change := range []func(*wire.IndirectPing){
			func(i *wire.IndirectPing) { i.Target = nil },
			func(i *wire.IndirectPing) { i.Target = []byte{1, 2, 3} },
			func(i *wire.IndirectPing) { i.Target = []byte{192, 168, 0, 1} },
			func(i *wire.IndirectPing) { i.SourceAddr = []byte{192, 168, 0, 1} },
			func(i *wire.IndirectPing) { i.SourceAddr = []byte{1} },
			func(i *wire.IndirectPing) { i.Node = string(make([]byte, MaxName+1)) },
		} {
			i := *asked
			change(&i)
			n.Step(Endpoint{}, &i)
			if out := n.take(); len(out.Packets) != 0 || out.Counts.Drops == [numDrops]int{} {
				t.Errorf("%+v is served, or not counted", i)
			}
		}
	})
	t.Run("bounded", func(t *testing.T) {
		n := newNode(t, nil).withMembers(2)
		for range MaxRelays + 10 {
			n.Step(Endpoint{}, asked)
		}
		if out := n.take(); out.Counts.Drops[DropBusy] != 10 || len(n.relays) != MaxRelays {
			t.Errorf("%d refused, %d under way", out.Counts.Drops[DropBusy], len(n.relays))
		}
		n.tickTo(time.Minute)
		if len(n.relays) != 0 {
			t.Errorf("%d still under way", len(n.relays))
		}
	})
}

func TestAnswerPing(t *testing.T) {
	from := Endpoint{AddrPort: memberAddr(9)}
	for _, tt := range []struct {
		name string
		ping wire.Ping
		want string // address, or empty
	}{
		{"to the source", wire.Ping{SeqNo: 5, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946}, "10.0.0.1:7946"},
		{"unknown source", wire.Ping{SeqNo: 5, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 1}, "10.0.0.9:7946"},
		{"to the sender", wire.Ping{SeqNo: 5, Node: "self"}, "10.0.0.9:7946"},
		{"no source port", wire.Ping{SeqNo: 5, Node: "self", SourceAddr: []byte{10, 0, 0, 1}}, "10.0.0.9:7946"},
		{"no name", wire.Ping{SeqNo: 5}, "10.0.0.9:7946"},
		{"another's name", wire.Ping{SeqNo: 5, Node: "other"}, ""},
		{"source not allowed", wire.Ping{SeqNo: 5, SourceAddr: []byte{8, 8, 8, 8}, SourcePort: 1}, ""},
		{"bad source", wire.Ping{SeqNo: 5, SourceAddr: []byte{8, 8, 8}, SourcePort: 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Allowed = memberPrefix.Contains }).withMembers(9)
			n.queued()
			n.StepPing(from, &tt.ping, []byte("payload"))
			out := n.take()
			if tt.want == "" {
				if len(out.Packets) != 0 {
					t.Fatalf("answered to %v", out.Packets[0].To)
				}
				return
			}
			if len(out.Packets) != 1 || out.Packets[0].To.AddrPort.String() != tt.want {
				t.Fatalf("packets %+v, want one to %s", out.Packets, tt.want)
			}
			ack := parse(t, out.Packets[0].Messages[0]).(*wire.Ack)
			if ack.SeqNo != 5 || string(ack.Payload) != "payload" {
				t.Errorf("ack %+v", ack)
			}
		})
	}
}

func TestUserPing(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	seq := n.Ping(Endpoint{Name: "m1", AddrPort: memberAddr(1)})
	n.after(time.Millisecond).Step(Endpoint{}, ackOf(seq))
	if got := n.take().Pings; !slices.Equal(got, []PingResult{{Seq: seq, RTT: time.Millisecond, OK: true}}) {
		t.Errorf("results %v", got)
	}
	seq = n.Ping(Endpoint{Name: "m1", AddrPort: memberAddr(1)})
	if got := n.tickTo(time.Second).Pings; !slices.Equal(got, []PingResult{{Seq: seq}}) {
		t.Errorf("results %v, want a failure", got)
	}
	seq = n.Ping(Endpoint{Name: "m1", AddrPort: memberAddr(1)})
	n.SendFailed(seq, errTest)
	if got := n.take().Pings; !slices.Equal(got, []PingResult{{Seq: seq, Err: errTest}}) {
		t.Errorf("results %v, want the error", got)
	}
	n.Step(Endpoint{}, ackOf(seq))
	if got := n.take().Pings; len(got) != 0 || len(n.pings) != 0 {
		t.Errorf("results %v, %d pings left", got, len(n.pings))
	}
}

// TestUnansweredPingIsTold: a direct ping without an answer in time is an event, even if others reach the member; an
// answer in time is not.
func TestUnansweredPingIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  []EventKind
	}{
		{"in time", 100 * time.Millisecond, []EventKind{EventPingComplete}},
		{"late, or through others", 700 * time.Millisecond, []EventKind{EventUnanswered}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(3)
			n.probe.begin(n.Turn, n.table.named("m1"))
			seq := n.take().Packets[0].Ping
			n.after(tt.after)
			n.Tick()
			n.Step(Endpoint{AddrPort: memberAddr(1)}, &wire.Ack{SeqNo: seq})
			events := n.take().Events
			if got := kinds(events); !slices.Equal(got, tt.want) || events[0].Member.Name != "m1" {
				t.Errorf("events %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSuspectsRelayNoProbe: only members that are alive are asked for indirect pings.
func TestSuspectsRelayNoProbe(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.suspect(2, 1, "m3")
	n.table.unprobed = slices.Index(n.table.order, n.table.named("m1").ID) + 1
	probing(t, n)
	n.take()
	out := n.tickTo(500 * time.Millisecond)
	var helpers []string
	for _, p := range out.Packets {
		if _, ok := parse(t, p.Messages[0]).(*wire.IndirectPing); ok {
			helpers = append(helpers, p.To.Name)
		}
	}
	if !slices.Equal(helpers, []string{"m3"}) {
		t.Errorf("helpers %v, want m3, which is alive, alone", helpers)
	}
}

// TestSequenceNumbers: a sequence number cannot be guessed from an earlier one, is not used again for long, and is never 0.
func TestSequenceNumbers(t *testing.T) {
	s := sequenceNumbers{rand: rand.New(rand.NewPCG(1, 2))}
	const pings = 300_000 // some of them after all numbers were used
	last, used, steps := uint32(0), make(map[uint32]int), make(map[uint32]bool)
	for i := range pings {
		n := s.next()
		if n == 0 {
			t.Fatal("it is 0")
		}
		if before, ok := used[n]; ok && i-before < 1<<16 {
			t.Fatalf("%d is used again after %d pings", n, i-before)
		}
		used[n], steps[n-last], last = i, true, n
	}
	if len(steps) < 1<<15 {
		t.Errorf("only %d differences between two", len(steps))
	}
	again := rand.New(rand.NewPCG(3, 4))
	s = sequenceNumbers{last: -(1 + again.Uint32N(maxSequenceStep)), rand: rand.New(rand.NewPCG(3, 4))}
	if n := s.next(); n != 1 {
		t.Errorf("%d instead of 0, want 1", n)
	}
}
