package swim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// reconnecting is a node that looks for who it lost.
func reconnecting(t *testing.T, change func(*Config)) *node {
	t.Helper()
	return newNode(t, func(c *Config) {
		c.ReconnectInterval, c.ReconnectTimeout = 30*time.Second, time.Hour
		if change != nil {
			change(c)
		}
	})
}

// attempts lists who is tried in a time, and when the rounds are.
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

// TestReconnectRounds: who was lost is tried after an interval, then after two, and so on up to the bound, each as often as
// the others, until it is found or too long ago.
func TestReconnectRounds(t *testing.T) {
	n := reconnecting(t, nil).meet(40) // of whom 32 remain
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
		if least := len(names) / 8; k < least || k > least+1 {
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
	if len(names) != 3*len(rounds) {
		t.Errorf("%d members were tried in %d rounds", len(names), len(rounds))
	}

	for i := 1; i <= 7; i++ {
		n.alive(aliveOf(i, 2))
	}
	names, rounds = n.attempts(10 * time.Minute)
	if len(names) != len(rounds) || slices.ContainsFunc(names, func(name string) bool { return name != "m8" }) {
		t.Errorf("tried are %v, want the only one that is lost", names)
	}
	if gap := rounds[0].Sub(begins.Add(20 * time.Minute)); gap > 38*time.Second {
		t.Errorf("the next round is %v after others were found", gap)
	}
	n.attempts(30*time.Minute + 10*time.Second)
	if names, _ = n.attempts(time.Hour); len(names) != 0 || n.NumLost() != 0 || n.NumTimers() != 0 {
		t.Errorf("after the timeout %v are tried, %d remembered; there are %d timers", names, n.NumLost(), n.NumTimers())
	}
}

// TestReconnectNot: who left is not tried, nor one that says so after it was taken for dead, in whatever way.
func TestReconnectNot(t *testing.T) {
	for name, leave := range map[string]func(*node){
		"left": func(n *node) { n.dead(1, 1, "m1") },
		"left after it was lost": func(n *node) {
			n.dead(1, 1, "m2")
			n.dead(1, 1, "m1")
		},
		"a push/pull says so": func(n *node) {
			n.dead(1, 1, "m2")
			n.Merge(n.now, []wire.PushNodeState{stateOf(1, 1, StateLeft)})
		},
		"we left": func(n *node) {
			n.dead(1, 1, "m2")
			n.Leave(n.now, 0)
		},
		"we left before": func(n *node) {
			n.Leave(n.now, 0)
			n.dead(1, 1, "m2")
		},
	} {
		n := reconnecting(t, nil).meet(3)
		leave(n)
		n.take()
		if names, _ := n.attempts(time.Hour); len(names) != 0 {
			t.Errorf("%s: tried are %v", name, names)
		}
	}
}

// TestReconnectForgotten: that a member is forgotten does not end the search for it, and a farewell that is older than what
// was lost does not either; a newer one does.
func TestReconnectForgotten(t *testing.T) {
	n := reconnecting(t, nil).meet(3)
	n.alive(aliveOf(1, 5))
	n.Start(n.now)
	n.dead(1, 5, "m2")
	n.attempts(35 * time.Second)
	n.forgetGone(n.now)
	if _, ok := n.Member("m1"); ok {
		t.Fatal("it is not forgotten")
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

// TestReconnectSoon: a push/pull shows that another has a member for alive that we have for dead. We try it at once: it has
// just been told.
func TestReconnectSoon(t *testing.T) {
	n := reconnecting(t, nil).meet(9)
	n.dead(1, 1, "m2")
	n.attempts(10 * time.Minute)
	n.Merge(n.now, []wire.PushNodeState{stateOf(1, 1, StateAlive)})
	n.take()
	if names, _ := n.attempts(2500 * time.Millisecond); !slices.Equal(names, []string{"m1"}) {
		t.Errorf("tried are %v, want m1", names)
	}
}

// TestLostIsBounded: however many are lost, no more than MaxLost are remembered.
func TestLostIsBounded(t *testing.T) {
	n := reconnecting(t, nil)
	for i := 1; i <= MaxLost+100; i++ {
		n.alive(aliveOf(i, 1))
		n.dead(i, 1, "m0")
	}
	if n.NumLost() != MaxLost || n.losses.byName.Len() != MaxLost {
		t.Errorf("%d and %d are remembered, want %d", n.NumLost(), n.losses.byName.Len(), MaxLost)
	}
	for i := range n.losses.all {
		if one := &n.losses.all[i]; n.losses.named(one.name) != one {
			t.Fatalf("%s is out of place", one.name)
		}
	}
	if n.losses.named(memberName(MaxLost+100)) == nil {
		t.Error("the latest is not remembered")
	}
	for i := 1; i <= MaxLost+100; i++ {
		n.alive(aliveOf(i, 2))
	}
	if n.giveUpLost(n.now); n.NumLost() != 0 || cap(n.losses.all) > minLost {
		t.Errorf("%d are still lost, and room is kept for %d", n.NumLost(), cap(n.losses.all))
	}
}

// TestSeeds: seeds are tried while somebody is lost, while nobody is there, and for ever if that is wanted.
func TestSeeds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		asking  bool
		prepare func(*node)
		early   int // rounds in the first 40 minutes, about
		late    int // in the second hour
	}{
		{"nothing is lost", false, func(n *node) { n.meet(3).HaveSeeds(n.now) }, 0, 0},
		{"nobody was ever there", false, func(n *node) { n.HaveSeeds(n.now) }, 80, 0},
		{"one is lost", false, func(n *node) { n.meet(3).HaveSeeds(n.now); n.dead(1, 1, "m2") }, 80, 0},
		{"all are lost", false, func(n *node) { n.meet(1).HaveSeeds(n.now); n.dead(1, 1, "m2") }, 80, 0},
		{"nothing is lost and they are asked", true, func(n *node) { n.meet(3).HaveSeeds(n.now) }, 8, 8},
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
	n := reconnecting(t, nil).meet(3)
	n.dead(2, 1, "m1")
	n.dead(3, 1, "m3")
	for i, want := range []bool{false, false, true, false, true} { // ourselves, alive, dead, left, unknown
		if got := n.Seeks(memberAddr(i)); got != want {
			t.Errorf("member %d: %v, want %v", i, got, want)
		}
	}
}

// TestIsolation: it takes the loss of most members, close to each other, or of the last one.
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
		{"most, and back", func(n *node) { n.declareDead(1, 6, 0); n.Step(n.now, Endpoint{}, aliveOf(3, 2)) }, "iw"},
		{"all, and one is back", func(n *node) { n.declareDead(1, 10, 0); n.Step(n.now, Endpoint{}, aliveOf(3, 2)) }, "i"},
		{"all, and others come", func(n *node) {
			n.declareDead(1, 10, 0)
			for i := 21; i <= 30; i++ {
				n.Step(n.now, Endpoint{}, aliveOf(i, 1))
			}
		}, "iw"},
		{"all, until they are given up", func(n *node) {
			n.declareDead(1, 10, 0)
			n.after(2 * time.Hour).forgetGone(n.now)
		}, "iw"},
		{"we left", func(n *node) { n.Leave(n.now, 0); n.declareDead(1, 10, 0) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := reconnecting(t, nil).meet(10)
			tt.events(n)
			got := ""
			for _, e := range n.Core.out.Events {
				switch e.Kind {
				case EventIsolated:
					got += "i"
				case EventWhole:
					got += "w"
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

// declareDead declares members from i up to j dead, some time after each other.
func (n *node) declareDead(i, j int, apart time.Duration) {
	for ; i <= j; i++ {
		n.after(apart).Step(n.now, Endpoint{}, &wire.Dead{Incarnation: 1, Node: memberName(i), From: "m99"})
	}
}

// stateOf is what a push/pull says of member i.
func stateOf(i int, incarnation uint32, s State) wire.PushNodeState {
	return wire.PushNodeState{Name: memberName(i), Addr: memberAddr(i).Addr().AsSlice(), Port: 7946, Incarnation: incarnation,
		State: int(s), Vsn: testVersions[:]}
}

// TestNoTimerWithoutReconnects: a core without reconnects sets no timer for who is lost.
func TestNoTimerWithoutReconnects(t *testing.T) {
	n := newNode(t, nil).meet(3)
	n.HaveSeeds(n.now)
	n.dead(1, 1, "m2")
	if n.NumTimers() != 0 || n.NumLost() != 1 {
		t.Errorf("%d timers, %d lost: %s", n.NumTimers(), n.NumLost(), fmt.Sprint(n.losses.all))
	}
}
