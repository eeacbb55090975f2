package interop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

func TestJoin(t *testing.T) {
	s := scenario{verb: "joins", roles: 2, play: func(c *cluster) {
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
	}}
	everywhere(t, s)
	t.Run("ipv6", func(t *testing.T) { onSockets(t, s, settingsNamed("ipv6")) })
}

// TestJoinOfCluster: a member that joins learns of all members, and all learn of it, by way of the member that it
// contacted.
func TestJoinOfCluster(t *testing.T) {
	everywhere(t, scenario{verb: "joins", roles: 3, play: func(c *cluster) {
		a, b, third := c.start(c.cast[0], "a"), c.start(c.cast[1], "b"), c.start(c.cast[2], "c")
		c.assemble(b, third)
		c.join(a, b)
		for _, p := range []peer{a, b, third} {
			c.awaitMembers(p, "a", "b", "c")
		}
		c.awaitEntry(a, sawJoin, "c", "meta of c")
		c.awaitEntry(third, sawJoin, "a", "meta of a")
	}})
}

// TestPushPull: without gossip and probes, changes spread by the periodic push/pull alone.
func TestPushPull(t *testing.T) {
	everywhere(t, scenario{verb: "syncs-with", roles: 2, play: func(c *cluster) {
		pushPullAlone := func(o *options) { o.gossipInterval, o.probeInterval = off, off }
		a := c.start(c.cast[0], "a", pushPullAlone, func(o *options) { o.pushPullInterval = o.probeTimeout })
		b := c.start(c.cast[1], "b", pushPullAlone)
		c.join(a, b)
		a.setMeta("new meta of a", 100*time.Millisecond) // it returns an error: the change cannot be sent at once
		b.setMeta("new meta of b", 100*time.Millisecond)
		c.awaitEntry(b, sawUpdate, "a", "new meta of a")
		c.awaitEntry(a, sawUpdate, "b", "new meta of b")
		c.awaitEntry(a, sawSyncState, "", "state of b")
		c.awaitEntry(b, sawSyncState, "", "state of a")
	}})
}

// TestRejoin: a member that has left may come back under its name at another address.
func TestRejoin(t *testing.T) {
	everywhere(t, scenario{verb: "rejoins", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(b, a)
		if err := a.leave(patience); err != nil {
			c.Error(err)
		}
		c.awaitEntry(b, sawLeave, "a", "")
		a.shutdown()
		again := c.start(c.cast[0], "a", func(o *options) { o.meta = "back" })
		c.join(again, b)
		c.awaitEntry(b, sawJoin, "a", "back")
		c.awaitMembers(b, "a", "b")
		c.await("the new address", func() bool { return int(c.states(b)["a"].Port) == int(again.addr().Port()) })
		c.awaitMembers(again, "a", "b")
	}})
}

// TestReclaim: so may a member that failed, after the time to reclaim a name.
func TestReclaim(t *testing.T) {
	everywhere(t, scenario{verb: "reclaims-from", roles: 2, play: func(c *cluster) {
		reclaim := func(o *options) { o.reclaimTime = o.gossipInterval }
		a, b := c.start(c.cast[0], "a", reclaim), c.start(c.cast[1], "b", reclaim)
		c.assemble(b, a)
		a.shutdown()
		c.awaitEntry(b, sawLeave, "a", "")
		again := c.start(c.cast[0], "a", reclaim, func(o *options) { o.meta = "back" })
		c.retry("a takes its name back", func() { c.join(again, b) }, func() bool { return b.journal().saw(sawJoin, "a", "back") })
		c.awaitMembers(b, "a", "b")
		c.awaitMembers(again, "a", "b")
	}})
}

// TestStrangersAreRefused: a process with another label, another key or none is no member of the cluster.
func TestStrangersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b setting
	}{
		{"other-label", setting{label: "blue"}, setting{label: "red"}},
		{"label-and-none", setting{label: "blue"}, setting{}},
		{"none-and-label", setting{}, setting{label: "blue"}},
		{"other-key", setting{key: key16}, setting{key: key32}},
		{"key-and-none", setting{key: key16}, setting{}},
		{"none-and-key", setting{}, setting{key: key16}},
		{"other-label-same-key", setting{key: key16, label: "blue"}, setting{key: key16, label: "red"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{verb: "is-refused-by", roles: 2, mixed: true, play: func(c *cluster) {
				with := func(s setting) func(*options) {
					s.protocol = 2
					return func(o *options) { o.setting = s }
				}
				a, b := c.start(c.cast[0], "a", with(tt.a)), c.start(c.cast[1], "b", with(tt.b))
				if n, err := a.join(b.addr()); n != 0 || err == nil {
					c.Errorf("join: got %d, %v", n, err)
				} else if c.cast[0] == ours && !errors.Is(err, memberlist.ErrJoinRejected) {
					c.Errorf("join: got %v, want it to name the member that rejected it", err)
				}
				if _, err := a.ping("b", b.addr()); err == nil {
					c.Error("ping was answered")
				}
				if err := a.sendBestEffort(b, "hello"); err != nil {
					c.Error(err)
				}
				a.sendReliable(b, "hello")
				for _, p := range []peer{a, b} {
					if got := p.members(); !slices.Equal(got, []string{p.name()}) {
						c.Errorf("%s has members %v", p.name(), got)
					}
					c.never(p, sawMessage, "")
				}
			}}
			inBubbles(t, s, plainSettings)
			if tt.name == "other-label-same-key" {
				onSockets(t, s, plainSettings)
			}
		})
	}
}
