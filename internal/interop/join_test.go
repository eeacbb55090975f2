package interop

import "testing"

func TestJoin(t *testing.T) {
	everywhere(t, scenario{verb: "joins", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(b, a)
		c.awaitEntry(a, sawJoin, "b", "meta of b")
		c.awaitEntry(b, sawJoin, "a", "meta of a")
		c.awaitEntry(a, sawJoinState, "", "state of b")
		c.awaitEntry(b, sawJoinState, "", "state of a")
		for _, p := range []peer{a, b} {
			c.awaitState(p, "a", stateAlive, 1)
			c.awaitState(p, "b", stateAlive, 1)
		}
	}})
}
