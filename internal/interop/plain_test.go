package interop

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// TestDisableExtensions: with DisableExtensions this library sends nothing that the reference does not send, byte for byte, whatever
// happens: among members of the reference and alone. With extensions it does.
func TestDisableExtensions(t *testing.T) {
	play := func(off bool) func(c *cluster) {
		return func(c *cluster) {
			c.world.(*bubble).network.SetDefault(simnet.Link{Latency: latency, Jitter: 5 * time.Millisecond, Loss: 0.05, Duplicate: 0.05})
			tune := func(o *options) { o.noExtensions, o.pushPullInterval = off, 5*time.Second }
			var all []peer
			var names []string
			for i := range 8 {
				all = append(all, c.start(c.cast[max(0, i-5)%2], fmt.Sprint("m", i), tune)) // one of the eight is of the second role
				names = append(names, all[i].name())
			}
			c.assemble(all[0], all[1:]...)
			time.Sleep(10 * time.Second)
			all[1].shutdown() // it crashes
			for _, p := range slices.Concat(all[:1], all[2:]) {
				c.awaitMembers(p, slices.Concat(names[:1], names[2:])...)
			}
			for _, p := range all[3:] { // one is cut off, by packets first
				c.cut(all[2], p, false, true)
			}
			time.Sleep(10 * time.Second)
			for _, p := range all[3:] {
				c.cut(all[2], p, false, false)
			}
			time.Sleep(30 * time.Second) // until it is forgotten
			for _, p := range all[3:] {
				c.cut(all[2], p, true, true)
			}
			again := c.start(c.cast[0], "m1", tune, func(o *options) { o.at = all[1].addr() })
			c.join(again, all[0])
			if err := all[3].leave(time.Minute); err != nil {
				c.Error(err)
			}
			all[3].shutdown()
			time.Sleep(time.Minute)

			c.tap.mu.Lock()
			defer c.tap.mu.Unlock()
			if sent := len(c.tap.strange) > 0; sent == off {
				c.Errorf("messages with what the reference does not send: %v", c.tap.strange)
			}
		}
	}
	for name, off := range map[string]bool{"off": true, "on": false} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, scenario{verb: "is-with", roles: 2, tapped: true, play: play(off)}, settingsNamed("plain", "aes256+compression", "v1"))
		})
	}
}
