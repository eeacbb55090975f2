package clustertest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// broadcaster is a Delegate of which only GetBroadcasts does anything.
type broadcaster func(overhead, limit int) [][]byte

func (broadcaster) NodeMeta(int) []byte { return nil }

func (broadcaster) NotifyMsg([]byte) {}

func (broadcaster) LocalState(bool) []byte { return nil }

func (broadcaster) MergeRemoteState([]byte, bool) {}

func (f broadcaster) GetBroadcasts(overhead, limit int) [][]byte {
	return f(overhead, limit)
}

// TestDelegateWithoutBroadcasts: a delegate without broadcasts is called once in a round of gossip; one that has some is
// called for each member of the round.
func TestDelegateWithoutBroadcasts(t *testing.T) {
	const rounds = 50
	for _, tt := range []struct {
		name string
		give [][]byte
		want int64
	}{
		{"nothing", nil, rounds},
		{"something", [][]byte{[]byte("x")}, rounds * 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(5, nil)
				defer c.stop()
				var asked atomic.Int64
				m := c.add(func(config *memberlist.Config) {
					config.Delegate = broadcaster(func(int, int) [][]byte { asked.Add(1); return tt.give })
				})
				if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // until the queue is empty
				before := asked.Load()
				time.Sleep(rounds * memberlist.DefaultLANConfig().GossipInterval)
				if got := asked.Load() - before; got != tt.want {
					t.Errorf("%d calls in %d rounds, want %d", got, rounds, tt.want)
				}
			})
		})
	}
}

// slowBroadcaster takes an hour to return no broadcasts.
type slowBroadcaster struct {
	testDelegate
	asked atomic.Int64
}

func (s *slowBroadcaster) GetBroadcasts(int, int) [][]byte {
	s.asked.Add(1)
	time.Sleep(time.Hour)
	return nil
}

// TestSlowDelegateHoldsUpNoGossip: while a call of the delegate takes long it is not called again, and news of members is
// gossiped meanwhile. Leave does not wait for it either.
func TestSlowDelegateHoldsUpNoGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer time.Sleep(time.Hour) // until the delegate is done
		defer c.stop()
		slow := new(slowBroadcaster)
		m := c.add(func(config *memberlist.Config) {
			config.PushPullInterval, config.ProbeInterval = 0, 0 // gossip alone brings it
			config.Delegate = slow
		})
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		slow.set([]byte("after"))
		if err := m.UpdateNode(10 * time.Second); err != nil {
			t.Error(err)
		}
		if got := slow.asked.Load(); got != 1 {
			t.Errorf("%d calls at once, want 1", got)
		}
		c.await(10*time.Second, func() bool {
			for _, n := range c.members[0].Members() {
				if n.Name == m.LocalNode().Name {
					return string(n.Meta) == "after"
				}
			}
			return false
		})
		start := time.Now()
		if err := m.Leave(10 * time.Second); err != nil {
			t.Error(err)
		}
		if took, most := time.Since(start), leavePatience+time.Second; took > most {
			t.Errorf("leaving took %v, want at most %v", took, most)
		}
	})
}

// TestUserBroadcastsWithoutGossip: without rounds of gossip user broadcasts go with probes, which wait for no slow delegate.
func TestUserBroadcastsWithoutGossip(t *testing.T) {
	for _, tt := range []struct {
		name string
		off  func(*memberlist.Config)
	}{
		{"no interval", func(c *memberlist.Config) { c.GossipInterval = 0 }},
		{"no nodes", func(c *memberlist.Config) { c.GossipNodes = 0 }},
	} {
		for _, takes := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprint(tt.name, ", a delegate that takes ", takes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newSimCluster(t)
					defer time.Sleep(time.Minute)
					defer c.stop()
					q := &memberlist.TransmitLimitedQueue{NumNodes: func() int { return 3 }, RetransmitMult: 40} // however often one is probed
					heard := make([]atomic.Int64, 3)
					for i := range heard {
						m := c.add(func(config *memberlist.Config) {
							tt.off(config)
							config.Delegate = messageFunc(func(string) { heard[i].Add(1) })
							if i == 0 {
								config.Delegate = broadcaster(func(overhead, limit int) [][]byte {
									time.Sleep(takes)
									return q.GetBroadcasts(overhead, limit)
								})
							}
						})
						if _, err := m.Join([]string{simAddr(0).String()}); err != nil && i > 0 {
							t.Fatal(err)
						}
					}
					q.QueueBroadcast(&plainBroadcast{message: "hello"})
					c.await(time.Minute+20*takes, func() bool { return heard[1].Load() > 0 && heard[2].Load() > 0 })
					if got := c.members[0].GetHealthScore(); got != 0 {
						t.Errorf("health score %d, want 0: a probe waited", got)
					}
				})
			})
		}
	}
}

// plainBroadcast is a Broadcast that invalidates those with the same key, and counts how often it was finished with.
type plainBroadcast struct {
	key      string
	message  string
	finished atomic.Int32
	then     func() // called by Finished
}

func (b *plainBroadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(*plainBroadcast)
	return ok && o.key == b.key
}

func (b *plainBroadcast) Message() []byte { return []byte(b.message) }

func (b *plainBroadcast) Finished() {
	b.finished.Add(1)
	if b.then != nil {
		b.then()
	}
}
