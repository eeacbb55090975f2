package memberlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/swim"
)

func notificationsOf(events ...string) []notification {
	kinds := map[byte]swim.EventKind{'+': swim.EventJoin, '-': swim.EventLeave, '*': swim.EventUpdate, '!': swim.EventConflict}
	var ds []notification
	for i, e := range events {
		ds = append(ds, notification{event: swim.Event{Kind: kinds[e[0]]}, node: &Node{Name: e[1:], Port: uint16(i)}})
	}
	return ds
}

func describeNotifications(ds []notification) []string {
	var out []string
	for _, d := range ds {
		out = append(out, string("+-*!"[d.event.Kind])+d.node.Name)
	}
	return out
}

func TestCompacted(t *testing.T) {
	for _, tt := range []struct{ name, events, want string }{
		{"came", "+a", "+a"},
		{"came and changed", "+a *a *a", "+a"},
		{"came and went", "+a -a", ""},
		{"came, went and came", "+a -a +a", "+a"},
		{"went", "-a", "-a"},
		{"went and came", "-a +a", "-a +a"},
		{"went, came and changed", "-a +a *a", "-a +a"},
		{"went, came and went", "-a +a -a", "-a"},
		{"changed", "*a *a", "*a"},
		{"changed and went", "*a -a", "-a"},
		{"changed, went and came", "*a -a +a", "*a"},
		{"several in order", "+a -b +c *d *a -c +b", "*d +a -b +b"},
		{"conflicts stay", "+a !a -a !b", "!a !b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := describeNotifications(compacted(notificationsOf(strings.Fields(tt.events)...)))
			want := strings.Fields(tt.want)
			slices.Sort(got) // members are independent of each other
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q becomes %q, want %q", tt.events, got, tt.want)
			}
		})
	}
}

// TestCompactedIsLegal: a compacted history of events is one that could have happened, and ends as the original does.
func TestCompactedIsLegal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		here := map[string]bool{"a": true, "b": true, "c": false, "d": false}
		before := map[string]bool{"a": true, "b": true}
		var events []string
		last := map[string]uint16{}
		for i := range rng.IntN(30) {
			name := string(rune('a' + rng.IntN(4)))
			switch {
			case !here[name]:
				events = append(events, "+"+name)
			case rng.IntN(2) == 0:
				events = append(events, "-"+name)
			default:
				events = append(events, "*"+name)
				here[name] = !here[name]
			}
			here[name] = !here[name]
			last[name] = uint16(i)
		}
		told := before
		for _, d := range compacted(notificationsOf(events...)) {
			name := d.node.Name
			if (d.event.Kind == swim.EventJoin) == told[name] {
				t.Fatalf("%v becomes illegal at %v %s", events, d.event.Kind, name)
			}
			told[name] = d.event.Kind != swim.EventLeave
			if told[name] && here[name] && d.node.Port != last[name] && d.event.Kind != swim.EventLeave {
				t.Fatalf("%v: %s ends with the Node of event %d, want %d", events, name, d.node.Port, last[name])
			}
		}
		for name := range here {
			if told[name] != here[name] {
				t.Fatalf("%v: %s was reported as %v, want %v", events, name, told[name], here[name])
			}
		}
	}
}

// TestBlockedDelegateKeepsMemoryBounded: the events that wait for a delegate that never returns take bounded memory.
func TestBlockedDelegateKeepsMemoryBounded(t *testing.T) {
	m := new(Memberlist)
	m.delivery.m = m
	m.config = &Config{Events: callback{func(string) {}}}
	for i := range 100_000 {
		name := fmt.Sprint(i % 50)
		kind := swim.EventJoin
		if i/50%2 == 1 {
			kind = swim.EventLeave
		}
		m.delivery.queueLocked([]swim.Event{{Kind: kind, Member: swim.Member{Name: name}}})
	}
	if n := len(m.mu.notifications.queued); n > minCompactEvents {
		t.Errorf("%d events wait", n)
	}
}

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
