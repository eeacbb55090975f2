package clustertest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// refuser refuses members.
type refuser struct{ err error }

func (r refuser) NotifyAlive(n *memberlist.Node) error {
	if n.Name == "m1" {
		return r.err
	}
	return nil
}

func (r refuser) NotifyMerge(nodes []*memberlist.Node) error { return r.err }

func TestVetoes(t *testing.T) {
	refused := errors.New("not today")
	t.Run("alive", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t)
			defer c.stop()
			c.add(func(config *memberlist.Config) { config.Alive = refuser{refused} })
			c.add(nil)
			c.add(nil)
			for _, m := range c.members[1:] {
				if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(5 * time.Second)
			if got := c.members[0].NumMembers(); got != 2 {
				t.Errorf("%d members, want 2: itself and the one it likes", got)
			}
		})
	})
	t.Run("merge", func(t *testing.T) {
		for _, refuses := range []int{0, 1} { // the member that is joined, the member that joins
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				for i := range 2 {
					c.add(func(config *memberlist.Config) {
						if i == refuses {
							config.Merge = refuser{refused}
						}
					})
				}
				n, err := c.members[1].Join([]string{simAddr(0).String()})
				if n != 0 || err == nil {
					t.Errorf("member %d refuses, and the join says %d, %v", refuses, n, err)
				}
				var remote *memberlist.RemoteError
				if refuses == 0 && (!errors.As(err, &remote) || remote.Text != refused.Error()) {
					t.Errorf("error %v, want the other's refusal", err)
				}
				if refuses == 1 && !is(err, refused) {
					t.Errorf("error %v, want our own refusal", err)
				}
				if got := c.members[refuses].NumMembers(); got != 1 {
					t.Errorf("the one who refuses has %d members", got)
				}
			})
		}
	})
	t.Run("itself", func(t *testing.T) {
		synctest.Test(t, testRefusesItself)
	})
}

// testRefusesItself: a member that its own delegate refuses can be created, and join, but is not announced until the
// delegate accepts it. Users of Serf have such delegates.
func testRefusesItself(t *testing.T) {
	c := newSimCluster(t).grow(2, nil)
	defer c.stop()
	var allowed atomic.Bool
	m := c.add(func(config *memberlist.Config) {
		config.Alive = aliveFunc(func(n *memberlist.Node) error {
			if n.Name == "m2" && !allowed.Load() {
				return errors.New("not me")
			}
			return nil
		})
	})
	if got := c.events[2].list(); len(got) > 0 || m.NumMembers() != 0 || len(m.Members()) != 0 {
		t.Errorf("once created: events %v, %d members", got, m.NumMembers())
	}
	if n := m.LocalNode(); n.Name != "m2" || n.Port != 7946 || n.State != memberlist.StateLeft {
		t.Errorf("local node %+v", n)
	}
	if n, err := m.Join([]string{simAddr(0).String()}); n != 1 || err != nil {
		t.Errorf("join gives %d, %v", n, err)
	}
	if err := m.UpdateNode(time.Second); err == nil || !strings.Contains(err.Error(), "not me") {
		t.Errorf("update gives %v", err)
	}
	time.Sleep(time.Minute)
	if !c.agree(2) || c.events[0].count("join m2") != 0 {
		t.Errorf("members %d, %d and %d, want the two that are allowed; the first heard %v", c.members[0].NumMembers(),
			c.members[1].NumMembers(), m.NumMembers(), c.events[0].list())
	}
	allowed.Store(true)
	if err := m.UpdateNode(10 * time.Second); err != nil {
		t.Errorf("update: %v", err)
	}
	c.await(settles, func() bool { return c.agree(3) })
	if got := c.events[2].count("join m2"); got != 1 {
		t.Errorf("joined itself %d times", got)
	}

	unannounced := c.add(func(config *memberlist.Config) {
		config.Alive = aliveFunc(func(n *memberlist.Node) error { return errors.New("nobody") })
	})
	if err := unannounced.Leave(time.Second); err != nil {
		t.Error(err)
	}
	if got := c.events[3].list(); len(got) > 0 {
		t.Errorf("events of one that leaves and never was announced: %v", got)
	}
}

// aliveFunc is an AliveDelegate.
type aliveFunc func(*memberlist.Node) error

func (f aliveFunc) NotifyAlive(n *memberlist.Node) error { return f(n) }

// conflictLog notes conflicts.
type conflictLog struct{ conflicts chan [2]*memberlist.Node }

func (l conflictLog) NotifyConflict(existing, other *memberlist.Node) {
	l.conflicts <- [2]*memberlist.Node{existing, other}
}

func TestConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := conflictLog{make(chan [2]*memberlist.Node, 100)}
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) { config.Conflict = log })
		m := c.add(nil)
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		c.add(func(config *memberlist.Config) { config.Name = "m1" })
		c.members[2].Join([]string{simAddr(0).String()})
		conflict := <-log.conflicts
		if conflict[0].Address() != simAddr(1).String() || conflict[1].Address() != simAddr(2).String() {
			t.Errorf("conflict between %v and %v", conflict[0].Address(), conflict[1].Address())
		}
	})
}

// portsSeen records the port of each Node that may be refused.
type portsSeen struct {
	mu    sync.Mutex
	ports []uint16
}

func (p *portsSeen) note(n *memberlist.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports = append(p.ports, n.Port)
}

func (p *portsSeen) NotifyAlive(n *memberlist.Node) error {
	p.note(n)
	return nil
}

func (p *portsSeen) NotifyMerge(nodes []*memberlist.Node) error {
	for _, n := range nodes {
		p.note(n)
	}
	return nil
}

// TestVetoesSeeTheDefaultPort: a member that announces port 0 has the default port, also for the delegates that may refuse
// it.
func TestVetoesSeeTheDefaultPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		seen := new(portsSeen)
		c.add(func(config *memberlist.Config) { config.Alive, config.Merge = seen, seen })
		from := c.outsider(66)
		alive := &wire.Alive{Incarnation: 1, Node: "a", Addr: []byte{10, 0, 0, 66}, Vsn: []byte{1, 5, 2, 0, 0, 0}}
		if err := from.Send(alive.Append(nil), simAddr(0)); err != nil {
			t.Fatal(err)
		}
		conn, err := from.Dial(t.Context(), simAddr(0))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		state := wire.PushNodeState{Name: "b", Addr: alive.Addr, Incarnation: 1, Vsn: alive.Vsn}
		if _, err := conn.Write(state.Append((&wire.PushPullHeader{Nodes: 1, Join: true}).Append(nil))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		seen.mu.Lock()
		defer seen.mu.Unlock()
		want := uint16(c.configs[0].BindPort)
		if len(seen.ports) != 4 || slices.ContainsFunc(seen.ports, func(port uint16) bool { return port != want }) {
			t.Errorf("ports %v, want four times %d: this member, a, and b twice", seen.ports, want)
		}
	})
}

type mergeFunc func([]*memberlist.Node) error

func (f mergeFunc) NotifyMerge(peers []*memberlist.Node) error { return f(peers) }

// TestAliveDelegateHoldsUpNoOtherMember: a message about one member does not wait for the AliveDelegate's answer about
// another member whose message arrived later, in the same packet.
func TestAliveDelegateHoldsUpNoOtherMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		const slow = 10 * time.Second
		m := c.add(func(config *memberlist.Config) {
			config.ProbeInterval = 0 // they are not there
			config.Alive = aliveFunc(func(n *memberlist.Node) error {
				if n.Name == "slow" {
					time.Sleep(slow)
				}
				return nil
			})
		})
		alive := func(name string, i int) []byte {
			return (&wire.Alive{Incarnation: 1, Node: name, Addr: simAddr(i).Addr().AsSlice(), Port: 7946,
				Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil)
		}
		packet, _ := wire.AppendCompound(nil, [][]byte{alive("a", 1), alive("slow", 2), alive("b", 3)})
		if err := c.believed().Send(packet, simAddr(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := m.NumMembers(); got != 2 {
			t.Errorf("%d members while the delegate thinks about one of three, want itself and one other", got)
		}
		c.await(slow, func() bool { return m.NumMembers() == 4 })
	})
}
