package clustertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestForget: a dead or left member is forgotten by this member at once, and no longer reconnected to; the other members
// keep what they know.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(4, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(4) })
		m := c.members[0]
		for name, want := range map[string]error{"m0": memberlist.ErrIsSelf, "m1": memberlist.ErrMemberAlive, "nobody": memberlist.ErrUnknownMember} {
			if err := m.Forget(name); !is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		c.members[3].Shutdown()
		c.await(settles, func() bool { return c.agree(3, 3) })
		if err := m.Forget("m3"); err != nil {
			t.Fatal(err)
		}
		if err := m.Forget("m3"); !is(err, memberlist.ErrUnknownMember) {
			t.Errorf("again: %v, want %v", err, memberlist.ErrUnknownMember)
		}
		dials := c.dials(0)
		time.Sleep(20 * time.Second) // before the first reconnects of the others
		if got := c.events[0].count("leave m3"); got != 1 || c.dials(0) > dials+2 {
			t.Errorf("heard %d times that it left, begun %d streams", got, c.dials(0)-dials)
		}

		// A member that the core has forgotten may still be reconnected to.
		if err := c.members[1].Forget("m3"); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Minute)
		if err := c.members[2].Forget("m3"); err != nil {
			t.Errorf("five minutes later: %v", err)
		}
		c.await(time.Minute, func() bool { return c.agree(3, 3) })
		m.Shutdown()
		if err := m.Forget("m3"); !is(err, memberlist.ErrShutdown) {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}

// TestForceLeave: all take a dead member for one that left, so that its name is free at once.
func TestForceLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, nil)
		defer c.stop()
		ctx := context.Background()
		c.await(settles, func() bool { return c.agree(5) })
		m := c.members[0]
		for name, want := range map[string]error{"m0": memberlist.ErrIsSelf, "m1": memberlist.ErrMemberAlive, "nobody": memberlist.ErrUnknownMember} {
			if err := m.ForceLeave(ctx, name); !is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		c.members[4].Shutdown()
		c.await(settles, func() bool { return c.agree(4, 4) })
		start := time.Now()
		if err := m.ForceLeave(ctx, "m4"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took == 0 || took > 5*time.Second {
			t.Errorf("it took %v to tell the others", took)
		}
		if err := m.ForceLeave(ctx, "m4"); err != nil {
			t.Errorf("again: %v", err)
		}
		for i := range 4 {
			if got := c.events[i].count("leave m4"); got != 1 {
				t.Errorf("member %d heard %d times that it left", i, got)
			}
		}

		again := c.add(func(c *memberlist.Config) { c.Name = "m4" }) // at another address
		if n, err := again.Join([]string{simAddr(0).String()}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		c.await(2*time.Minute, func() bool { return c.agree(5, 4) }) // a push/pull brings what gossip lost

		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if err := m.ForceLeave(cancelled, "m4"); !is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// TestForceLeaveAlive: one that hangs is gone at once for all; one that is well is back in moments.
func TestForceLeaveAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, nil)
		defer c.stop()
		ctx := context.Background()
		c.await(settles, func() bool { return c.agree(5) })
		c.network.Down(simAddr(4))
		if err := c.members[0].ForceLeaveAlive(ctx, "m4"); err != nil {
			t.Fatal(err)
		}
		c.await(2*time.Second, func() bool { return c.agree(4, 4) })
		for i := range 4 {
			if got := c.events[i].last(); got.Name != "m4" || got.State != memberlist.StateLeft {
				t.Errorf("member %d heard last of %s in state %d", i, got.Name, got.State)
			}
		}
		c.network.Up(simAddr(4))
		c.await(settles, func() bool { return c.agree(5) })

		if err := c.members[0].ForceLeaveAlive(ctx, "m3"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if !c.agree(5) {
			t.Error("one that is well is not back")
		}
		if got := c.events[0].count("leave m3"); got != 1 {
			t.Errorf("heard %d times that it left", got)
		}

		for _, i := range []int{1, 2, 3} {
			c.network.Down(simAddr(i))
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := c.members[0].ForceLeaveAlive(short, "m3"); !is(err, memberlist.ErrForceLeaveTimeout) || !is(err, context.DeadlineExceeded) {
			t.Errorf("out of time: %v", err)
		}
	})
}

// TestForgottenSeed: a member that joined through another does not contact it any more once it has forgotten it.
func TestForgottenSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		c.members[0].Shutdown()
		c.await(settles, func() bool { return c.agree(1, 0) })
		if err := c.members[1].Forget("m0"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // until what had begun has ended
		before := c.dials(1)
		time.Sleep(10 * time.Minute)
		if got := c.dials(1) - before; got != 0 {
			t.Errorf("%d streams were opened after all others were forgotten", got)
		}
	})
}
