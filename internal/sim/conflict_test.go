package sim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// TestRescheduled: a process that was at a high incarnation is started again at another address, without memory. All
// accept it as a member within seconds, without a DeadNodeReclaimTime.
func TestRescheduled(t *testing.T) {
	const n, moved, at = 20, 5, 10 * time.Second
	for seed := range uint64(10) {
		s := New(Config{N: n, Seed: seed, Faults: []Fault{
			{Kind: Meta, At: time.Second, For: 5 * time.Second, Delay: time.Second, Nodes: []int{moved}},
			{Kind: Move, At: at, For: time.Second, Nodes: []int{moved}},
		}})
		if err := s.RunUntil(at + time.Second); err != nil {
			t.Fatal(err)
		}
		sees := func(node int) bool {
			m, _ := s.nodes[node].core.Member(nodeName(moved))
			return m.State == swim.StateAlive && m.Addr == address(moved, 1)
		}
		everybody := func() bool {
			for node := range n {
				if !sees(node) {
					return false
				}
			}
			return true
		}
		for !everybody() && s.Now() < at+time.Minute {
			if err := s.RunUntil(s.Now() + time.Second/10); err != nil {
				t.Fatal(err)
			}
		}
		if took := s.Now() - at - time.Second; took > 10*time.Second {
			t.Errorf("seed %d: a member for all only after %v", seed, took)
		}
		if err := s.Settle(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
