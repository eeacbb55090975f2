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
