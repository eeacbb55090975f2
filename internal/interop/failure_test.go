package interop

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Who is suspected hears of it, and refutes it with a higher incarnation.
func TestRefutation(t *testing.T) {
	everywhere(t, scenario{verb: "suspects", roles: 2, tapped: true, play: func(c *cluster) {
		patient := func(o *options) { o.noStreamPings, o.suspicionMult = true, 1000 }
		a, b := c.start(c.cast[0], "a", patient), c.start(c.cast[1], "b", patient)
		c.assemble(a, b)
		start := c.tap.mark()
		c.world.link(b.addr(), a.addr(), false, true) // b hears, but is not heard
		c.awaitState(a, "b", stateSuspect, 1)
		c.await("a tells b of the suspicion", func() bool {
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

// A member that was wrongly declared dead comes back by refuting.
func TestRefutationOfDeath(t *testing.T) {
	everywhere(t, scenario{verb: "buries", roles: 2, tapped: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		c.cut(a, b, false, false)
		c.awaitEntry(a, sawLeave, "b", "")
		c.awaitEntry(b, sawLeave, "a", "")
		c.cut(a, b, true, true)
		c.join(a, b) // gossip to the dead would do as well, later
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
		c.await("b joins a second time", func() bool { return a.journal().count(entry{sawJoin, "b", "meta of b"}) == 2 })
		c.await("a joins a second time", func() bool { return b.journal().count(entry{sawJoin, "a", "meta of a"}) == 2 })
	}})
}

// What one finds out about a third, suspicion and then death, the other believes.
func TestDead(t *testing.T) {
	everywhere(t, scenario{verb: "announces-death-to", roles: 2, tapped: true, play: func(c *cluster) {
		a := c.start(c.cast[0], "a")
		// One that does not probe, and whose own suspicion takes far longer.
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
			c.Error("a has not said so")
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
