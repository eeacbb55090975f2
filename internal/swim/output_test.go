package swim

import "testing"

// TestOutputGivesMemoryBack: what a burst took is kept while it goes on, and given back after it.
func TestOutputGivesMemoryBack(t *testing.T) {
	n := newNode(t, nil)
	spare := new(Output)
	burst := func(first int) {
		for i := first; i < first+2*keptEntries; i++ {
			n.Step(n.now, Endpoint{}, aliveOf(i, 1))
		}
		spare = n.Core.Take(spare)
	}
	for i := range 3 {
		burst(1 + 1000*i)
	}
	if next := n.Core.out.Events; cap(next) < 2*keptEntries || next[:1][0].Member.Name != "" {
		t.Errorf("room for %d events in the middle of a burst", cap(next))
	}
	for i := range 4 { // two take turns
		n.Step(n.now, Endpoint{}, aliveOf(1, uint32(2+i)))
		spare = n.Core.Take(spare)
	}
	for _, o := range []*Output{spare, n.Core.out} {
		if cap(o.Events) > keptEntries || cap(o.Changed) > keptEntries {
			t.Errorf("room for %d events and %d changes after the burst", cap(o.Events), cap(o.Changed))
		}
	}
}

// TestOutputGivesMemoryBackAtOnce: of one that is done with only what a burst took is given back.
func TestOutputGivesMemoryBackAtOnce(t *testing.T) {
	n := newNode(t, func(c *Config) { c.GossipNodes, c.HasUserBroadcasts = 1, true })
	n.SetRoom(1 << 20)
	gossip := func(first, members int) *Output {
		for i := range members {
			n.Step(n.now, Endpoint{}, aliveOf(first+i, 1))
		}
		n.Core.Take(new(Output))
		n.gossipTick(n.now)
		out := n.Core.Take(new(Output))
		n.FillGossip(out, &out.Packets[0], 0)
		if len(out.Packets[0].Messages) < members {
			t.Fatalf("%d messages about %d members", len(out.Packets[0].Messages), members)
		}
		out.GiveBack()
		return out
	}
	if few := gossip(1, 10); cap(few.bytes) == 0 || cap(few.pieces) == 0 {
		t.Error("the memory of a few messages is given back")
	}
	if many := gossip(100, 5000); cap(many.bytes)+cap(many.pieces) > 0 || len(many.Packets) > 0 {
		t.Errorf("memory for %d bytes of %d messages is kept", cap(many.bytes), cap(many.pieces))
	}
}
