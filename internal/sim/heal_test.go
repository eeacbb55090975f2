package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// upTo returns the nodes below n.
func upTo(n int) []int {
	nodes := make([]int, n)
	for i := range nodes {
		nodes[i] = i
	}
	return nodes
}

// oneView reports whether all nodes take all nodes for alive.
func (s *Sim) oneView() bool {
	for i := range s.check.views {
		for _, e := range s.check.views[i].entries {
			if e.state != alive {
				return false
			}
		}
	}
	return true
}

// TestHeal: the two sides of a partition that outlasts their memory of each other become one cluster again within a
// minute of its end, whatever their sizes, even if a seed has another address by then.
func TestHeal(t *testing.T) {
	const begins = time.Second
	for _, tt := range []struct {
		n, side int
		lasts   time.Duration
		moves   bool
		seeds   uint64
	}{
		{n: 100, side: 50, lasts: 10 * time.Minute, moves: true, seeds: 2},
		{n: 100, side: 1, lasts: 10 * time.Minute, seeds: 1},
		{n: 40, side: 12, lasts: 10 * time.Minute, moves: true, seeds: 3},
		{n: 10, side: 5, lasts: 10 * time.Minute, moves: true, seeds: 10},
		{n: 3, side: 1, lasts: 10 * time.Minute, seeds: 20},
		{n: 2, side: 1, lasts: 10 * time.Minute, seeds: 20},
		{n: 2, side: 1, lasts: 10 * time.Minute, moves: true, seeds: 20},
		{n: 10, side: 5, lasts: 45 * time.Second, seeds: 20}, // both sides know that the other is dead
		{n: 40, side: 20, lasts: 50 * time.Second, seeds: 5},
		{n: 10, side: 5, lasts: 80 * time.Second, seeds: 20}, // some do
	} {
		t.Run(fmt.Sprintf("%d of %d for %v, moved is %v", tt.side, tt.n, tt.lasts, tt.moves), func(t *testing.T) {
			t.Parallel()
			seeds := tt.seeds
			if race.Enabled {
				seeds = min(seeds, 2)
			}
			var slowest time.Duration
			for seed := range seeds {
				cfg := Config{N: tt.n, Seed: seed, Seeds: []int{0, tt.n - 1}, Faults: []Fault{
					{Kind: Partition, At: begins, For: tt.lasts, Nodes: upTo(tt.side)}}}
				if tt.moves { // it stays on its side: the members there accept it again
					cfg.Core = LAN()
					cfg.Core.DeadNodeReclaimTime = 10 * time.Second
					cfg.Faults = append(cfg.Faults, Fault{Kind: Move, At: 2 * time.Minute, For: time.Minute, Nodes: []int{0}})
				}
				s := New(cfg)
				if err := s.RunUntil(begins + tt.lasts); err != nil {
					t.Fatal(err)
				}
				for !s.oneView() && s.Now() < begins+tt.lasts+5*time.Minute {
					if err := s.RunUntil(s.Now() + time.Second/4); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
				slowest = max(slowest, s.Now()-begins-tt.lasts)
				if err := s.Settle(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			t.Logf("one view again after %v at most", slowest)
			if slowest > time.Minute {
				t.Errorf("one view again only after %v", slowest)
			}
		})
	}
}

// TestNoHeal: without reconnects, as in the reference, the sides stay apart.
func TestNoHeal(t *testing.T) {
	core := LAN()
	core.ReconnectInterval = 0
	s := New(Config{N: 10, Core: core, Faults: []Fault{{Kind: Partition, At: time.Second, For: 5 * time.Minute, Nodes: upTo(5)}}})
	if err := s.Settle(); err == nil || s.Result().Violation.Rule != ruleSettle || s.Result().Reconnects != 0 {
		t.Errorf("%v, %d reconnects", err, s.Result().Reconnects)
	}
}

// TestReconnectLoad: the load of reconnect attempts to members that do not return is as configured, and ends with the
// timeout. There are no attempts to members that left.
func TestReconnectLoad(t *testing.T) {
	const n, gone = 20, 4
	count := func(kind Kind, timeout time.Duration) (early, late uint64) {
		core := LAN()
		core.ReconnectTimeout = timeout
		s := New(Config{N: n, Core: core, Unchecked: true, Faults: []Fault{{Kind: kind, At: time.Second, Nodes: upTo(gone)}}})
		for _, d := range []time.Duration{20 * time.Minute, 40 * time.Minute} {
			if err := s.RunUntil(d); err != nil {
				t.Fatal(err)
			}
			early, late = late, s.Result().Reconnects
		}
		return early, late - early
	}
	// In all: 16 members, of which each tries 4 every 16/4 * 30 s.
	if first, second := count(Crash, 0); first < second || second < 600 || second > 680 {
		t.Errorf("%d exchanges were tried in 20 minutes, %d in the next", first, second)
	}
	if first, second := count(Crash, 10*time.Minute); first == 0 || first > 480 || second != 0 {
		t.Errorf("%d exchanges were tried in 10 minutes, %d after all was given up", first, second)
	}
	if first, second := count(Leave, 0); first+second != 0 {
		t.Errorf("%d exchanges were tried with members that left", first+second)
	}
}

// TestIsolated: a member that loses most others at once reports that it is isolated, and then that it no longer is.
// The others report neither.
func TestIsolated(t *testing.T) {
	const n, side = 20, 3
	told := make([][]swim.EventKind, n)
	cfg := Config{N: n, Faults: []Fault{{Kind: Partition, At: time.Second, For: 5 * time.Minute, Nodes: upTo(side)}}}
	cfg.Tamper.Out = func(node int, _ *swim.Core, _ time.Time, o *swim.Output) {
		for _, e := range o.Events {
			if e.Kind == swim.EventIsolated || e.Kind == swim.EventIsolationEnded {
				told[node] = append(told[node], e.Kind)
			}
		}
	}
	s := New(cfg)
	if err := s.RunUntil(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if isolated := s.nodes[i].core.Isolated(); isolated != (i < side) {
			t.Errorf("n%d is isolated: %v", i, isolated)
		}
	}
	if err := s.Settle(); err != nil {
		t.Fatal(err)
	}
	for i, events := range told {
		want := ""
		if i < side {
			want = fmt.Sprint([]swim.EventKind{swim.EventIsolated, swim.EventIsolationEnded})
		}
		if got := fmt.Sprint(events); len(events)+len(want) > 0 && got != want {
			t.Errorf("n%d reported %v", i, events)
		}
	}
}

// TestHealsInChurn: a member that missed a death learns of it within 10 s, though some view changes four times a second.
func TestHealsInChurn(t *testing.T) {
	const n, victim, deaf = 60, 3, 5
	const crash = 20 * time.Second
	for seed := range uint64(5) {
		core := LAN()
		core.Detector.RefusalGrace = 0
		s := &scene{New(Config{N: n, Seed: seed, Unchecked: true, Core: core, Faults: []Fault{
			{Kind: Crash, At: crash, Nodes: []int{victim}},
			{Kind: Meta, At: 10 * time.Second, For: 2 * time.Minute, Delay: 250 * time.Millisecond, Nodes: []int{9}},
		}}), t}
		s.cfg.Tamper.In = func(node int, _ *swim.Turn, m any) bool {
			v, ok := m.(*wire.GossipView)
			return node != deaf || !ok || v.Kind != wire.TypeDead || string(v.Node) != nodeName(victim)
		}
		s.until(crash + 4*time.Second)
		for node := range n {
			if node != victim && node != deaf {
				s.want(node, victim, swim.StateDead, 1)
			}
		}
		for s.sees(deaf, victim).State != swim.StateDead && s.Now() < crash+time.Minute {
			s.until(s.Now() + time.Second/4)
		}
		if took := s.Now() - crash; took > 10*time.Second {
			t.Errorf("seed %d: a member that missed the death learns of it after %v", seed, took)
		}
	}
}
