package swim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// reconnecting returns a node that reconnects to failed members.
func reconnecting(t *testing.T, change func(*Config)) *node {
	t.Helper()
	return newNode(t, func(c *Config) {
		c.ReconnectInterval, c.ReconnectTimeout = 30*time.Second, time.Hour
		if change != nil {
			change(c)
		}
	})
}

// attempts returns the names that are tried within a time, and the times of the rounds.
func (n *node) attempts(d time.Duration) (names []string, rounds []time.Time) {
	n.run(d, func(o *Output) {
		for _, s := range o.Streams {
			switch s.Kind {
			case StreamReconnect:
				names = append(names, s.To.Name)
			case StreamSeeds:
				names = append(names, "seeds")
			default:
				continue
			}
			if len(rounds) == 0 || rounds[len(rounds)-1] != n.now {
				rounds = append(rounds, n.now)
			}
		}
	})
	return names, rounds
}

// TestReconnectRounds: a failed member is tried after an interval, then after two, and so on up to the bound, each as
// often as the others, until it returns or the timeout ends.
func TestReconnectRounds(t *testing.T) {
	n := reconnecting(t, nil).withMembers(40) // 32 of them stay alive
	for i := 1; i <= 8; i++ {
		n.dead(i, 1, "m40")
	}
	begins := n.now
	names, rounds := n.attempts(20 * time.Minute)
	tries := make(map[string]int)
	for _, name := range names {
		tries[name]++
	}
	if len(tries) != 8 {
		t.Errorf("tried are %v", tries)
	}
	for name, k := range tries {
		if fair := len(names) / 8; k < fair/2 || k > 2*fair {
			t.Errorf("%s was tried %d times of %d", name, k, len(names))
		}
	}
	before := begins
	for i, at := range rounds {
		want := 30 * time.Second * time.Duration(min(1<<i, (32+1)/4))
		if gap := at.Sub(before); gap < want*3/4 || gap > want*5/4 {
			t.Errorf("round %d is %v after the last, want about %v", i, gap, want)
		}
		before = at
	}
	if len(names) != (latestPerRound+1)*len(rounds) {
		t.Errorf("%d members were tried in %d rounds", len(names), len(rounds))
	}

	for i := 1; i <= 7; i++ {
		n.alive(aliveOf(i, 2))
	}
	names, rounds = n.attempts(10 * time.Minute)
	if len(names) != len(rounds) || slices.ContainsFunc(names, func(name string) bool { return name != "m8" }) {
		t.Errorf("tried %v, want the only failed one", names)
	}
	if gap := rounds[0].Sub(begins.Add(20 * time.Minute)); gap > 38*time.Second {
		t.Errorf("the next round is %v after others were found", gap)
	}
	n.attempts(30*time.Minute + 10*time.Second)
	if names, _ = n.attempts(time.Hour); len(names) != 0 || n.NumLost() != 0 || n.NumTimers() != 0 {
		t.Errorf("after the timeout %v are tried, %d remembered; there are %d timers", names, n.NumLost(), n.NumTimers())
	}
}

// TestReconnectNot: members that left are not tried, nor those whose leave arrives after they were declared dead, by
// any path.
func TestReconnectNot(t *testing.T) {
	for name, leave := range map[string]func(*node){
		"left": func(n *node) { n.dead(1, 1, "m1") },
		"left after it had failed": func(n *node) {
			n.dead(1, 1, "m2")
			n.dead(1, 1, "m1")
		},
		"a push/pull says so": func(n *node) {
			n.dead(1, 1, "m2")
			n.Merge([]wire.PushNodeState{stateOf(1, 1, StateLeft)})
		},
		"we left": func(n *node) {
			n.dead(1, 1, "m2")
			n.Leave(0)
		},
		"we left before": func(n *node) {
			n.Leave(0)
			n.dead(1, 1, "m2")
		},
	} {
		n := reconnecting(t, nil).withMembers(3)
		leave(n)
		n.take()
		if names, _ := n.attempts(time.Hour); len(names) != 0 {
			t.Errorf("%s: tried are %v", name, names)
		}
	}
}

// TestReconnectForgotten: reconnecting continues after a member was removed, and after a leave older than its
// failure; a newer leave ends it.
func TestReconnectForgotten(t *testing.T) {
	n := reconnecting(t, nil).withMembers(3)
	n.alive(aliveOf(1, 5))
	n.Start()
	n.dead(1, 5, "m2")
	n.attempts(35 * time.Second)
	n.reaper.tick(n.Turn)
	if _, ok := n.Member("m1"); ok {
		t.Fatal("it has not been removed")
	}
	n.dead(1, 4, "m1")
	if names, _ := n.attempts(5 * time.Minute); !slices.Contains(names, "m1") {
		t.Errorf("tried are %v", names)
	}
	n.dead(1, 5, "m1")
	if names, _ := n.attempts(time.Hour); slices.Contains(names, "m1") {
		t.Errorf("tried are %v", names)
	}
}

// TestReconnectSoon: in a push/pull another node has a member for alive that is dead here. The member is tried at
// once: it has just received the news of its death.
func TestReconnectSoon(t *testing.T) {
	n := reconnecting(t, func(c *Config) { c.GossipToTheDeadTime = time.Hour }).withMembers(9)
	n.dead(1, 1, "m2")
	n.attempts(10 * time.Minute)
	n.Merge([]wire.PushNodeState{stateOf(1, 1, StateAlive)})
	n.take()
	if names, _ := n.attempts(2500 * time.Millisecond); !slices.Equal(names, []string{"m1"}) {
		t.Errorf("tried are %v, want m1", names)
	}
}

// TestLostIsBounded: no more than MaxLost failed members are remembered: those that last answered, the latest ones.
func TestLostIsBounded(t *testing.T) {
	n := reconnecting(t, nil)
	for i := 1; i <= MaxLost+100; i++ {
		n.after(time.Second).meet1(i)
		switch {
		case i%10 == 0: // left
			n.dead(i, 1, memberName(i))
		case i%10 == 1: // never answered
			n.table.named(memberName(i)).answered = false
			fallthrough
		default:
			n.dead(i, 1, "m0")
		}
	}
	if got := len(n.failed.byName); got != MaxLost {
		t.Errorf("%d are remembered, want %d", got, MaxLost)
	}
	for i := 1; i <= MaxLost+100; i++ {
		want := i%10 != 0 || i > 1000
		if got := n.failed.named(memberName(i)) != nil; got != want {
			t.Fatalf("m%d is remembered: %v", i, got)
		}
	}
	n.after(2 * time.Hour)
	if n.failed.expire(n.Turn); n.NumLost() != 0 || len(n.failed.byName) != 0 || len(n.failed.byAddr) != 0 {
		t.Errorf("%d failed members are still remembered", n.NumLost())
	}
}

// meet1 makes member i known as alive at incarnation 1, as if it had answered a ping.
func (n *node) meet1(i int) *node {
	n.alive(aliveOf(i, 1))
	n.table.named(memberName(i)).answered = true
	return n
}

// TestReconnectGhosts: many members that never return do not keep recently failed ones from being tried, nor do those
// that fail after these keep them from being tried now and then.
func TestReconnectGhosts(t *testing.T) {
	for _, tt := range []struct {
		name       string
		wanted     int // is one of the lost that may be there
		ghosts     func(i int) bool
		everyRound bool
	}{
		{"ghosts before", 301, func(i int) bool { return i <= 300 }, true},
		{"two after", 298, func(i int) bool { return i != 298 }, true},
		{"many after", 5, func(i int) bool { return i != 5 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := reconnecting(t, func(c *Config) { c.ReconnectTimeout = 24 * time.Hour }).meet1(1001)
			for i := 1; i <= 301; i++ {
				if i == tt.wanted || tt.ghosts(i) && (i < 300 || tt.wanted != 298) {
					n.after(time.Second).meet1(i)
					n.dead(i, 1, "m1001")
				}
			}
			tried := 0
			_, rounds := n.attemptsOf(2*time.Hour, memberName(tt.wanted), &tried)
			if tt.everyRound && tried < len(rounds)/(maxSkips+1) {
				t.Errorf("tried in %d of %d rounds", tried, len(rounds))
			}
			if tried < len(rounds)/302 || tried == 0 && len(rounds) > 302 {
				t.Errorf("tried in %d of %d rounds", tried, len(rounds))
			}
		})
	}
}

// TestReconnectSounding: all other failed members are pinged, some in each round, and one that acks is tried at once.
func TestReconnectSounding(t *testing.T) {
	n := reconnecting(t, func(c *Config) { c.ReconnectTimeout = 24 * time.Hour }).meet1(1001)
	const lost = latestPerRound + 1 + 2*pingsPerRound
	for i := 1; i <= lost; i++ {
		n.meet1(i)
		n.dead(i, 1, "m1001")
	}
	pinged := make(map[string]int)
	var tried []string
	rounds := 0
	n.run(75*time.Second, func(o *Output) {
		for _, s := range o.Streams {
			if s.Kind == StreamReconnect {
				tried = append(tried, s.To.Name)
			}
		}
		if len(o.Packets) == 0 || rounds == 2 {
			return
		}
		rounds++
		for _, p := range o.Packets {
			ping := parse(t, p.Messages[0]).(*wire.Ping)
			if ping.Node != "" {
				t.Errorf("pinged as %q", ping.Node)
			}
			pinged[p.To.Name]++
		}
	})
	if rounds != 2 || len(pinged) != 2*pingsPerRound {
		t.Fatalf("%d members were pinged in %d rounds, want %d in 2", len(pinged), rounds, 2*pingsPerRound)
	}
	for seq, one := range n.failed.probed {
		name := one.name
		n.Step(Endpoint{AddrPort: one.addr.addrPort()}, ackOf(seq))
		n.Step(Endpoint{AddrPort: one.addr.addrPort()}, ackOf(seq))
		out := n.take()
		if len(out.Streams) != 1 || out.Streams[0].Kind != StreamReconnect || out.Streams[0].To.Name != name {
			t.Errorf("after the ack of %s: streams %v", name, out.Streams)
		}
		break
	}
}

// attemptsOf is attempts; it adds the number of those to reach one member to tried.
func (n *node) attemptsOf(d time.Duration, name string, tried *int) (names []string, rounds []time.Time) {
	names, rounds = n.attempts(d)
	for _, one := range names {
		if one == name {
			*tried++
		}
	}
	return names, rounds
}

// TestReconnectNotTheReplaced: a member that never answered is not tried, nor one whose address another member has by
// now.
func TestReconnectNotTheReplaced(t *testing.T) {
	at := func(i, where int) *wire.Alive {
		a := aliveOf(i, 1)
		a.Addr = memberAddr(where).Addr().AsSlice()
		return a
	}
	for name, tt := range map[string]struct {
		events func(n *node)
		want   []string
	}{
		"one that answered":  {func(n *node) { n.dead(1, 1, "m2") }, []string{"m1"}},
		"one that never did": {func(n *node) { n.table.named("m1").answered = false; n.dead(1, 1, "m2") }, nil},
		"one that others see": {func(n *node) {
			n.table.named("m1").answered = false
			n.dead(1, 1, "m2")
			n.Merge([]wire.PushNodeState{stateOf(1, 1, StateAlive)})
		}, nil},
		"replaced before": {func(n *node) { n.alive(at(9, 1)); n.dead(1, 1, "m2") }, nil},
		"replaced after":  {func(n *node) { n.dead(1, 1, "m2"); n.alive(at(9, 1)) }, nil},
		"replaced and failed again": {func(n *node) {
			n.dead(1, 1, "m2")
			n.alive(at(9, 1))
			n.table.named("m9").answered = true
			n.dead(9, 1, "m2")
		}, []string{"m9"}},
		"another member is there":  {func(n *node) { n.dead(1, 1, "m2"); n.NotThere(Member{Name: "m1", Addr: memberAddr(1)}) }, nil},
		"not there, but elsewhere": {func(n *node) { n.dead(1, 1, "m2"); n.NotThere(Member{Name: "m1", Addr: memberAddr(7)}) }, []string{"m1"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := reconnecting(t, nil).withMembers(3)
			tt.events(n)
			n.take()
			names, _ := n.attempts(10 * time.Minute)
			slices.Sort(names)
			if got := slices.Compact(names); !slices.Equal(got, tt.want) {
				t.Errorf("tried are %v, want %v", got, tt.want)
			}
		})
	}
}

// TestAcquaintance: the states of a peer determine whether it belongs to this cluster.
func TestAcquaintance(t *testing.T) {
	at := func(i, where int, state State) wire.PushNodeState {
		s := stateOf(i, 1, state)
		s.Addr = memberAddr(where).Addr().AsSlice()
		return s
	}
	self := func(where int) wire.PushNodeState {
		s := at(0, where, StateAlive)
		s.Name = "self"
		return s
	}
	for _, tt := range []struct {
		name   string
		states []wire.PushNodeState // members 1 and 2 are alive here, 3 and 4 failed, 5 left
		want   bool
	}{
		{"nobody", nil, false},
		{"the other side", []wire.PushNodeState{at(3, 3, StateAlive), at(4, 4, StateAlive)}, true},
		{"the other side, which grew", []wire.PushNodeState{at(3, 3, StateAlive), at(4, 4, StateAlive), at(7, 7, StateAlive), at(8, 8, StateAlive)}, true},
		{"the failed one alone", []wire.PushNodeState{at(3, 3, StateAlive)}, true},
		{"the failed one, for which we are dead", []wire.PushNodeState{at(3, 3, StateAlive), self(0), at(7, 7, StateAlive)}, true},
		{"moved, all of them", []wire.PushNodeState{at(3, 13, StateAlive), at(4, 14, StateAlive)}, true},
		{"one that left is known", []wire.PushNodeState{at(3, 3, StateAlive), at(5, 5, StateLeft)}, true},
		{"the failed one alone, elsewhere", []wire.PushNodeState{at(3, 13, StateAlive)}, true},
		{"strangers", []wire.PushNodeState{at(7, 7, StateAlive), at(8, 8, StateAlive)}, false},
		{"a stranger alone", []wire.PushNodeState{at(7, 3, StateAlive)}, false},
		{"strangers, one of whom has a name of ours, there", []wire.PushNodeState{at(3, 3, StateAlive), at(7, 7, StateAlive)}, false},
		{"strangers, one of whom has a name of ours, elsewhere", []wire.PushNodeState{at(3, 13, StateAlive), at(7, 7, StateAlive)}, false},
		{"all names are ours, one is where ours was", []wire.PushNodeState{at(1, 11, StateAlive), at(2, 12, StateAlive), at(3, 3, StateAlive)}, false},
		{"our own name is another's", []wire.PushNodeState{self(10), at(3, 3, StateAlive), at(4, 14, StateAlive)}, false},
		{"all names are ours, at other addresses", []wire.PushNodeState{at(1, 11, StateAlive), at(3, 13, StateAlive), at(4, 14, StateAlive)}, false},
		{"one of ours was elsewhere once", []wire.PushNodeState{at(1, 11, StateDead), at(3, 13, StateAlive), at(4, 14, StateAlive)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := reconnecting(t, nil).withMembers(5)
			n.dead(3, 1, "m1")
			n.dead(4, 1, "m1")
			n.dead(5, 1, "m5")
			for _, forgotten := range []bool{false, true} {
				if forgotten {
					n.after(time.Minute).reaper.tick(n.Turn)
				}
				var a Recognition
				for i := range tt.states {
					n.Recognize(&a, wire.StatesOf(tt.states[i]))
				}
				if got := a.SameCluster(); got != tt.want {
					t.Errorf("removed %v: %v, want %v (%+v)", forgotten, got, tt.want, a)
				}
			}
		})
	}
}

// TestGoneForADayIsNew: after ReconnectTimeout a member that went is new at any incarnation.
func TestGoneForADayIsNew(t *testing.T) {
	for _, by := range []string{"m1", "m2"} { // it left, or died
		n := newNode(t, nil).withMembers(2)
		n.dead(1, 3, by)
		n.run(23*time.Hour, func(*Output) {})
		n.alive(aliveOf(1, 3))
		if m, _ := n.Member("m1"); m.State == StateAlive {
			t.Errorf("by %s: it is back within a day", by)
		}
		n.run(2*time.Hour, func(*Output) {})
		n.alive(aliveOf(1, 3))
		n.want(1, StateAlive, 3)
	}
}

// TestEvidenceIsRememberedOnceForgotten: a later suspect or dead message about a dead member counts even after its
// removal.
func TestEvidenceIsRememberedOnceForgotten(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	n.dead(1, 1, "m2")
	n.suspect(1, 5, "m2")
	n.run(time.Minute, func(*Output) {})
	out := n.alive(aliveOf(1, 3))
	n.want(1, StateDead, 5)
	if said := describe(parse(t, out.Packets[0].Messages[0])); said != "suspect m1@5 by self" {
		t.Errorf("a member that was only suspected is sent %q", said)
	}
	n.run(time.Minute, func(*Output) {})
	out = n.alive(aliveOf(1, 1))
	n.want(1, StateDead, 5)
	if said := describe(parse(t, out.Packets[0].Messages[0])); said != "dead m1@1 by self" {
		t.Errorf("a member that was declared dead is sent %q", said)
	}
	n.dead(1, 7, "m2")
	n.run(time.Minute, func(*Output) {})
	n.alive(aliveOf(1, 6))
	n.want(1, StateDead, 7)
}

// TestSeeds: seeds are tried while a failed member is missing, while there is no other member, and always if
// configured.
func TestSeeds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		asking  bool
		prepare func(*node)
		early   int // rounds in the first 40 minutes, about
		late    int // in the second hour
	}{
		{"no member has failed", false, func(n *node) { n.withMembers(3).HaveSeeds() }, 0, 0},
		{"there never was another member", false, func(n *node) { n.HaveSeeds() }, 80, 0},
		{"one has failed", false, func(n *node) { n.withMembers(3).HaveSeeds(); n.dead(1, 1, "m2") }, 80, 0},
		{"all have failed", false, func(n *node) { n.withMembers(1).HaveSeeds(); n.dead(1, 1, "m2") }, 80, 0},
		{"no member has failed, and seeds are always tried", true, func(n *node) { n.withMembers(3).HaveSeeds() }, 8, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := reconnecting(t, func(c *Config) { c.KeepAskingSeeds = tt.asking })
			tt.prepare(n)
			n.take()
			count := func(d time.Duration) (seeds int) {
				names, _ := n.attempts(d)
				for _, name := range names {
					if name == "seeds" {
						seeds++
					}
				}
				return seeds
			}
			if got := count(40 * time.Minute); got < tt.early*9/10 || got > tt.early*11/10 {
				t.Errorf("tried %d times in 40 minutes, want about %d", got, tt.early)
			}
			count(30 * time.Minute)
			if got := count(time.Hour); got < tt.late*9/10 || got > tt.late*11/10+1 {
				t.Errorf("tried %d times in an hour, want about %d", got, tt.late)
			}
		})
	}
}

func TestSeeks(t *testing.T) {
	n := reconnecting(t, nil).withMembers(3)
	n.dead(2, 1, "m1")
	n.dead(3, 1, "m3")
	for i, want := range []bool{false, false, true, false, true} { // ourselves, alive, dead, left, unknown
		if got := n.MayBeUnknown(memberAddr(i)); got != want {
			t.Errorf("member %d: %v, want %v", i, got, want)
		}
	}
}

// TestIsolation: a node is isolated by the failure of most members, close to each other, or of the last one.
func TestIsolation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events func(*node)
		want   string // of events, i and w
	}{
		{"half", func(n *node) { n.declareDead(1, 5, 0) }, ""},
		{"most", func(n *node) { n.declareDead(1, 6, 0) }, "i"},
		{"most, slowly", func(n *node) { n.declareDead(1, 6, 15*time.Second) }, "i"},
		{"most, one by one", func(n *node) { n.declareDead(1, 9, 17*time.Second) }, ""},
		{"all, one by one", func(n *node) { n.declareDead(1, 10, 17*time.Second) }, "i"},
		{"all leave", func(n *node) {
			for i := 1; i <= 10; i++ {
				n.dead(i, 1, memberName(i))
			}
		}, ""},
		{"most, and back", func(n *node) { n.declareDead(1, 6, 0); n.Step(Endpoint{}, aliveOf(3, 2)) }, "iw"},
		{"all, and one is back", func(n *node) { n.declareDead(1, 10, 0); n.Step(Endpoint{}, aliveOf(3, 2)) }, "i"},
		{"all, and others come", func(n *node) {
			n.declareDead(1, 10, 0)
			for i := 21; i <= 30; i++ {
				n.Step(Endpoint{}, aliveOf(i, 1))
			}
		}, "iw"},
		{"all, until they are given up", func(n *node) {
			n.declareDead(1, 10, 0)
			n.after(2 * time.Hour).reaper.tick(n.Turn)
		}, "iw"},
		{"most, for good", func(n *node) {
			n.declareDead(1, 6, 0)
			n.tickAll(isolationLimit - time.Second)
			n.Turn.out.Events = append(n.Turn.out.Events, Event{Kind: EventConflict}) // a mark
			n.tickAll(2 * time.Second)
		}, "i-w"},
		{"all, for good", func(n *node) { n.declareDead(1, 10, 0); n.tickAll(isolationLimit + time.Second) }, "i"},
		{"one comes and crashes, over and over", func(n *node) {
			for i := 21; i < 40; i++ {
				n.Step(Endpoint{}, aliveOf(i, 1))
				n.declareDead(i, i, 10*time.Second)
			}
		}, ""},
		{"each is replaced", func(n *node) {
			for i := 1; i <= 10; i++ {
				a := aliveOf(20+i, 1)
				a.Addr = memberAddr(i).Addr().AsSlice()
				n.Step(Endpoint{}, a)
				n.declareDead(i, i, 8*time.Second)
			}
		}, ""},
		{"we left", func(n *node) { n.Leave(0); n.declareDead(1, 10, 0) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := reconnecting(t, nil).withMembers(10)
			tt.events(n)
			got := ""
			for _, e := range n.Turn.out.Events {
				switch e.Kind {
				case EventIsolated:
					got += "i"
				case EventIsolationEnded:
					got += "w"
				case EventConflict:
					got += "-"
				}
			}
			if got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
			if n.Isolated() != (got == "i") {
				t.Errorf("isolated is %v", n.Isolated())
			}
		})
	}
}

// tickAll ticks at every deadline for a time, and keeps the output.
func (n *node) tickAll(d time.Duration) {
	end := n.now.Add(d)
	for at, ok := n.NextDeadline(); ok && !at.After(end); at, ok = n.NextDeadline() {
		n.now = at
		n.Tick()
	}
	n.now = end
}

// declareDead declares the members from i up to j dead, some time after each other.
func (n *node) declareDead(i, j int, apart time.Duration) {
	for ; i <= j; i++ {
		n.after(apart).Step(Endpoint{}, &wire.Dead{Incarnation: 1, Node: memberName(i), From: "m99"})
	}
}

// stateOf returns the state of member i in a push/pull.
func stateOf(i int, incarnation uint32, s State) wire.PushNodeState {
	return wire.PushNodeState{Name: memberName(i), Addr: memberAddr(i).Addr().AsSlice(), Port: 7946, Incarnation: incarnation,
		State: int(s), Vsn: testVersions[:]}
}

// TestNoTimerWithoutReconnects: a core without reconnects sets no timer for failed members.
func TestNoTimerWithoutReconnects(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.HaveSeeds()
	n.dead(1, 1, "m2")
	if n.NumTimers() != 1 || n.NumLost() != 1 { // the timer is for its removal
		t.Errorf("%d timers, %d failed: %s", n.NumTimers(), n.NumLost(), fmt.Sprint(n.failed.byName))
	}
}
