package swim

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestGossipTargets(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 10; c.RetransmitMult = 100 }).withMembers(5)
	n.suspect(2, 1, "m1")
	n.dead(3, 1, "m1")
	n.dead(4, 1, "m4")
	targets := func() []string {
		var names []string
		n.loops.gossipTick(n.Turn)
		for _, p := range n.take().Packets {
			names = append(names, p.To.Name)
		}
		slices.Sort(names)
		return names
	}
	if got, want := targets(), []string{"m1", "m2", "m3", "m5"}; !slices.Equal(got, want) {
		t.Errorf("gossips to %v, want %v: not to members that left", got, want)
	}
	n.after(30*time.Second + 1)
	if got, want := targets(), []string{"m1", "m2", "m5"}; !slices.Equal(got, want) {
		t.Errorf("gossips to %v, want %v: not to the long dead", got, want)
	}
}

// packetSize returns the size in bytes of a packet with more bytes of messages.
func packetSize(p *Packet, more int) int {
	size := wire.CompoundHeaderSize + more
	for _, m := range p.Messages {
		size += len(m) + wire.CompoundPartOverhead
	}
	if p.Features.Has(wire.FeatureChecksum) {
		size += wire.ChecksumSize
	}
	return size
}

func TestGossipFillsPackets(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 1 }).withMembers(60)
	for range 100 {
		n.loops.gossipTick(n.Turn)
		if size := packetSize(&n.take().Packets[0], 0); size > 1400 || size < 1400-100 {
			t.Fatalf("%d bytes, want at most 1400 and most of that", size)
		}
		n.Announce(memberAddr(0), nil, testVersions, 0)
		n.take()
		n.announceAll(60)
	}
}

// announceAll makes news about members 1 to k, at ever higher incarnations.
func (n *node) announceAll(k int) {
	for i := 1; i <= k; i++ {
		m, _ := n.Member(memberName(i))
		n.Step(Endpoint{AddrPort: memberAddr(i)}, aliveOf(i, m.Incarnation+1))
	}
	n.take()
}

// TestUserBroadcastsHaveTheirShare: under endless news about all members, user broadcasts are offered a quarter of
// each packet and all of every eighth; the rest of their share is filled with news.
func TestUserBroadcastsHaveTheirShare(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 1; c.HasUserBroadcasts = true }).withMembers(60)
	const room = 1400 - wire.CompoundHeaderSize - wire.ChecksumSize
	for i := 1; i <= 40; i++ {
		n.announceAll(60)
		n.loops.gossipTick(n.Turn)
		out := n.take()
		p := &out.Packets[0]
		want := room / 4
		if i%8 == 0 {
			want = room
		}
		if p.Room != want || len(p.Messages) != 0 {
			t.Fatalf("packet %d: %d bytes are offered and %d messages in it, want %d and none yet", i, p.Room, len(p.Messages), want)
		}
		used := i * p.Room / 40
		n.FillGossip(out, p, used)
		if size := packetSize(p, used); size > 1400 || size < 1400-100 {
			t.Errorf("packet %d: %d bytes with %d of user broadcasts, want at most 1400 and most of that", i, size, used)
		}
	}
}

// TestUserBroadcastsHaveWhatIsFree: without news they are offered all the room, and with little news the room that it
// leaves.
func TestUserBroadcastsHaveWhatIsFree(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes = 1; c.HasUserBroadcasts = true }).withMembers(3)
	n.loops.gossipTick(n.Turn)
	out := n.take()
	p := &out.Packets[0]
	n.FillGossip(out, p, p.Room)
	if len(p.Messages) != 4 || packetSize(p, p.Room) != 1400 {
		t.Errorf("%d messages, %d bytes with the %d offered, want all four and 1400", len(p.Messages), packetSize(p, p.Room), p.Room)
	}
}

// TestSlackIsForGossip: packets of gossip hold more if the driver's compression budget allows it, with and without
// user broadcasts; a packet with a ping keeps its size.
func TestSlackIsForGossip(t *testing.T) {
	for _, users := range []bool{false, true} {
		n := newNode(t, func(c *Config) { c.GossipNodes = 1; c.HasUserBroadcasts = users }).withMembers(100)
		n.SetCompressionBudget(1000)
		n.loops.gossipTick(n.Turn)
		out := n.take()
		p, used := &out.Packets[0], 0
		if users {
			if used = p.Room; used > 1400/userShare {
				t.Errorf("user broadcasts are offered %d bytes, more than their share", used)
			}
			n.FillGossip(out, p, used)
		}
		if size := packetSize(p, used); size > 2400 || size < 2300 {
			t.Errorf("user broadcasts %v: %d bytes of gossip, want 2400 at most and most of that", users, size)
		}
		n.probe.begin(n.Turn, n.table.named("m1"))
		if size := packetSize(&n.take().Packets[0], 0); size > 1400 {
			t.Errorf("a ping of %d bytes", size)
		}
	}
}

// TestWhatFitsNoPacketIsNotQueued: news that no packet can hold is left to push/pulls, and nothing waits for it;
// older news about that member is dropped.
func TestWhatFitsNoPacketIsNotQueued(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	long := strings.Repeat("x", MaxName)
	for i, meta := range [][]byte{nil, make([]byte, MaxMeta)} {
		a := aliveOf(2, uint32(i+1))
		a.Node, a.Meta = long, meta
		n.alive(a)
	}
	if _, ok := n.Member(long); !ok {
		t.Error("the member is not known")
	}
	if n.NumQueued() != 2 {
		t.Errorf("%d broadcasts are queued, want those of the two others", n.NumQueued())
	}
	n.Announce(memberAddr(0), make([]byte, MaxMeta), testVersions, 7)
	n.cfg.Room = 300
	n.Announce(memberAddr(0), make([]byte, MaxMeta), testVersions, 8)
	out := n.take()
	if slices.Sort(out.Finished); !slices.Equal(out.Finished, []uint64{7, 8}) {
		t.Errorf("finished %v, want 7 and 8", out.Finished)
	}
	if out.Counts.Drops[DropOversize] != 1 {
		t.Errorf("drops %v", out.Counts.Drops)
	}
}

// TestPacketsOfSeveralMessagesFit: if both together are too large, a ping is sent without the suspicion, and an ack
// without its payload; the suspicion is sent alone.
func TestPacketsOfSeveralMessagesFit(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.suspect(1, 1, "m9")
	n.Settle(nil)
	for _, tt := range []struct {
		room int
		want []int // messages in each packet
	}{{1400, []int{2}}, {100, []int{1, 1}}} {
		n.cfg.Room = wire.Room(tt.room)
		n.probe.target = nil
		n.probe.begin(n.Turn, n.table.named("m1"))
		var got []int
		packets := n.take().Packets
		for i := range packets {
			got = append(got, len(packets[i].Messages))
			if size := packetSize(&packets[i], 0); size > tt.room {
				t.Errorf("%d bytes in a packet of %d", size, tt.room)
			}
		}
		if last := &packets[len(packets)-1]; !slices.Equal(got, tt.want) || last.Ping == 0 || last.Messages[0][0] != byte(wire.TypePing) {
			t.Errorf("room for %d: packets of %d messages, want %d and the last one to be the ping", tt.room, got, tt.want)
		}
	}
	for _, tt := range []struct {
		payload int
		carried bool
	}{{60, true}, {90, false}} {
		n.StepPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, make([]byte, tt.payload))
		out := n.take()
		p := &out.Packets[0]
		if carried := len(p.Messages[0]) > tt.payload; carried != tt.carried || len(p.Messages[0])+wire.ChecksumSize > 100 {
			t.Errorf("payload of %d bytes: carried %v, want %v", tt.payload, carried, tt.carried)
		}
		if dropped := out.Counts.Drops[DropOversize] == 1; dropped == tt.carried {
			t.Errorf("payload of %d bytes: counted as dropped: %v", tt.payload, dropped)
		}
	}
}

func TestGossipWithNothingToSay(t *testing.T) {
	n := newNode(t, nil).withMembers(5)
	n.queued()
	n.Settle(nil)
	n.loops.gossipTick(n.Turn)
	if got := n.take().Packets; len(got) != 0 {
		t.Errorf("%d packets, want none", len(got))
	}
	n = newNode(t, func(c *Config) { c.HasUserBroadcasts = true }).withMembers(5)
	n.Settle(nil)
	n.loops.gossipTick(n.Turn)
	if got := n.take().Packets; len(got) != 3 || got[0].Room != 1393 {
		t.Errorf("packets %v, want 3 with room for the user's broadcasts", got)
	}
}

// TestBroadcastIsSentToTheLimit: a broadcast is sent RetransmitMult * ceil(log10(n+1)) times.
func TestBroadcastIsSentToTheLimit(t *testing.T) {
	n := newNode(t, nil).withMembers(20)
	n.Settle(nil)
	n.Announce(memberAddr(0), []byte("x"), testVersions, 3)
	n.take()
	sent := 0
	for range 100 {
		n.loops.gossipTick(n.Turn)
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
	n := newNode(t, nil).withMembers(3)
	n.StepPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, nil)
	p := n.take().Packets[0]
	if len(p.Messages) != 5 || p.Messages[0][0] != byte(wire.TypeAck) {
		t.Errorf("%d messages, want the ack first, then four alives", len(p.Messages))
	}
	n.cfg.Room = 20 // for an ack and no more
	n.StepPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, nil)
	if p := n.take().Packets[0]; len(p.Messages) != 1 {
		t.Errorf("%d messages where there is room for one", len(p.Messages))
	}
}

// TestChooseMissesNobody: if no more members are eligible than wanted, all are chosen, wherever they are in the
// order.
func TestChooseMissesNobody(t *testing.T) {
	n := newNode(t, nil).withMembers(100)
	for i := range 100 {
		only := memberName(i%100 + 1)
		got := n.choose(1, func(m *member) bool { return m.Name == only })
		if len(got) != 1 || got[0].Name != only {
			t.Fatalf("the only eligible member %s was missed", only)
		}
	}
	if got := n.choose(200, func(m *member) bool { return m != n.table.self }); len(got) != 100 {
		t.Errorf("%d of 100 chosen", len(got))
	}
	if got := n.choose(0, func(*member) bool { return true }); len(got) > 0 {
		t.Error("chosen though none was wanted")
	}
}

// TestChooseIsFair: every member is chosen about equally often.
func TestChooseIsFair(t *testing.T) {
	n := newNode(t, nil).withMembers(20)
	times := map[string]int{}
	for range 10_000 {
		for _, m := range n.choose(3, func(m *member) bool { return m != n.table.self }) {
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
	n := newNode(t, nil).withMembers(3)
	n.dead(1, 1, "m2")
	n.suspect(2, 1, "m1")
	n.loops.pushPullTick(n.Turn)
	out := n.take()
	if len(out.Streams) != 1 || out.Streams[0].Kind != StreamPushPull || out.Streams[0].To.Name != "m3" {
		t.Errorf("streams %+v, want a push/pull with m3, the only one alive", out.Streams)
	}
}

// TestLoops checks how often each loop runs, that each begins within its second interval, and that every probe
// coincides with a round of gossip.
func TestLoops(t *testing.T) {
	n := newNode(t, func(c *Config) { c.HasUserBroadcasts = true }).withMembers(3)
	n.Start()
	var pings, apart, gossips, pushPulls int
	var first [3]time.Time
	n.run(time.Minute, func(o *Output) {
		for _, p := range o.Packets {
			if p.Ping != 0 {
				pings++
				if o.Counts.GossipRounds != 1 {
					apart++
				}
				n.Step(Endpoint{}, ackOf(p.Ping))
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
	if apart > 0 {
		t.Errorf("%d probes without a round of gossip", apart)
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

// TestUserBroadcastsWithoutGossip: with each probe a packet of user broadcasts is sent to the same member, also with
// an overdue probe that begins when the one before it ends; and none is sent if the driver has no user broadcasts.
func TestUserBroadcastsWithoutGossip(t *testing.T) {
	for _, tt := range []struct {
		name  string
		off   func(*Config)
		has   bool
		acked bool
	}{
		{"no interval", func(c *Config) { c.GossipInterval = 0 }, true, true},
		{"no nodes", func(c *Config) { c.GossipNodes = 0 }, true, true},
		{"probes that last longer than their interval", func(c *Config) { c.GossipNodes, c.AwarenessMaxMultiplier = 0, 8 }, true, false},
		{"no user broadcasts", func(c *Config) { c.GossipNodes = 0 }, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { tt.off(c); c.HasUserBroadcasts, c.PushPullInterval = tt.has, 0 }).withMembers(3)
			n.Start()
			pings, rooms := make(map[string]int), make(map[string]int)
			n.run(10*time.Second, func(o *Output) {
				for _, p := range o.Packets {
					switch {
					case p.Room > 0:
						rooms[p.To.Name]++
						if p.Room < wire.Room(1400).Beside()/userShare || len(p.Messages) > 0 {
							t.Errorf("a packet with room for %d bytes and %d messages", p.Room, len(p.Messages))
						}
					case p.Ping != 0:
						pings[p.To.Name]++
						if tt.acked {
							defer n.Step(Endpoint{}, ackOf(p.Ping))
						}
					}
				}
			})
			want := pings
			if !tt.has {
				want = map[string]int{}
			}
			if len(pings) != 3 || !maps.Equal(rooms, want) {
				t.Errorf("packets for user broadcasts to %v, want %v", rooms, want)
			}
		})
	}
}

// TestAloneWithoutGossip: a member that is alone sleeps, though a round was due with its last probe.
func TestAloneWithoutGossip(t *testing.T) {
	n := newNode(t, func(c *Config) { c.HasUserBroadcasts, c.GossipInterval, c.PushPullInterval = true, 0, 0 }).withMembers(1)
	n.Start()
	n.probe.begin(n.Turn, n.table.named("m1"))
	n.ForceLeaveAlive("m1", 0)
	n.Forget("m1")
	n.after(time.Hour)
	if at, ok := n.NextWakeup(); ok && at.Before(n.now.Add(-time.Hour)) {
		t.Errorf("work at %v", at)
	}
	n.Tick()
	if n.withMembers(1); len(n.take().Packets) > 0 {
		t.Error("packets without another member")
	}
}

func TestLoopsThatAreOff(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.GossipNodes, c.PushPullInterval = 0, 0, 0 }).withMembers(3)
	n.Start()
	if at, ok := n.NextDeadline(); ok {
		t.Errorf("something is due at %v", at)
	}
}

// TestLateTicksCollapse: after a late tick one round is due, not all that were missed.
func TestLateTicksCollapse(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = 0, 0 }).withMembers(3)
	n.Start()
	n.after(time.Minute).Tick()
	if got := n.take().Counts.GossipRounds; got != 1 {
		t.Errorf("%d rounds, want 1", got)
	}
}

// TestReplay: the same calls with the same seed have the same output.
func TestReplay(t *testing.T) {
	history := func() (lines []string) {
		n := newNode(t, nil).withMembers(30)
		n.Start()
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

// TestQueuedBroadcastsSayWhatWasToBeSaid: broadcasts are encoded when they are sent, with the content that they were
// queued with, whatever has happened to the member since.
func TestQueuedBroadcastsSayWhatWasToBeSaid(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(n *node)
		want []wire.Message
	}{
		{"alive", func(n *node) { n.alive(aliveOf(1, 7)) }, []wire.Message{aliveOf(1, 7)}},
		{"dead, and suspected at a higher incarnation since", func(n *node) {
			n.alive(aliveOf(1, 7))
			n.dead(1, 7, "m9")
			n.suspect(1, 9000, "m8")
		}, []wire.Message{&wire.Dead{Incarnation: 7, Node: "m1", From: "m9"}}},
		{"suspect, and confirmed by others since", func(n *node) {
			n.alive(aliveOf(1, 7))
			n.suspect(1, 7, "m9")
			n.suspect(1, 7, "m8")
		}, []wire.Message{&wire.Suspect{Incarnation: 7, Node: "m1", From: "m8"}}},
		{"moved, with other metadata in the middle of it", func(n *node) {
			n.BeginAddressChange(0)
			old := aliveOf(0, 1)
			old.Node = "self"
			n.now = n.now.Add(2 * remindEvery)
			n.alive(old) // its sender has us at the old address
			n.Announce(memberAddr(0), make([]byte, 100), testVersions, 0)
		}, []wire.Message{&wire.Dead{Incarnation: 1, Node: "self", From: "self"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, nil).withMembers(8)
			n.Settle(nil)
			tt.do(n)
			if got := n.queued(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", texts(got), texts(tt.want))
			}
		})
	}
}
