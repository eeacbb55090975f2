package clustertest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"

	"github.com/e3431adc/memberlist"
)

// TestHundredMembers: 100 members with LAN defaults join through one seed; one crashes. All others detect that within the
// bounds of the formulas, and no other member is ever declared dead.
func TestHundredMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, crashed = 100, 42
		c := newSimCluster(t)
		defer c.stop()
		start := time.Now()
		c.grow(n, nil)
		joined := time.Since(start)
		agreed := c.await(settles, func() bool { return c.agree(n) })
		time.Sleep(10 * time.Second)
		for i, log := range c.events {
			for _, e := range log.list() {
				if e[:4] != "join" {
					t.Errorf("member %d: event %q before any fault", i, e)
				}
			}
		}

		c.members[crashed].Shutdown()
		detected := c.await(settles, func() bool { return c.agree(n-1, crashed) })
		// One of the hundred probes it within a second or two, a probe takes a
		// second, and the suspicion between 8 and 48 s: near the least, mostly, as
		// others confirm it.
		const least, most = 8 * time.Second, 52 * time.Second
		if detected < least || detected > most {
			t.Errorf("detected everywhere after %v, want between %v and %v", detected, least, most)
		}
		time.Sleep(time.Minute)
		for i, log := range c.events {
			if i == crashed {
				continue
			}
			if got := log.count("leave m42"); got != 1 {
				t.Errorf("member %d: %d events of the crash, want 1", i, got)
			}
			if got := log.last(); got.Name != "m42" || got.State != memberlist.StateDead {
				t.Errorf("member %d: last event is about %s, which is %d; want m42 to be dead", i, got.Name, got.State)
			}
		}
		if !c.agree(n-1, crashed) {
			t.Error("another member was declared dead")
		}
		t.Logf("%d members: joined one after the other in %v, agreed %v later; a crash known everywhere after %v",
			n, joined, agreed, detected)
	})
}

// TestJoinAndLeave: a member that leaves is known as left at once, and is no longer counted.
func TestJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		if got, want := c.events[0].list()[0], "join m0"; got != want {
			t.Errorf("first event %q, want %q: ourselves", got, want)
		}
		if err := c.members[2].Leave(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		c.await(2*time.Second, func() bool { return c.agree(2, 2) })
		for i := range 2 {
			if got := c.events[i].last(); got.Name != "m2" || got.State != memberlist.StateLeft {
				t.Errorf("member %d: last event about %s in state %d, want m2 to have left", i, got.Name, got.State)
			}
		}
		if got := c.members[2].LocalNode(); got.State != memberlist.StateLeft {
			t.Errorf("the member itself is in state %d", got.State)
		}
		if err := c.members[2].Leave(0); err != nil {
			t.Errorf("leaving again: %v", err)
		}
		if err := c.members[2].UpdateNode(time.Second); err != nil {
			t.Errorf("update after leave: %v", err)
		}
		time.Sleep(2 * time.Minute) // forgotten by now
		if c.members[2].LocalNode().Name != "m2" {
			t.Error("a member that left has forgotten itself")
		}
	})
}

// TestAllLeaveAtOnce: a leave does not wait for members that are leaving too.
func TestAllLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		errs := make(chan error)
		for _, m := range c.members {
			go func() { errs <- m.Leave(10 * time.Second) }()
		}
		for range c.members {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestJoinedMeansKnown: when Join returns, the seed knows the new member, and so does the next member that joins through
// it.
func TestJoinedMeansKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		for i := range 30 {
			m := c.grow(1, func(config *memberlist.Config) { config.GossipInterval = 0 }).members[i]
			if m.NumMembers() != i+1 || c.members[0].NumMembers() != i+1 {
				t.Errorf("joined as number %d; it counts %d, the seed %d", i+1, m.NumMembers(), c.members[0].NumMembers())
			}
		}
	})
}

// TestSuspectRefutes: a member that is cut off for a while is suspected, is listed as suspect, and refutes when it receives
// the suspicion.
func TestSuspectRefutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, func(c *memberlist.Config) { c.SuspicionMult = 20 }) // time enough
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		c.network.Down(simAddr(4))
		stateOf4 := func(i int) memberlist.NodeStateType {
			for _, n := range c.members[i].Members() {
				if n.Name == "m4" {
					return n.State
				}
			}
			return memberlist.StateDead
		}
		c.await(settles, func() bool { return stateOf4(0) == memberlist.StateSuspect })
		if c.members[0].NumMembers() != 5 {
			t.Error("a suspect does not count")
		}
		c.network.Up(simAddr(4))
		c.await(settles, func() bool { return stateOf4(0) == memberlist.StateAlive })
		for i := range 4 {
			if got := c.events[i].count("leave m4"); got != 0 {
				t.Errorf("member %d: an event that the suspect left", i)
			}
		}
	})
}

// TestIndirectProbe: members that cannot reach each other directly do not
// suspect each other as long as others reach both.
func TestIndirectProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, func(c *memberlist.Config) { c.DisableTcpPings = true })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		cut := simnet.Link{PacketsDown: true, StreamsDown: true}
		c.network.SetLink(simAddr(0), simAddr(1), cut)
		c.network.SetLink(simAddr(1), simAddr(0), cut)
		time.Sleep(2 * time.Minute)
		for i := range c.members {
			for _, e := range c.events[i].list() {
				if e[:4] != "join" {
					t.Errorf("member %d: event %q", i, e)
				}
			}
		}
	})
}

// TestStreamPing: a member that answers on streams alone is not suspected.
func TestStreamPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		c.network.SetDefault(simnet.Link{Latency: time.Millisecond, PacketsDown: true})
		time.Sleep(2 * time.Minute)
		if !c.agree(2) {
			t.Error("a member that answers on streams was declared dead")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan string, 1000)
		c := newSimCluster(t).grow(2, func(c *memberlist.Config) {
			c.DisableTcpPingsForNode = func(name string) bool { asked <- name; return true }
		})
		defer c.stop()
		c.network.SetDefault(simnet.Link{Latency: time.Millisecond, PacketsDown: true})
		c.await(settles, func() bool { return c.agree(1) })
		if name := <-asked; name != "m0" && name != "m1" {
			t.Errorf("asked about %q", name)
		}
	})
}

// TestPushPullHeals: the periodic push/pull brings the news that gossip loses.
func TestPushPullHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, func(c *memberlist.Config) { c.ProbeInterval = 0; c.GossipInterval = 0 })
		defer c.stop()
		// m1 does not know m2: m2 joined m0 later, and no member gossips.
		if c.members[1].NumMembers() != 2 {
			t.Fatal("gossip though it is off")
		}
		c.await(settles, func() bool { return c.agree(3) })
	})
}

// TestPartitionHeals: two halves that reach each other again become one cluster, though some members were declared dead: a
// member that receives a dead message about itself refutes.
func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(10, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(10) })
		c.network.Partition(c.network.Addrs()[:5], c.network.Addrs()[5:])
		time.Sleep(10 * time.Second)
		if c.agree(10) {
			t.Error("the partition had no effect")
		}
		c.network.Heal()
		c.await(settles, func() bool { return c.agree(10) })
	})
}

// TestLossyNetwork: with a tenth of all packets lost and many out of order, no member is declared dead.
func TestLossyNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		c.network.SetDefault(simnet.Link{Latency: 2 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1,
			Duplicate: 0.05})
		c.grow(20, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(20) })
		time.Sleep(5 * time.Minute)
		for i, log := range c.events {
			for _, e := range log.list() {
				if e[:5] == "leave" {
					t.Errorf("member %d: event %q", i, e)
				}
			}
		}
	})
}

// TestRestart: a member that crashed comes back under its name and address.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(3, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		c.members[2].Shutdown()
		c.await(settles, func() bool { return c.agree(2, 2) })
		again, err := memberlist.Create(c.simConfig(2))
		if err != nil {
			t.Fatal(err)
		}
		c.members[2] = again
		if _, err := again.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return c.agree(3) })
	})
}

// TestMetadata: an update reaches all members, as an event whose Node has the new metadata.
func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDelegate{meta: []byte("one")}
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		m := c.add(func(c *memberlist.Config) { c.Delegate = d })
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return c.agree(3) })
		i := slices.IndexFunc(c.members[0].Members(), func(n *memberlist.Node) bool { return n.Name == "m2" })
		before := c.members[0].Members()[i]
		d.set([]byte("two"))
		if err := m.UpdateNode(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		if got := string(m.LocalNode().Meta); got != "two" {
			t.Errorf("own metadata %q", got)
		}
		c.await(settles, func() bool {
			return c.events[0].count("update m2") == 1 && c.events[1].count("update m2") == 1
		})
		if string(before.Meta) != "one" || string(c.events[0].last().Meta) != "two" {
			t.Errorf("metadata before %q, after %q", before.Meta, c.events[0].last().Meta)
		}
		d.set(make([]byte, memberlist.MetaMaxSize+1))
		if err := m.UpdateNode(time.Second); !is(err, memberlist.ErrMetaTooLarge) {
			t.Errorf("error %v, want ErrMetaTooLarge", err)
		}
	})
}
