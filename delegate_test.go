package memberlist

import "testing"

func TestChannelEventDelegateSendsEachEvent(t *testing.T) {
	ch := make(chan NodeEvent, 3)
	d := &ChannelEventDelegate{Ch: ch}
	n := &Node{Name: "a"}
	d.NotifyJoin(n)
	d.NotifyUpdate(n)
	d.NotifyLeave(n)
	for _, want := range []NodeEventType{NodeJoin, NodeUpdate, NodeLeave} {
		if got := <-ch; got.Event != want || got.Node.Name != "a" {
			t.Errorf("got event %d of %v, want %d of a", got.Event, got.Node, want)
		}
	}
}
