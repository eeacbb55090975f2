package clustertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestViewChecksum: members that see the same return the same number, and
// others do not.
func TestViewChecksum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		d := &testDelegate{meta: []byte("one")}
		c.grow(5, func(config *memberlist.Config) { config.Delegate = d })
		defer c.stop()
		same := func() bool {
			for _, m := range c.members {
				if m.ViewChecksum() != c.members[0].ViewChecksum() {
					return false
				}
			}
			return true
		}
		seen := map[uint64]string{}
		differs := func(what string) {
			t.Helper()
			sum := c.members[0].ViewChecksum()
			if before, ok := seen[sum]; ok {
				t.Errorf("%s: the same number as %s", what, before)
			}
			seen[sum] = what
		}
		c.await(settles, same)
		differs("five members")
		d.set([]byte("two"))
		if err := c.members[4].UpdateNode(time.Nanosecond); !is(err, memberlist.ErrUpdateTimeout) {
			t.Fatal(err)
		}
		if same() {
			t.Error("one has other metadata and nobody sees it")
		}
		c.await(settles, same)
		differs("other metadata")
		c.network.Pause(simAddr(4))
		c.await(settles, func() bool { return infoOf(t, c.members[0], "m4").State == memberlist.StateSuspect })
		if sum := c.members[0].ViewChecksum(); seen[sum] != "other metadata" {
			t.Error("a suspicion changes the number")
		}
		c.network.Resume(simAddr(4))
		c.await(settles, same)
		c.members[4].Shutdown()
		c.members = c.members[:4]
		c.await(settles, func() bool { return c.agree(4) && same() })
		differs("four members")
	})
}

// TestWaitConverged: a member that joins has converged once it knows another and nothing has changed for two seconds.
func TestWaitConverged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		m := c.add(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := m.WaitConverged(ctx); !is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("alone: %v after %v, want the context's end after a minute", err, time.Since(start))
		}
		settled := make(chan error)
		go func() { settled <- m.WaitConverged(t.Context()) }()
		time.Sleep(time.Second)
		start = time.Now()
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // another comes within the two seconds
		if _, err := c.add(nil).Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if err := <-settled; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("settled after %v, want two seconds after the last change", took)
		}
		if got := m.NumMembers(); got != 5 {
			t.Errorf("settled with %d members", got)
		}
		start = time.Now()
		if err := m.WaitConverged(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("once more: %v after %v, want nil at once", err, time.Since(start))
		}
		// The one that was joined has met another too.
		if err := c.members[0].WaitConverged(t.Context()); err != nil {
			t.Error(err)
		}
		lonely := c.add(nil)
		go func() { settled <- lonely.WaitConverged(t.Context()) }()
		time.Sleep(time.Second)
		lonely.Shutdown()
		if err := <-settled; !is(err, memberlist.ErrShutdown) {
			t.Errorf("on Shutdown: %v", err)
		}
		if err := lonely.WaitConverged(t.Context()); !is(err, memberlist.ErrShutdown) {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}
