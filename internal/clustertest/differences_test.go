package clustertest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestMissedNews: a member that missed news whose gossip has ended has it seconds later, with any kind of stream, and user
// state goes both ways. If it has no extensions the next push/pull brings it.
func TestMissedNews(t *testing.T) {
	tests := []struct {
		name   string
		change func(*memberlist.Config)
		plain  bool // one member has no extensions
	}{
		{name: "plain text"},
		{name: "sealed", change: func(c *memberlist.Config) { c.Label, c.SecretKey = "blue", make([]byte, 16) }},
		{name: "not compressed", change: func(c *memberlist.Config) { c.EnableCompression = false }},
		{name: "without extensions", plain: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				var delegates []*testDelegate
				c.grow(4, func(config *memberlist.Config) {
					if tt.change != nil {
						tt.change(config)
					}
					i := len(delegates)
					config.DisableExtensions = tt.plain && i == 3
					config.PushPullInterval = 20 * time.Second
					delegates = append(delegates, &testDelegate{state: []byte(fmt.Sprint("state of ", i))})
					config.Delegate = delegates[i]
				})
				c.await(settles, func() bool { return c.agree(4) })
				time.Sleep(20 * time.Minute)
				for i, d := range delegates {
					d.mu.Lock()
					for j := range delegates {
						if want := fmt.Sprintf("state of %d false", j); i != j && !slices.Contains(d.remote, want) {
							t.Errorf("member %d never got %q but %q", i, want, d.remote)
						}
					}
					d.remote = nil
					d.mu.Unlock()
				}

				c.network.Partition([]netip.AddrPort{simAddr(3)})
				delegates[0].set([]byte("new"))
				if err := c.members[0].UpdateNode(time.Second); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second) // it has been gossiped as often as it will be
				c.network.Heal()
				limit := 5 * time.Second
				if tt.plain {
					limit = 40 * time.Second
				}
				c.await(limit, func() bool {
					return slices.ContainsFunc(c.members[3].Members(), func(n *memberlist.Node) bool { return string(n.Meta) == "new" })
				})
				time.Sleep(time.Minute)
				for i, m := range c.members {
					if m.ViewChecksum() != c.members[0].ViewChecksum() {
						t.Errorf("member %d has another view in the end", i)
					}
					if dropped := m.Stats().Dropped; dropped != (memberlist.Drops{}) {
						t.Errorf("member %d dropped %+v", i, dropped)
					}
				}
			})
		})
	}
}

// TestJoinsOneByOne: when members join one after the other, through the first, each knows all within three seconds.
func TestJoinsOneByOne(t *testing.T) {
	const runs = 20
	for _, members := range []int{6, 8} {
		synctest.Test(t, func(t *testing.T) {
			for range runs {
				c := newSimCluster(t)
				c.grow(members, nil)
				c.await(3*time.Second, func() bool { return c.agree(members) })
				c.stop()
			}
		})
	}
}
