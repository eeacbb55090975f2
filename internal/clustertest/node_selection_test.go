package clustertest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// selector is a NodeSelectionDelegate that selects members by name.
type selector struct {
	selected  []string
	preferred string
	block     chan struct{} // if not nil, calls wait for it to be closed

	mu    sync.Mutex
	calls int
	seen  map[string]memberlist.NodeState // in the last call
}

func (s *selector) SelectNodes(nodes []*memberlist.NodeState) (selected []*memberlist.NodeState, preferred *memberlist.NodeState) {
	s.mu.Lock()
	s.calls++
	s.seen = make(map[string]memberlist.NodeState)
	for _, n := range nodes {
		s.seen[n.Name] = *n
	}
	s.mu.Unlock()
	if s.block != nil {
		<-s.block
	}
	for _, n := range nodes {
		if n.Name == s.preferred {
			preferred = n
		}
		if slices.Contains(s.selected, n.Name) {
			selected = append(selected, n)
		}
	}
	return append(selected, nil), preferred
}

// news is metadata that a test changes.
type news struct{ text atomic.Pointer[string] }

func (n *news) delegate() memberlist.Delegate {
	return metaDelegate{callback{func(string) {}}, func() string {
		if text := n.text.Load(); text != nil {
			return *text
		}
		return ""
	}}
}

func (n *news) set(text string) { n.text.Store(&text) }

// TestSelectedMembersAlone: news goes to selected members and to the preferred one only, whatever else the selection has in it.
func TestSelectedMembersAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *selector
		want []string // the members that learn of m0's metadata
	}{
		{"one", &selector{selected: []string{"m1"}}, []string{"m0", "m1"}},
		{"two", &selector{selected: []string{"m1", "m3", "m0", "unknown"}}, []string{"m0", "m1", "m3"}},
		{"preferred", &selector{preferred: "m2"}, []string{"m0", "m2"}},
		{"preferred besides", &selector{selected: []string{"m1", "m2"}, preferred: "m2"}, []string{"m0", "m1", "m2"}},
		{"this member", &selector{selected: []string{"m0"}, preferred: "m0"}, []string{"m0"}},
		{"none", &selector{}, []string{"m0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gossipOnly := func(config *memberlist.Config) {
					config.ProbeInterval, config.PushPullInterval = 0, 0
				}
				c := newSimCluster(t)
				defer c.stop()
				var meta news
				everybody := &selector{selected: []string{"m1", "m2", "m3", "m4"}}
				current := everybody
				c.add(func(config *memberlist.Config) {
					gossipOnly(config)
					config.Delegate, config.NodeSelection = meta.delegate(), selectFunc(func(nodes []*memberlist.NodeState) ([]*memberlist.NodeState, *memberlist.NodeState) {
						return current.SelectNodes(nodes)
					})
				})
				c.grow(4, func(config *memberlist.Config) {
					gossipOnly(config)
					config.NodeSelection = new(selector) // passes nothing on
				})
				for _, m := range c.members[1:] {
					if _, err := m.Join([]string{simAddr(1).String(), simAddr(0).String()}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				if !c.agree(5) {
					t.Fatal("not one cluster")
				}
				synctest.Wait()
				current = tt.s
				meta.set("news")
				if err := c.members[0].UpdateNode(time.Minute); err != nil && len(tt.want) > 1 {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				var got []string
				for i, m := range c.members {
					for _, n := range m.Members() {
						if n.Name == "m0" && string(n.Meta) == "news" {
							got = append(got, c.configs[i].Name)
						}
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("the news is known to %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// selectFunc is a NodeSelectionDelegate.
type selectFunc func([]*memberlist.NodeState) ([]*memberlist.NodeState, *memberlist.NodeState)

func (f selectFunc) SelectNodes(nodes []*memberlist.NodeState) ([]*memberlist.NodeState, *memberlist.NodeState) {
	return f(nodes)
}

// TestSelectionSeesAllMembers: the delegate is called with alive, dead and left members and with the member itself, as they are.
func TestSelectionSeesAllMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		s := &selector{selected: []string{"m0", "m1", "m2", "m3"}}
		c.add(func(config *memberlist.Config) {
			config.NodeSelection, config.Delegate = s, broadcaster(func(int, int) [][]byte { return nil })
			config.GossipToTheDeadTime = time.Hour
		})
		c.grow(3, nil)
		for i := 1; i < 4; i++ {
			if _, err := c.members[i].Join([]string{simAddr(0).String()}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		c.transport(2).Shutdown()
		if err := c.members[3].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		for name, want := range map[string]memberlist.NodeStateType{
			"m0": memberlist.StateAlive, "m1": memberlist.StateAlive, "m2": memberlist.StateDead, "m3": memberlist.StateLeft,
		} {
			n, ok := s.seen[name]
			if !ok || n.State != want || n.Node.State != want || n.DeadOrLeft() != (want >= memberlist.StateDead) {
				t.Errorf("%s is seen as %+v (%v), want state %d", name, n, ok, want)
			}
			if n.Incarnation == 0 || n.StateChange.IsZero() || n.FullAddress().Name != name || n.Address() != n.FullAddress().Addr {
				t.Errorf("%s is seen as %+v", name, n)
			}
		}
		if len(s.seen) != 4 {
			t.Errorf("%d members are seen, want 4", len(s.seen))
		}
	})
}

// TestBlockedSelection: while the delegate does not return, gossip and probes go on, and Shutdown does not wait for it.
func TestBlockedSelection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		block := make(chan struct{})
		defer close(block)
		s := &selector{block: block}
		var meta news
		c.add(func(config *memberlist.Config) {
			config.NodeSelection, config.Delegate, config.PushPullInterval = s, meta.delegate(), 0
		})
		c.grow(2, func(config *memberlist.Config) { config.PushPullInterval = 0 })
		for _, m := range c.members[1:] {
			if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		meta.set("news")
		if err := c.members[0].UpdateNode(time.Minute); err != nil {
			t.Error(err)
		}
		if s.calls != 1 || !c.agree(3) {
			t.Errorf("%d calls; members %d, %d, %d", s.calls, c.members[0].NumMembers(), c.members[1].NumMembers(), c.members[2].NumMembers())
		}
		c.members[0].Shutdown()
	})
}

// TestPushPullNodes: at each interval states are exchanged with that number of members, of the selection.
func TestPushPullNodes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		nodes    int
		selector memberlist.NodeSelectionDelegate
		want     int64 // streams in one interval
	}{
		{"default", 0, nil, 1},
		{"three", 3, nil, 3},
		{"more than there are", 9, nil, 5},
		{"of two selected", 3, &selector{selected: []string{"m1", "m2"}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				c.add(func(config *memberlist.Config) {
					config.PushPullNodes, config.NodeSelection = tt.nodes, tt.selector
					config.PushPullInterval = 20 * time.Second
				})
				c.grow(5, func(config *memberlist.Config) { config.PushPullInterval = 0 })
				for _, m := range c.members[1:] {
					if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				before := c.transport(0).dials.Load()
				time.Sleep(10 * 20 * time.Second)
				if got := c.transport(0).dials.Load() - before; got != 10*tt.want {
					t.Errorf("%d streams in 10 intervals, want %d", got, 10*tt.want)
				}
			})
		})
	}
}
