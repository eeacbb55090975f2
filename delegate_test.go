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

// TestChannelEventDelegateSendsCopies: a receiver's changes of its Node are invisible to others.
func TestChannelEventDelegateSendsCopies(t *testing.T) {
	ch := make(chan NodeEvent, 1)
	d := &ChannelEventDelegate{Ch: ch}
	for name, notify := range map[string]func(*Node){"join": d.NotifyJoin, "update": d.NotifyUpdate, "leave": d.NotifyLeave} {
		n := &Node{Name: "a"}
		notify(n)
		(<-ch).Node.Name = "b"
		if n.Name != "a" {
			t.Errorf("%s: the receiver has changed the Node of all", name)
		}
	}
}
