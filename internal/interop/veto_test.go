package interop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

// Who joins refuses to merge: its Join fails, and it has taken over nothing.
func TestMergeVetoOfJoiner(t *testing.T) {
	everywhere(t, scenario{verb: "refuses-to-merge-with", roles: 2, play: func(c *cluster) {
		a := c.start(c.cast[0], "a", func(o *options) { o.vetoMerge, o.vetoAlive = true, "b" })
		b := c.start(c.cast[1], "b")
		if n, err := a.join(b.addr()); n != 0 || err == nil {
			c.Errorf("join: got %d, %v", n, err)
		}
		c.awaitEntry(a, sawMerge, "b", "")
		c.awaitEntry(b, sawMerge, "a", "") // who has no objection
		if got := a.members(); !slices.Equal(got, []string{"a"}) {
			c.Errorf("members: got %v", got)
		}
	}})
}

// Who is joined refuses to merge: it has taken over nothing.
func TestMergeVetoOfJoined(t *testing.T) {
	everywhere(t, scenario{verb: "is-not-merged-by", roles: 2, play: func(c *cluster) {
		a := c.start(c.cast[0], "a")
		b := c.start(c.cast[1], "b", func(o *options) { o.vetoMerge, o.vetoAlive = true, "a" })
		a.join(b.addr()) // whether it fails is up to b's library
		c.awaitEntry(b, sawMerge, "a", "")
		c.await("b hears of a all the same", func() bool { return b.journal().saw(sawAlive, "a", "") || len(a.members()) == 1 })
		c.never(b, sawJoin, "a")
		c.never(b, sawJoinState, "")
		if got := b.members(); !slices.Equal(got, []string{"b"}) {
			c.Errorf("members: got %v", got)
		}
	}})
}

func TestAliveVeto(t *testing.T) {
	everywhere(t, scenario{verb: "is-ignored-by", roles: 2, play: func(c *cluster) {
		a := c.start(c.cast[0], "a")
		b := c.start(c.cast[1], "b", func(o *options) { o.vetoAlive = "a" })
		third := c.start(c.cast[0], "c")
		c.assemble(b, third)
		c.join(a, b)
		c.awaitMembers(a, "a", "b", "c")
		c.await("b is asked about a, again and again", func() bool { return b.journal().count(entry{sawAlive, "a", ""}) >= 2 })
		c.never(b, sawJoin, "a")
		c.awaitMembers(b, "b", "c")
	}})
}

// patient makes a peer wait for an ack as long as a busy machine may need.
func patient(o *options) { o.probeInterval, o.probeTimeout = 2*time.Minute, 30*time.Second }

// Two members of one name: whoever knows the first of them hears of the conflict, the second itself too. Ours, who is alone,
// is told so by its Join.
func TestConflict(t *testing.T) {
	everywhere(t, scenario{verb: "exposes", roles: 2, play: func(c *cluster) {
		judge := c.start(c.cast[0], "judge", patient)
		first := c.start(c.cast[0], "x", patient)
		c.assemble(judge, first)
		second := c.start(c.cast[1], "x", patient, func(o *options) { o.meta = "impostor" })
		if n, err := second.join(judge.addr()); c.cast[1] == ours && (n != 0 || !errors.Is(err, memberlist.ErrNameTaken)) {
			c.Errorf("join of ours under a name that is taken: got %d, %v, want %v", n, err, memberlist.ErrNameTaken)
		} else if c.cast[1] == theirs && (n != 1 || err != nil) {
			c.Errorf("join of theirs under a name that is taken: got %d, %v, want 1", n, err)
		}
		c.awaitEntry(judge, sawConflict, "x", second.addr().String())
		c.awaitEntry(second, sawConflict, "x", first.addr().String())
		c.awaitMembers(judge, "judge", "x")
		if got, want := c.states(judge)["x"].Meta, "meta of x"; string(got) != want {
			c.Errorf("meta of x: got %q, want %q", got, want)
		}
	}})
}
