package interop

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// TestMixedCluster: a dozen members of both libraries, on a network that loses packets, agree on the members: after the
// joins, after one has crashed, after one has left. No other member is declared dead.
func TestMixedCluster(t *testing.T) {
	some := slices.DeleteFunc(slices.Clone(settings), func(s setting) bool { return s.key == nil && s.name != "plain" })
	inBubbles(t, scenario{verb: "lives-with", roles: 2, play: func(c *cluster) {
		network := c.world.(*bubble).network
		network.SetDefault(simnet.Link{Latency: latency, Jitter: 5 * time.Millisecond, Loss: 0.05, Duplicate: 0.05})
		sync := func(o *options) { o.pushPullInterval = 5 * time.Second }
		var all []peer
		var names []string
		for i := range 12 {
			all = append(all, c.start(c.cast[i%2], fmt.Sprintf("m%02d", i), sync))
			names = append(names, all[i].name())
			if i > 0 {
				c.join(all[i], all[i-1])
			}
		}
		agree := func(peers []peer, names []string) {
			c.Helper()
			for _, p := range peers {
				c.awaitMembers(p, names...)
			}
		}
		agree(all, names)

		all[0].shutdown()
		agree(all[1:], names[1:])

		if err := all[1].leave(time.Minute); err != nil {
			c.Error(err)
		}
		all[1].shutdown()
		agree(all[2:], names[2:])

		if err := all[2].setMeta("new", time.Minute); err != nil {
			c.Error(err)
		}
		for _, p := range all[3:] {
			c.awaitEntry(p, sawUpdate, "m02", "new")
		}
		for _, p := range all[2:] {
			for _, q := range all[2:] {
				if p != q && p.journal().count(entry{sawLeave, q.name(), ""}) > 0 {
					c.Errorf("%s (%s) declared %s (%s) dead", p.name(), p.kind(), q.name(), q.kind())
				}
			}
		}
	}}, some)
}
