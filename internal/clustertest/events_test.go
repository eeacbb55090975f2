package clustertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestSlowEventsCostNoAck: a delegate that takes 10 s for an event delays
// neither acks nor refutations.
func TestSlowEventsCostNoAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(4, nil)
		defer time.Sleep(time.Minute) // Shutdown does not wait for the delegate; the bubble must
		defer c.stop()
		slow := c.add(func(config *memberlist.Config) {
			config.Events = slowEvents{10 * time.Second}
		})
		go slow.Join([]string{simAddr(0).String()})
		time.Sleep(2 * time.Minute)
		for i := range 4 {
			for _, e := range c.events[i].list() {
				if e[:4] != "join" {
					t.Errorf("member %d heard %q", i, e)
				}
			}
			if got := c.members[i].GetHealthScore(); got != 0 {
				t.Errorf("member %d: health score %d, want 0: an ack was missed", i, got)
			}
		}
		if got := slow.NumMembers(); got != 5 {
			t.Errorf("the slow member counts %d members", got)
		}
	})
}

type slowEvents struct{ takes time.Duration }

func (s slowEvents) NotifyJoin(*memberlist.Node) { time.Sleep(s.takes) }

func (s slowEvents) NotifyLeave(*memberlist.Node) { time.Sleep(s.takes) }

func (s slowEvents) NotifyUpdate(*memberlist.Node) { time.Sleep(s.takes) }

// TestEventsAreNeverConcurrent: events are delivered one at a time, in order.
func TestEventsAreNeverConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			calls int
			seen  []string
		)
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) {
			config.Events = nodeFunc(func(kind string, n *memberlist.Node) {
				mu.Lock()
				if calls++; calls > 1 {
					t.Error("two events at once")
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				calls--
				seen = append(seen, kind+" "+n.Name)
				mu.Unlock()
			})
		})
		for range 8 {
			m := c.add(nil)
			go m.Join([]string{simAddr(0).String()})
		}
		time.Sleep(5 * time.Second)
		for _, m := range c.members[1:] {
			go m.Leave(time.Second)
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(seen) != 1+8+8 {
			t.Fatalf("%d events: %v", len(seen), seen)
		}
		for i := 1; i <= 8; i++ {
			join := slices.Index(seen, fmt.Sprintf("join m%d", i))
			leave := slices.Index(seen, fmt.Sprintf("leave m%d", i))
			if join < 0 || leave < join {
				t.Errorf("m%d: join is event %d, leave %d", i, join, leave)
			}
		}
	})
}

type nodeFunc func(kind string, n *memberlist.Node)

func (f nodeFunc) NotifyJoin(n *memberlist.Node) { f("join", n) }

func (f nodeFunc) NotifyLeave(n *memberlist.Node) { f("leave", n) }

func (f nodeFunc) NotifyUpdate(n *memberlist.Node) { f("update", n) }

// TestEventsAreDeliveredOnReturn: the events that a Create, Join or UpdateNode causes are delivered before it returns.
func TestEventsAreDeliveredOnReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		d := &testDelegate{meta: []byte("one")}
		c.add(nil)
		m := c.add(func(config *memberlist.Config) { config.Delegate = d })
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1"}) {
			t.Errorf("after Create: %v", got)
		}
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1", "join m0"}) {
			t.Errorf("after Join: %v", got)
		}
		d.set([]byte("two"))
		if err := m.UpdateNode(time.Second); err != nil {
			t.Fatal(err)
		}
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1", "join m0", "update m1"}) {
			t.Errorf("after UpdateNode: %v", got)
		}
	})
}
