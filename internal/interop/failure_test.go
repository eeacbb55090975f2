package interop

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRefutation: a suspect member receives the suspicion and refutes it with a higher incarnation.
func TestRefutation(t *testing.T) {
	everywhere(t, scenario{verb: "suspects", roles: 2, tapped: true, play: func(c *cluster) {
		patient := func(o *options) { o.noStreamPings, o.suspicionMult = true, 1000 }
		a, b := c.start(c.cast[0], "a", patient), c.start(c.cast[1], "b", patient)
		c.assemble(a, b)
		start := c.tap.mark()
		c.world.link(b.addr(), a.addr(), false, true) // b receives, but a receives nothing from b
		c.awaitState(a, "b", stateSuspect, 1)
		c.await("a sends b the suspicion", func() bool {
			return len(c.tap.since(start, func(s sight) bool {
				return between(wire.TypeSuspect, "a", "b")(s) && s.message.(*wire.Suspect).Node == "b" &&
					s.message.(*wire.Suspect).From == "a"
			})) > 0
		})
		c.await("b refutes", func() bool {
			return len(c.tap.since(start, func(s sight) bool {
				return between(wire.TypeAlive, "b", "a")(s) && s.message.(*wire.Alive).Node == "b" &&
					s.message.(*wire.Alive).Incarnation > 1
			})) > 0
		})
		c.world.link(b.addr(), a.addr(), true, true)
		c.awaitState(a, "b", stateAlive, 2)
		c.awaitMembers(a, "a", "b")
		c.never(a, sawLeave, "b")
	}})
}

// TestRefutationOfDeath: a member that was wrongly declared dead comes back by refuting.
func TestRefutationOfDeath(t *testing.T) {
	everywhere(t, scenario{verb: "declares-dead", roles: 2, tapped: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		c.cut(a, b, false, false)
		c.awaitEntry(a, sawLeave, "b", "")
		c.awaitEntry(b, sawLeave, "a", "")
		c.cut(a, b, true, true)
		c.join(a, b) // gossip to dead members would have the same effect, later
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
		c.await("b joins a second time", func() bool { return a.journal().count(entry{sawJoin, "b", "meta of b"}) == 2 })
		c.await("a joins a second time", func() bool { return b.journal().count(entry{sawJoin, "a", "meta of a"}) == 2 })
	}})
}

// TestDead: the suspicion and the death of a member that one member detects are accepted by the other.
func TestDead(t *testing.T) {
	everywhere(t, scenario{verb: "declares-dead-for", roles: 2, tapped: true, play: func(c *cluster) {
		a := c.start(c.cast[0], "a")
		// b does not probe, and its own suspicions take far longer.
		b := c.start(c.cast[1], "b", func(o *options) { o.probeInterval = off })
		victim := c.start(c.cast[1], "victim")
		c.assemble(a, b, victim)
		victim.shutdown()
		start := c.tap.mark()
		c.awaitState(b, "victim", stateSuspect, 1)
		c.awaitEntry(a, sawLeave, "victim", "")
		c.awaitEntry(b, sawLeave, "victim", "")
		c.awaitState(a, "victim", stateDead, 1)
		c.awaitState(b, "victim", stateDead, 1)
		dead := c.tap.since(start, func(s sight) bool {
			return between(wire.TypeDead, "a", "b")(s) && s.message.(*wire.Dead).From == "a"
		})
		if len(dead) == 0 {
			c.Error("a sent no dead message")
		}
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
	}})
}

func TestLeave(t *testing.T) {
	everywhere(t, scenario{verb: "leaves", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(b, a)
		if err := a.leave(patience); err != nil {
			c.Error(err)
		}
		c.awaitEntry(b, sawLeave, "a", "")
		c.awaitState(b, "a", stateLeft, 1)
		c.awaitMembers(b, "b")
	}})
}
