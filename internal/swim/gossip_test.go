package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestGossipTargets(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 10; c.RetransmitMult = 100 }).meet(5)
	n.suspect(2, 1, "m1")
	n.dead(3, 1, "m1")
	n.dead(4, 1, "m4")
	targets := func() []string {
		var names []string
		n.gossipTick(n.now)
		for _, p := range n.take().Packets {
			names = append(names, p.To.Name)
		}
		slices.Sort(names)
		return names
	}
	if got, want := targets(), []string{"m1", "m2", "m3", "m5"}; !slices.Equal(got, want) {
		t.Errorf("gossips to %v, want %v: not to who left", got, want)
	}
	n.after(30*time.Second + 1)
	if got, want := targets(), []string{"m1", "m2", "m5"}; !slices.Equal(got, want) {
		t.Errorf("gossips to %v, want %v: not to the long dead", got, want)
	}
}

func TestGossipFillsPackets(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 1; c.HasUserBroadcasts = true }).meet(60)
	n.gossipTick(n.now)
	p := n.take().Packets[0]
	size := 0
	for _, m := range p.Messages {
		size += len(m) + wire.CompoundPartOverhead
	}
	if size > 1398 || size < 1398-100 || p.Room != 1398-size {
		t.Errorf("%d bytes of messages with room for %d more, want 1398 together", size, p.Room)
	}
}

func TestGossipWithNothingToSay(t *testing.T) {
	n := newNode(t, nil).meet(5)
	n.queued()
	n.queue.Reset(func(uint64) {})
	n.gossipTick(n.now)
	if got := n.take().Packets; len(got) != 0 {
		t.Errorf("%d packets, want none", len(got))
	}
	n = newNode(t, func(c *Config) { c.HasUserBroadcasts = true }).meet(5)
	n.queue.Reset(func(uint64) {})
	n.gossipTick(n.now)
	if got := n.take().Packets; len(got) != 3 || got[0].Room != 1398 {
		t.Errorf("packets %v, want 3 with room for the user's broadcasts", got)
	}
}

// TestBroadcastIsSentToTheLimit: a broadcast goes out RetransmitMult *
// ceil(log10(n+1)) times.
func TestBroadcastIsSentToTheLimit(t *testing.T) {
	n := newNode(t, nil).meet(20)
	n.queue.Reset(func(uint64) {})
	n.Announce(n.now, memberAddr(0), []byte("x"), testVersions, 3)
	n.take()
	sent := 0
	for range 100 {
		n.gossipTick(n.now)
		out := n.take()
		for _, p := range out.Packets {
			sent += len(p.Messages)
		}
		if slices.Contains(out.Finished, 3) {
			break
		}
	}
	if sent != 4*2 {
		t.Errorf("sent %d times, want 8", sent)
	}
}

func TestPiggyback(t *testing.T) {
	n := newNode(t, nil).meet(3)
	n.AnswerPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, nil)
	p := n.take().Packets[0]
	if len(p.Messages) != 5 || p.Messages[0][0] != byte(wire.TypeAck) {
		t.Errorf("%d messages, want the ack first, then four alives", len(p.Messages))
	}
	n.SetRoom(20) // an ack and no more
	n.AnswerPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, nil)
	if p := n.take().Packets[0]; len(p.Messages) != 1 {
		t.Errorf("%d messages where there is room for one", len(p.Messages))
	}
}

// TestChooseMissesNobody: with as many eligible members as are wanted, all are
// found, wherever they are in the order.
func TestChooseMissesNobody(t *testing.T) {
	n := newNode(t, nil).meet(100)
	for i := range 100 {
		only := memberName(i%100 + 1)
		got := n.choose(1, func(m *member) bool { return m.Name == only })
		if len(got) != 1 || got[0].Name != only {
			t.Fatalf("the only eligible member %s was missed", only)
		}
	}
	if got := n.choose(200, func(m *member) bool { return m != n.self }); len(got) != 100 {
		t.Errorf("%d of 100 chosen", len(got))
	}
	if n.choose(0, func(*member) bool { return true }) != nil {
		t.Error("chosen though none was wanted")
	}
}

// TestChooseIsFair: every member is chosen about equally often.
func TestChooseIsFair(t *testing.T) {
	n := newNode(t, nil).meet(20)
	times := map[string]int{}
	for range 10_000 {
		for _, m := range n.choose(3, func(m *member) bool { return m != n.self }) {
			times[m.Name]++
		}
	}
	for name, k := range times { // 1500 each, deviation 36
		if k < 1300 || k > 1700 {
			t.Errorf("%s was chosen %d times, want about 1500", name, k)
		}
	}
}

func TestPushPullTick(t *testing.T) {
	n := newNode(t, nil).meet(3)
	n.dead(1, 1, "m2")
	n.suspect(2, 1, "m1")
	n.pushPullTick()
	out := n.take()
	if len(out.Streams) != 1 || out.Streams[0].Kind != StreamPushPull || out.Streams[0].To.Name != "m3" {
		t.Errorf("streams %+v, want a push/pull with m3, the only one alive", out.Streams)
	}
}

// TestLoops pins how often each loop runs, and that each begins at a phase of
// its own within the second interval.
func TestLoops(t *testing.T) {
	n := newNode(t, func(c *Config) { c.HasUserBroadcasts = true }).meet(3)
	n.Start(n.now)
	var pings, gossips, pushPulls int
	var first [3]time.Time
	n.run(time.Minute, func(o *Output) {
		for _, p := range o.Packets {
			if p.Ping != 0 {
				pings++
				n.Step(n.now, Endpoint{}, ackOf(p.Ping))
				first[0] = earliest(first[0], n.now)
			}
		}
		if o.Counts.GossipRounds > 0 {
			gossips++
			first[1] = earliest(first[1], n.now)
		}
		for range o.Streams {
			pushPulls++
			first[2] = earliest(first[2], n.now)
		}
	})
	if pings < 58 || pings > 59 || gossips < 298 || gossips > 299 || pushPulls != 1 {
		t.Errorf("%d pings, %d rounds of gossip, %d push/pulls in a minute", pings, gossips, pushPulls)
	}
	for i, interval := range []time.Duration{time.Second, 200 * time.Millisecond, 30 * time.Second} {
		if after := first[i].Sub(testStart); after < interval || after >= 2*interval {
			t.Errorf("loop %d begins after %v", i, after)
		}
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func TestLoopsThatAreOff(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.GossipNodes, c.PushPullInterval = 0, 0, 0 }).meet(3)
	n.Start(n.now)
	if at, ok := n.NextDeadline(); ok {
		t.Errorf("something is due at %v", at)
	}
}

// TestLateTicksCollapse: a driver that comes late finds one round due, not all
// that it missed.
func TestLateTicksCollapse(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = 0, 0 }).meet(3)
	n.Start(n.now)
	n.after(time.Minute).Tick(n.now)
	if got := n.take().Counts.GossipRounds; got != 1 {
		t.Errorf("%d rounds, want 1", got)
	}
}

// TestReplay: the same calls with the same seed give the same output.
func TestReplay(t *testing.T) {
	history := func() (lines []string) {
		n := newNode(t, nil).meet(30)
		n.Start(n.now)
		n.run(2*time.Minute, func(o *Output) {
			for _, p := range o.Packets {
				line := p.To.Name
				for _, m := range p.Messages {
					line += " " + describe(parse(t, m))
				}
				lines = append(lines, line)
			}
		})
		return lines
	}
	a, b := history(), history()
	if len(a) < 100 || !slices.Equal(a, b) {
		t.Errorf("two histories of %d and %d packets differ", len(a), len(b))
	}
}
