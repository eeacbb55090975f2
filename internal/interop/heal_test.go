package interop

import (
	"testing"
	"time"
)

// A partition that outlasts all timeouts, between members of both kinds, is healed by ours alone: it looks first, with an
// exchange of states that tells nothing of it, which the reference answers and takes no notice of. Here each has lost the other
// for so long that it has forgotten it.
func TestHealing(t *testing.T) {
	inBubbles(t, scenario{verb: "is-found-again-by", roles: 2, tapped: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		time.Sleep(10 * time.Second) // in which each has probed the other
		c.cut(a, b, false, false)
		c.awaitEntry(a, sawLeave, "b", "")
		c.awaitEntry(b, sawLeave, "a", "")
		time.Sleep(5 * time.Minute)
		c.cut(a, b, true, true)
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
	}}, plainSettings)
}

// plainSettings is the one that says least.
var plainSettings = []setting{{protocol: 2}}
