package interop

import (
	"testing"
	"time"
)

// TestHealing: a partition between members of both libraries that outlasts all timeouts is healed by this library alone: it
// first sends an exchange of states without members, which the reference answers and otherwise ignores. Here each member
// has forgotten the other.
func TestHealing(t *testing.T) {
	inBubbles(t, scenario{verb: "is-found-again-by", roles: 2, tapped: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		time.Sleep(10 * time.Second) // until each has probed the other
		c.cut(a, b, false, false)
		c.awaitEntry(a, sawLeave, "b", "")
		c.awaitEntry(b, sawLeave, "a", "")
		time.Sleep(5 * time.Minute)
		c.cut(a, b, true, true)
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
	}}, plainSettings)
}

// plainSettings is one setting, the simplest.
var plainSettings = []setting{{protocol: 2}}
