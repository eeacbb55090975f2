package clustertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"

	"github.com/e3431adc/memberlist"
)

// infoOf returns m's information about another member.
func infoOf(t *testing.T, m *memberlist.Memberlist, name string) memberlist.MemberInfo {
	t.Helper()
	info, ok := m.Member(name)
	if !ok {
		t.Fatalf("%s is not known", name)
	}
	return info
}

// TestAllMembersAreSeen: the iterator shows every known member, the dead and
// those who left too, with what is known of each; the loop may change things
// meanwhile, and end early.
func TestAllMembersAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(5, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		joined := time.Now()
		time.Sleep(20 * time.Second)
		m := c.members[0]
		for _, name := range []string{"m1", "m2", "m3", "m4"} {
			info := infoOf(t, m, name)
			if info.State != memberlist.StateAlive || info.RTT != 2*time.Millisecond || info.Incarnation == 0 || info.Since.After(joined) {
				t.Errorf("%s is in state %d since %v at incarnation %d, RTT %v; want alive, 2ms", name, info.State, info.Since, info.Incarnation, info.RTT)
			}
			if p := info.Packets; time.Since(p.Last) > 20*time.Second || p.Failures != 0 || p.Failing() {
				t.Errorf("%s: packets %+v", name, p)
			}
		}
		left := time.Now()
		if err := c.members[4].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.members[3].Shutdown()
		c.await(settles, func() bool { return m.NumMembers() == 3 })
		states := map[string]memberlist.NodeStateType{}
		for info := range m.All() {
			states[info.Name] = info.State
			if info.Name == "m4" && (info.Since.Before(left) || time.Since(info.Since) < time.Second) {
				t.Errorf("m4 left at %v, since is %v", left, info.Since)
			}
			m.NumMembers() // nothing is locked
			if _, ok := m.Member(info.Name); !ok {
				t.Errorf("%s is not known", info.Name)
			}
		}
		want := map[string]memberlist.NodeStateType{"m0": memberlist.StateAlive, "m1": memberlist.StateAlive, "m2": memberlist.StateAlive, "m3": memberlist.StateDead, "m4": memberlist.StateLeft}
		if len(states) != len(want) {
			t.Errorf("%d members, want %d", len(states), len(want))
		}
		for name, state := range want {
			if states[name] != state {
				t.Errorf("%s is in state %d, want %d", name, states[name], state)
			}
		}
		n := 0
		for range m.All() {
			if n++; n == 2 {
				break
			}
		}
		if _, ok := m.Member("nobody"); ok {
			t.Error("knows nobody")
		}
		time.Sleep(5 * time.Minute)
		if _, ok := m.Member("m3"); ok {
			t.Error("m3 is remembered")
		}
	})
}

// TestReachabilityIsSeen: a member that only streams reach, or only packets, is
// known as such, and subscribers hear when that begins and ends.
func TestReachabilityIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		m := c.members[0]
		sub := m.Subscribe(100)
		defer sub.Close()
		reach := func() (e memberlist.Event) {
			t.Helper()
			for range 100 {
				time.Sleep(time.Second)
				select {
				case e = <-sub.Events():
					if e.Kind == memberlist.EventReachability {
						return e
					}
				default:
				}
			}
			t.Fatal("no event")
			return memberlist.Event{}
		}
		time.Sleep(10 * time.Second)
		up := simnet.Link{Latency: time.Millisecond}

		c.network.SetDefault(simnet.Link{Latency: time.Millisecond, PacketsDown: true})
		if e := reach(); e.Member.Name != "m1" || !e.Member.Packets.Failing() || e.Member.Streams.Failing() || e.Member.Streams.Last.IsZero() {
			t.Errorf("without packets: %s %+v", e.Member.Name, e.Member)
		}
		time.Sleep(30 * time.Second)
		if info := infoOf(t, m, "m1"); info.State != memberlist.StateAlive || info.Packets.Failures < 10 || time.Since(info.Packets.Last) < 30*time.Second {
			t.Errorf("without packets for long: %+v", info)
		}
		c.network.SetDefault(up)
		if e := reach(); e.Member.Packets.Failing() {
			t.Errorf("with packets again: %+v", e.Member)
		}
		c.network.SetDefault(simnet.Link{Latency: time.Millisecond, StreamsDown: true})
		for range 4 { // each PushPullInterval one fails
			time.Sleep(40 * time.Second)
		}
		if e := reach(); !e.Member.Streams.Failing() || e.Member.Packets.Failing() {
			t.Errorf("without streams: %+v", e.Member)
		}
		c.network.SetDefault(up)
		time.Sleep(time.Minute)
		if e := reach(); e.Member.Streams.Failing() {
			t.Errorf("with streams again: %+v", e.Member)
		}
	})
}

// TestAMemberThatMovesIsReachedAnew: the reachability of the old address does not count for the new one.
func TestAMemberThatMovesIsReachedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		time.Sleep(10 * time.Second)
		if infoOf(t, c.members[0], "m1").RTT == 0 {
			t.Fatal("m1 was never pinged")
		}
		if err := c.members[1].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.members[1].Shutdown()
		c.await(settles, func() bool { return c.members[0].NumMembers() == 1 })
		again := c.add(func(config *memberlist.Config) { config.Name, config.GossipInterval = "m1", 0 })
		if _, err := again.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		for c.members[0].NumMembers() == 1 { // until it has announced a higher incarnation than that of its leave
			time.Sleep(time.Millisecond)
		}
		if info := infoOf(t, c.members[0], "m1"); info.State != memberlist.StateAlive || info.RTT != 0 || !info.Packets.Last.IsZero() {
			t.Errorf("at the new address: %+v", info)
		}
	})
}
