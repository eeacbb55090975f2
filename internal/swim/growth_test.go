package swim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// knownTo returns a Core that knows n members, all alive, with nothing queued, and the members' alive messages.
func knownTo(n int) (*Turn, []wire.GossipView) {
	c := New(testConfig()).Begin(testStart, new(Output))
	c.cfg.Room = 1398
	c.Announce(memberAddr(0), nil, testVersions, 0)
	alives := make([]wire.GossipView, n)
	out := new(Output)
	for i := range alives {
		alives[i] = wire.GossipView{Kind: wire.TypeAlive, Incarnation: 1, Node: []byte(memberName(i)), Addr: []byte{11, byte(i >> 16), byte(i >> 8), byte(i)},
			Port: 7946, Vsn: testVersions[:]}
		c.StepGossip(Endpoint{}, &alives[i])
		if i%256 == 0 {
			c.queue.dropAll(c)
			out = swap(c, out)
		}
	}
	c.queue.dropAll(c)
	swap(c, out)
	return c, alives
}

// operation is one that a Core does again and again, with the given members.
type operation struct {
	name string
	run  func(c *Turn, alives []wire.GossipView, i int)
}

// perPacket are the operations on packets and ticks: their cost must not depend on the number of members.
var perPacket = []operation{
	{"known alive", func(c *Turn, alives []wire.GossipView, i int) {
		c.StepGossip(Endpoint{}, &alives[i%len(alives)])
	}},
	{"newer alive", func(c *Turn, alives []wire.GossipView, i int) {
		a := &alives[i%len(alives)]
		a.Incarnation++
		c.StepGossip(Endpoint{}, a)
	}},
	{"stale suspect", func(c *Turn, alives []wire.GossipView, i int) {
		s := wire.GossipView{Kind: wire.TypeSuspect, Node: alives[i%len(alives)].Node, From: []byte("self")}
		c.StepGossip(Endpoint{}, &s)
	}},
	{"answer ping", func(c *Turn, alives []wire.GossipView, i int) {
		a := &alives[i%len(alives)]
		p := wire.PingView{SeqNo: 7, SourceAddr: a.Addr, SourcePort: a.Port, SourceNode: a.Node}
		c.StepPing(Endpoint{}, &p, nil)
	}},
	{"gossip", func(c *Turn, alives []wire.GossipView, i int) {
		a := &alives[i%len(alives)]
		a.Incarnation++
		c.StepGossip(Endpoint{}, a)
		c.loops.gossipTick(c)
	}},
	{"choose", func(c *Turn, _ []wire.GossipView, _ int) {
		c.choose(3, func(m *member) bool { return m != c.table.self && m.State == StateAlive })
	}},
	{"tick", func(c *Turn, _ []wire.GossipView, _ int) { c.Tick() }},
	{"merge a known state", func(c *Turn, alives []wire.GossipView, i int) {
		a := &alives[i%len(alives)]
		states := wire.StatesOf(wire.PushNodeState{Name: string(a.Node), Addr: a.Addr, Port: a.Port, Incarnation: 1, Vsn: a.Vsn})
		c.Merge(new(Peer), &states)
	}},
}

// perMember are the operations that visit all members; their cost is that of one member.
var perMember = []operation{
	{"probe", func(c *Turn, alives []wire.GossipView, i int) { c.probe.next(c) }}, // with the shuffle of each round
	{"snapshot", func(c *Turn, alives []wire.GossipView, i int) {
		if i%(len(alives)+1) == 0 {
			s := Snapshot{States: make([]byte, 0, 100*len(alives))}
			for c.Snapshot(&s) {
			}
		}
	}},
}

// BenchmarkGrowth measures each operation with more and more members.
func BenchmarkGrowth(b *testing.B) {
	for _, op := range append(perPacket, perMember...) {
		for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", op.name, n), func(b *testing.B) {
				c, alives := knownTo(n)
				out := new(Output)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					op.run(c, alives, i)
					if i%16 == 0 {
						out = swap(c, out)
					}
				}
			})
		}
	}
}

// TestCostDoesNotGrow: with 500 times the members, no operation of a packet or a tick takes much longer, nor does one
// that visits all members take much longer for each. The allowance is the cost of memory that is not cached.
func TestCostDoesNotGrow(t *testing.T) {
	const few, many, allowed = 100, 50_000, 25
	c1, alives1 := knownTo(few)
	c2, alives2 := knownTo(many)
	for _, op := range append(perPacket, perMember...) {
		t.Run(op.name, func(t *testing.T) {
			for range 5 { // a busy machine may disturb every round of one of them
				small, large := fastest(c1, alives1, op), fastest(c2, alives2, op)
				t.Logf("%v with %d members, %v with %d", small, few, large, many)
				if large <= allowed*max(small, 20*time.Nanosecond) {
					return
				}
			}
			t.Error("it takes much longer with many members, however often it is tried")
		})
	}
}

// fastest returns the duration of an operation when nothing disturbs it.
func fastest(c *Turn, alives []wire.GossipView, op operation) time.Duration {
	out := new(Output)
	best := time.Duration(math.MaxInt64)
	rounds, each := 30, 64
	if op.name == "snapshot" {
		rounds, each = 5, len(alives)+1 // one of them
	}
	for r := range rounds {
		began := time.Now()
		for i := range each {
			op.run(c, alives, r*each+i)
		}
		out = swap(c, out)
		best = min(best, time.Since(began)/time.Duration(each))
	}
	c.queue.dropAll(c)
	return best
}

// TestChoiceLooksAtFew: choosing members visits few of them, however many there are, unless hardly any may be chosen.
func TestChoiceLooksAtFew(t *testing.T) {
	for _, tt := range []struct {
		name  string
		may   int // in a thousand
		looks int // at most, on average
	}{{"all", 1000, 4}, {"half", 500, 9}, {"one in ten", 100, 45}, {"one in a hundred", 10, 450}} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1000, 100_000} {
				c, _ := knownTo(n)
				looks, rounds := 0, 200
				for range rounds {
					chosen := c.choose(3, func(m *member) bool {
						looks++
						return int(m.ID)%1000 < tt.may
					})
					if len(chosen) != 3 {
						t.Fatalf("%d chosen of %d", len(chosen), n)
					}
				}
				if looks > tt.looks*rounds {
					t.Errorf("of %d members %d are looked at for 3, want at most %d", n, looks/rounds, tt.looks)
				}
			}
		})
	}
}

// TestAllocs: handling a packet allocates only for what is remembered.
func TestAllocs(t *testing.T) {
	c, alives := knownTo(1000)
	out := new(Output)
	var names [][]byte
	for i := range 60 * 18 {
		names = append(names, fmt.Append(nil, "fresh-", i))
	}
	next := 0
	addr := [4]byte{12}
	var a, suspect, dead wire.GossipView
	var ping wire.PingView
	known := make([]wire.States, 18)
	for i := range known {
		a := &alives[i]
		known[i] = wire.StatesOf(wire.PushNodeState{Name: string(a.Node), Addr: a.Addr, Port: a.Port, Incarnation: 1, Vsn: a.Vsn})
	}
	self, reporter := []byte("self"), []byte("m1")
	var state wire.States
	fresh := func() {
		addr[2], addr[3] = byte(next>>8), byte(next)
		a = wire.GossipView{Kind: wire.TypeAlive, Incarnation: 1, Node: names[next], Addr: addr[:],
			Port: 7946, Vsn: testVersions[:]}
		c.StepGossip(Endpoint{}, &a)
		next++
	}
	turn := uint32(2)
	for _, tt := range []struct {
		name string
		want float64
		run  func(i int)
	}{
		{"18 known alives", 0, func(i int) { c.StepGossip(Endpoint{}, &alives[i]) }},
		{"18 stale suspects", 0, func(i int) {
			suspect = wire.GossipView{Kind: wire.TypeSuspect, Node: alives[i].Node, From: self}
			c.StepGossip(Endpoint{}, &suspect)
		}},
		{"18 newer alives", 1, func(i int) {
			alives[i].Incarnation = turn
			c.StepGossip(Endpoint{}, &alives[i])
		}},
		{"18 fresh alives", 2*18 + 3, func(int) { fresh() }},
		// Each death and each return has its evidence.
		{"18 deaths and returns", 7 * 18, func(i int) {
			dead = wire.GossipView{Kind: wire.TypeDead, Incarnation: turn, Node: alives[i].Node, From: reporter}
			c.StepGossip(Endpoint{}, &dead)
			alives[i].Incarnation = turn + 1
			c.StepGossip(Endpoint{}, &alives[i])
		}},
		{"18 refutations", 18 + 1, func(int) {
			suspect = wire.GossipView{Kind: wire.TypeSuspect, Incarnation: turn, Node: self, From: reporter}
			c.StepGossip(Endpoint{}, &suspect)
		}},
		{"18 acks", 0, func(i int) {
			ping = wire.PingView{SourceAddr: alives[i].Addr, SourcePort: 7946, SourceNode: alives[i].Node}
			c.StepPing(Endpoint{}, &ping, nil)
		}},
		{"18 rounds of gossip with news", 18 + 10, func(i int) {
			alives[i].Incarnation = turn
			c.StepGossip(Endpoint{}, &alives[i])
			c.loops.gossipTick(c)
		}},
		{"18 known states", 0, func(i int) {
			state = known[i]
			c.Merge(new(Peer), &state)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.queue.dropAll(c)
			got := testing.AllocsPerRun(50, func() {
				for i := range 18 {
					tt.run(i)
				}
				turn += 2
				out = swap(c, out)
			})
			if got > tt.want {
				t.Errorf("%v allocations, want at most %v", got, tt.want)
			}
			t.Logf("%v", got)
		})
	}
}
