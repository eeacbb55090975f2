package sim

import (
	"flag"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

var leaveFlag = flag.Int("leave", 1000, "number of nodes of TestLargeLeave; 3000 take 2 GB")

// TestLargeLeave: in a cluster of a thousand members, of which some announce new metadata all the time, over a network
// that loses packets, 99 % know after 5 s that a member left, which stops once it has sent its leave often enough. No
// member takes it for dead in the end.
func TestLargeLeave(t *testing.T) {
	n := *leaveFlag
	if race.Enabled {
		n = min(n, 100)
	}
	const at = time.Second
	s := New(Config{N: n, Unchecked: true, Link: Link{Loss: 0.05}, Faults: []Fault{
		{Kind: Meta, For: 3 * time.Second, Delay: 500 * time.Millisecond, Nodes: upTo(10)},
		{Kind: Leave, At: at, Nodes: []int{n - 1}},
	}})
	took := time.Duration(0)
	for _, after := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second} {
		if err := s.RunUntil(at + after); err != nil {
			t.Fatal(err)
		}
		left, others := 0, 0
		for i := range n - 1 {
			switch m, _ := s.nodes[i].core.Member(nodeName(n - 1)); m.State {
			case swim.StateLeft:
				left++
			case swim.StateDead:
				t.Errorf("n%d takes it for dead", i)
			default:
				others++
			}
		}
		t.Logf("after %v %d know, %d do not; it is up: %v", after, left, others, s.nodes[n-1].up)
		if took == 0 && left >= 99*others {
			took = after
		}
	}
	if took == 0 || s.nodes[n-1].up {
		t.Errorf("known to 99 %% after %v; it is up: %v", took, s.nodes[n-1].up)
	}
}

// TestMissedLeave: a member that missed a leave learns of it within seconds, as one that left: its view differs from those of others,
// in which who left does not count.
func TestMissedLeave(t *testing.T) {
	const n, leaver, deaf = 20, 3, 5
	for seed := range uint64(10) {
		s := &scene{New(Config{N: n, Seed: seed, Unchecked: true, Faults: []Fault{{Kind: Leave, At: 15 * time.Second, Nodes: []int{leaver}}}}), t}
		s.cfg.Tamper.In = func(node int, _ *swim.Turn, m any) bool {
			v, ok := m.(*wire.GossipView)
			return node != deaf || !ok || v.Kind != wire.TypeDead
		}
		for s.sees(deaf, leaver).State != swim.StateLeft && s.Now() < time.Minute {
			s.until(s.Now() + time.Second/4)
		}
		if s.Now() > 21*time.Second {
			t.Errorf("seed %d: after %v it is %v", seed, s.Now()-15*time.Second, s.sees(deaf, leaver).State)
		}
	}
}
