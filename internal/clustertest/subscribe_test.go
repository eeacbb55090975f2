package clustertest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// received are the events that wait in a subscription, as "join m1".
func received(s *memberlist.Subscription) (events []string) {
	for {
		select {
		case e, ok := <-s.Events():
			if !ok {
				return append(events, "closed")
			}
			events = append(events, e.Kind.String()+" "+e.Member.Name)
		default:
			return events
		}
	}
}

// TestSubscribersReceiveAllEvents: each subscriber receives joins, updates, suspicions and their ends, conflicts and
// isolation, in order.
func TestSubscribersReceiveAllEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { config.SuspicionMult = 20 })
		first, second := m.Subscribe(1000), m.Subscribe(1000)
		defer first.Close()
		defer second.Close()
		expect := func(what, who string, want ...string) {
			t.Helper()
			synctest.Wait()
			got := slices.DeleteFunc(received(first), func(e string) bool {
				return strings.HasPrefix(e, "reachability ") || !strings.HasSuffix(e, who)
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		d := &testDelegate{meta: []byte("one")}
		c.grow(3, func(config *memberlist.Config) { config.SuspicionMult, config.Delegate = 20, d })
		c.await(settles, func() bool { return c.agree(4) })
		expect("joins", "", "join m1", "join m2", "join m3")

		d.set([]byte("two"))
		if err := c.members[1].UpdateNode(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return string(infoOf(t, m, "m1").Meta) == "two" })
		expect("update", "m1", "update m1")

		c.network.Down(simAddr(1))
		c.await(settles, func() bool { return infoOf(t, m, "m1").State == memberlist.StateSuspect })
		expect("cut off", "m1", "suspect m1")
		c.network.Up(simAddr(1))
		c.await(settles, func() bool { return infoOf(t, m, "m1").State == memberlist.StateAlive })
		expect("back", "m1", "recover m1")

		time.Sleep(time.Minute) // until the members that m1 suspected have recovered
		received(first)
		config := c.simConfig(66)
		config.Name = "m2"
		twin, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := twin.Join(seedsAt(0)); !errors.Is(err, memberlist.ErrNameTaken) {
			t.Errorf("a second m2 joins: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
		expect("another of that name", "m2", "conflict m2", "conflict ended m2")
		twin.Shutdown()

		if err := c.members[3].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return m.NumMembers() == 3 })
		expect("leave", "m3", "leave m3")
		c.members[2].Shutdown()
		c.await(settles, func() bool { return m.NumMembers() == 2 })
		expect("crash", "m2", "suspect m2", "fail m2")

		all := received(second)
		if want := []string{"join m1", "suspect m2", "fail m2"}; len(all) < 10 || all[0] != want[0] || !slices.Contains(all, want[2]) {
			t.Errorf("the other subscriber heard %q", all)
		}
		if first.Lost() != 0 || second.Lost() != 0 {
			t.Errorf("lost %d and %d", first.Lost(), second.Lost())
		}
	})
}

// TestSubscribersReceiveIsolation: a member that is cut off from all others reports that, and its end.
func TestSubscribersReceiveIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(6, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(6) })
		sub := c.members[0].Subscribe(1000)
		defer sub.Close()
		c.network.Partition([]netip.AddrPort{simAddr(0)})
		time.Sleep(3 * time.Minute)
		if got := received(sub); !slices.Contains(got, "isolated m0") || !slices.Contains(got, "fail m1") {
			t.Errorf("cut off, heard %q", got)
		}
		c.network.Heal()
		c.await(settles, func() bool { return c.agree(6) })
		time.Sleep(time.Minute)
		if got := received(sub); !slices.Contains(got, "isolation ended m0") || !slices.Contains(got, "join m1") {
			t.Errorf("healed, heard %q", got)
		}
	})
}

// TestSubscribersDoNotBlock: a subscriber that does not receive loses events, learns how many, and delays neither the
// member nor other subscribers.
func TestSubscribersDoNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(nil)
		slow, prompt := m.Subscribe(2), m.Subscribe(1000)
		least := m.Subscribe(-5)
		defer slow.Close()
		defer prompt.Close()
		defer least.Close()
		c.hearOfGhosts(0, 10, 1, nil)
		if got := len(received(prompt)); got != 10 {
			t.Errorf("the prompt one heard %d events, want 10", got)
		}
		if slow.Lost() != 8 || prompt.Lost() != 0 || least.Lost() != 9 {
			t.Errorf("lost %d, %d and %d, want 8, 0 and 9", slow.Lost(), prompt.Lost(), least.Lost())
		}
		if got := m.Stats().EventsLost; got != 8+9 {
			t.Errorf("%d lost in all, want 17", got)
		}
		if e := <-slow.Events(); e.Lost != 0 {
			t.Errorf("the first event says that %d were lost before", e.Lost)
		}
		<-slow.Events()
		if _, err := c.add(nil).Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if e := <-slow.Events(); e.Lost != 8 || e.Kind != memberlist.EventJoin || e.Member.Name != "m1" {
			t.Errorf("the next event is %v %s and says that %d were lost before, want join m1 and 8", e.Kind, e.Member.Name, e.Lost)
		}
		c.hearOfGhosts(0, 1, 2, nil) // no event
		if e := m.Stats().Subscriptions; e != 3 {
			t.Errorf("%d subscriptions, want 3", e)
		}
	})
}

// TestSubscriptionsEnd: by Close, by Shutdown, and at once after Shutdown.
func TestSubscriptionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(nil)
		closed, open := m.Subscribe(10), m.Subscribe(10)
		closed.Close()
		closed.Close()
		c.hearOfGhosts(0, 1, 1, nil)
		if got := received(closed); !slices.Equal(got, []string{"closed"}) {
			t.Errorf("a closed one heard %q", got)
		}
		m.Shutdown()
		if got := received(open); len(got) != 2 || got[1] != "closed" {
			t.Errorf("after Shutdown: %q, want what had happened, then the end", got)
		}
		open.Close()
		late := m.Subscribe(10)
		if got := received(late); !slices.Equal(got, []string{"closed"}) {
			t.Errorf("subscribed after Shutdown: %q", got)
		}
		late.Close()
	})
}

// TestSubscribersComeAndGo: from many goroutines, while things happen.
func TestSubscribersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(nil)
		done := make(chan struct{})
		for range 8 {
			go func() {
				for range 200 {
					s := m.Subscribe(3)
					received(s)
					for range m.All() {
					}
					m.Stats()
					s.Close()
				}
				done <- struct{}{}
			}()
		}
		for i := range uint32(100) {
			c.hearOfGhosts(0, 20, i+1, nil)
		}
		for range 8 {
			<-done
		}
		if got := m.Stats().Subscriptions; got != 0 {
			t.Errorf("%d subscriptions are left", got)
		}
	})
}

func TestEventKindsHaveNames(t *testing.T) {
	for kind := memberlist.EventJoin; kind <= memberlist.EventConflictEnded; kind++ {
		if name := kind.String(); name == "" || name == fmt.Sprintf("event %d", kind) {
			t.Errorf("kind %d is %q", kind, name)
		}
	}
	if got := memberlist.EventKind(200).String(); got != "event 200" {
		t.Errorf("an unknown kind is %q", got)
	}
}
