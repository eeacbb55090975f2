package swim

import "testing"

// TestOutputKeepsOrdinaryMemory: the memory of an ordinary turn is used again by the next, and refers to nothing;
// that of a burst is released.
func TestOutputKeepsOrdinaryMemory(t *testing.T) {
	for _, tt := range []struct {
		name    string
		members int
		kept    bool
	}{{"ordinary", 50, true}, {"burst", 2 * keptEntries, false}} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.GossipNodes = 1 })
			n.cfg.Room = 1 << 20
			n.take()
			for i := range tt.members {
				n.Step(Endpoint{}, aliveOf(1+i, 1))
			}
			n.loops.gossipTick(n.Turn)
			out := swap(n.Turn, new(Output))
			if len(out.Events) != tt.members || len(out.Packets[0].Messages) < tt.members {
				t.Fatalf("%d events and %d messages about %d members", len(out.Events), len(out.Packets[0].Messages), tt.members)
			}
			out.reset()
			if kept := cap(out.Events) > 0 && cap(out.Changed) > 0 && cap(out.pieces) > 0; kept != tt.kept {
				t.Errorf("room for %d events, %d changes and %d messages", cap(out.Events), cap(out.Changed), cap(out.pieces))
			}
			if tt.kept && (out.Events[:1][0].Member.Name != "" || out.Packets[:1][0].Messages != nil || out.pieces[:1][0] != nil) {
				t.Error("the output that was taken is still referenced")
			}
		})
	}
}
