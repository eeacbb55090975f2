package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
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

func is(err, target error) bool { return errors.Is(err, target) }

// testDelegate is a Delegate that records what it gets.
type testDelegate struct {
	mu         sync.Mutex
	meta       []byte
	broadcasts [][]byte
	state      []byte
	messages   []string
	remote     []string
}

func (d *testDelegate) set(meta []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta = meta
}

func (d *testDelegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.meta
}

func (d *testDelegate) NotifyMsg(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, string(b))
}

func (d *testDelegate) GetBroadcasts(overhead, limit int) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.broadcasts
	d.broadcasts = nil
	return b
}

func (d *testDelegate) LocalState(join bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

func (d *testDelegate) MergeRemoteState(b []byte, join bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remote = append(d.remote, fmt.Sprint(string(b), " ", join))
}

func (d *testDelegate) received() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages)
}

// callback is every delegate in one; each calls f with its name.
type callback struct{ f func(name string) }

func (c callback) NodeMeta(int) []byte { c.f("NodeMeta"); return nil }

func (c callback) NotifyMsg([]byte) { c.f("NotifyMsg") }

func (c callback) GetBroadcasts(int, int) [][]byte { c.f("GetBroadcasts"); return nil }

func (c callback) LocalState(bool) []byte { c.f("LocalState"); return []byte("s") }

func (c callback) MergeRemoteState([]byte, bool) { c.f("MergeRemoteState") }

func (c callback) NotifyJoin(*memberlist.Node) { c.f("NotifyJoin") }

func (c callback) NotifyLeave(*memberlist.Node) { c.f("NotifyLeave") }

func (c callback) NotifyUpdate(*memberlist.Node) { c.f("NotifyUpdate") }

func (c callback) NotifyAlive(*memberlist.Node) error { c.f("NotifyAlive"); return nil }

func (c callback) NotifyConflict(*memberlist.Node, *memberlist.Node) { c.f("NotifyConflict") }

func (c callback) NotifyMerge([]*memberlist.Node) error { c.f("NotifyMerge"); return nil }

func (c callback) AckPayload() []byte { c.f("AckPayload"); return nil }

func (c callback) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {
	c.f("NotifyPingComplete")
}

func (c callback) install(config *memberlist.Config) {
	config.Delegate, config.Events, config.Alive, config.Conflict = c, c, c, c
	config.Merge, config.Ping = c, c
}

var callbackNames = []string{"NodeMeta", "NotifyMsg", "GetBroadcasts", "LocalState", "MergeRemoteState", "NotifyJoin",
	"NotifyLeave", "NotifyUpdate", "NotifyAlive", "NotifyConflict", "NotifyMerge", "AckPayload", "NotifyPingComplete"}

// TestCallbacksMayCallAnything: every method may be called, and returns, from within every delegate.
func TestCallbacksMayCallAnything(t *testing.T) {
	calls := map[string]func(*memberlist.Memberlist){
		"reads": func(m *memberlist.Memberlist) {
			m.Members()
			m.NumMembers()
			m.LocalNode()
			m.GetHealthScore()
			m.ProtocolVersion()
		},
		"UpdateNode":     func(m *memberlist.Memberlist) { m.UpdateNode(0) },
		"Join":           func(m *memberlist.Memberlist) { m.Join([]string{simAddr(0).String()}) },
		"Leave":          func(m *memberlist.Memberlist) { m.Leave(0) },
		"Shutdown":       func(m *memberlist.Memberlist) { m.Shutdown() },
		"SendReliable":   func(m *memberlist.Memberlist) { m.SendReliable(m.LocalNode(), []byte("x")) },
		"SendBestEffort": func(m *memberlist.Memberlist) { m.SendBestEffort(m.LocalNode(), []byte("x")) },
		"Ping":           func(m *memberlist.Memberlist) { m.Ping("m0", net.UDPAddrFromAddrPort(simAddr(0))) },
	}
	for _, from := range callbackNames {
		for call, f := range calls {
			t.Run(from+"/"+call, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testCallback(t, from, f) })
			})
		}
	}
}

func testCallback(t *testing.T, from string, call func(*memberlist.Memberlist)) {
	c := newSimCluster(t).grow(2, func(config *memberlist.Config) { config.Delegate = &testDelegate{state: []byte("s")} })
	defer c.stop()
	var (
		m        *memberlist.Memberlist
		ready    = make(chan struct{})
		entered  atomic.Bool
		returned = make(chan struct{})
	)
	m = c.add(func(config *memberlist.Config) {
		config.GossipInterval = 50 * time.Millisecond
		callback{func(name string) {
			select {
			case <-ready: // Create has returned m
			default:
				return
			}
			if name == from && entered.CompareAndSwap(false, true) {
				call(m)
				close(returned)
			}
		}}.install(config)
	})
	close(ready)

	// Call every delegate.
	other := c.members[1]
	go m.Join([]string{simAddr(0).String()})
	time.Sleep(time.Second)
	go m.UpdateNode(time.Second)
	go other.SendReliable(m.LocalNode(), []byte("x"))
	go other.SendBestEffort(m.LocalNode(), []byte("x"))
	impostor, err := memberlist.Create(func() *memberlist.Config {
		config := c.simConfig(9)
		config.Name = "m1"
		return config
	}())
	if err != nil {
		t.Fatal(err)
	}
	defer impostor.Shutdown()
	go impostor.Join([]string{m.LocalNode().Address()})
	go other.UpdateNode(time.Second)
	time.Sleep(3 * time.Second)
	if from == "NotifyUpdate" {
		d := &testDelegate{meta: []byte("new")}
		updating := c.add(func(config *memberlist.Config) { config.Delegate = d })
		updating.Join([]string{simAddr(0).String()})
		time.Sleep(time.Second)
		d.set([]byte("newer"))
		go updating.UpdateNode(time.Second)
	}
	go other.Leave(time.Second)
	select {
	case <-returned:
	case <-time.After(time.Minute):
		t.Errorf("%s was not called, or what it called did not return", from)
	}
}

// TestSlowEventsCostNoAck: a delegate that takes 10 s for an event delays
// neither acks nor refutations.
func TestSlowEventsCostNoAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(4, nil)
		defer time.Sleep(time.Minute) // Shutdown does not wait for the delegate; the bubble must
		defer c.stop()
		slow := c.add(func(config *memberlist.Config) {
			config.Events = slowEvents{10 * time.Second}
		})
		go slow.Join([]string{simAddr(0).String()})
		time.Sleep(2 * time.Minute)
		for i := range 4 {
			for _, e := range c.events[i].list() {
				if e[:4] != "join" {
					t.Errorf("member %d heard %q", i, e)
				}
			}
			if got := c.members[i].GetHealthScore(); got != 0 {
				t.Errorf("member %d: health score %d, want 0: an ack was missed", i, got)
			}
		}
		if got := slow.NumMembers(); got != 5 {
			t.Errorf("the slow member counts %d members", got)
		}
	})
}

type slowEvents struct{ takes time.Duration }

func (s slowEvents) NotifyJoin(*memberlist.Node) { time.Sleep(s.takes) }

func (s slowEvents) NotifyLeave(*memberlist.Node) { time.Sleep(s.takes) }

func (s slowEvents) NotifyUpdate(*memberlist.Node) { time.Sleep(s.takes) }

// TestSlowDelegateCostsNoAck: the other delegates delay neither acks nor refutations either.
func TestSlowDelegateCostsNoAck(t *testing.T) {
	for _, name := range []string{"NotifyMsg", "GetBroadcasts", "LocalState", "MergeRemoteState", "NotifyMerge",
		"NotifyConflict", "NotifyPingComplete"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(3, nil)
				defer time.Sleep(time.Minute)
				defer c.stop()
				slow := c.add(func(config *memberlist.Config) {
					callback{func(n string) {
						if n == name {
							time.Sleep(10 * time.Second)
						}
					}}.install(config)
				})
				go slow.Join([]string{simAddr(0).String()})
				for range 30 {
					time.Sleep(time.Second)
					c.members[0].SendBestEffort(slow.LocalNode(), []byte("x"))
				}
				for i := range 3 {
					if got := c.members[i].GetHealthScore(); got != 0 {
						t.Errorf("member %d: health score %d, want 0: an ack was missed", i, got)
					}
				}
			})
		})
	}
}

// TestEventsAreNeverConcurrent: events are delivered one at a time, in order.
func TestEventsAreNeverConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			calls int
			seen  []string
		)
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) {
			config.Events = nodeFunc(func(kind string, n *memberlist.Node) {
				mu.Lock()
				if calls++; calls > 1 {
					t.Error("two events at once")
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				calls--
				seen = append(seen, kind+" "+n.Name)
				mu.Unlock()
			})
		})
		for range 8 {
			m := c.add(nil)
			go m.Join([]string{simAddr(0).String()})
		}
		time.Sleep(5 * time.Second)
		for _, m := range c.members[1:] {
			go m.Leave(time.Second)
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(seen) != 1+8+8 {
			t.Fatalf("%d events: %v", len(seen), seen)
		}
		for i := 1; i <= 8; i++ {
			join := slices.Index(seen, fmt.Sprintf("join m%d", i))
			leave := slices.Index(seen, fmt.Sprintf("leave m%d", i))
			if join < 0 || leave < join {
				t.Errorf("m%d: join is event %d, leave %d", i, join, leave)
			}
		}
	})
}

type nodeFunc func(kind string, n *memberlist.Node)

func (f nodeFunc) NotifyJoin(n *memberlist.Node) { f("join", n) }

func (f nodeFunc) NotifyLeave(n *memberlist.Node) { f("leave", n) }

func (f nodeFunc) NotifyUpdate(n *memberlist.Node) { f("update", n) }

// TestEventsAreDeliveredOnReturn: the events that a Create, Join or UpdateNode causes are delivered before it returns.
func TestEventsAreDeliveredOnReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		d := &testDelegate{meta: []byte("one")}
		c.add(nil)
		m := c.add(func(config *memberlist.Config) { config.Delegate = d })
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1"}) {
			t.Errorf("after Create: %v", got)
		}
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1", "join m0"}) {
			t.Errorf("after Join: %v", got)
		}
		d.set([]byte("two"))
		if err := m.UpdateNode(time.Second); err != nil {
			t.Fatal(err)
		}
		if got := c.events[1].list(); !slices.Equal(got, []string{"join m1", "join m0", "update m1"}) {
			t.Errorf("after UpdateNode: %v", got)
		}
	})
}

// TestUserMessages: packets, streams, broadcasts and state reach the delegate.
func TestUserMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		a, b := &testDelegate{state: []byte("A")}, &testDelegate{state: []byte("B")}
		c.add(func(config *memberlist.Config) { config.Delegate = a })
		m := c.add(func(config *memberlist.Config) { config.Delegate = b })
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(a.remote, []string{"B true"}) || !slices.Equal(b.remote, []string{"A true"}) {
			t.Errorf("states merged: %q and %q", a.remote, b.remote)
		}
		to := c.members[0].LocalNode()
		large := string(bytes.Repeat([]byte("large"), 100_000))
		for _, err := range []error{
			m.SendBestEffort(to, []byte("1")),
			m.SendToUDP(to, []byte("2")),
			m.SendTo(net.UDPAddrFromAddrPort(simAddr(0)), []byte("3")),
			m.SendToAddress(to.FullAddress(), []byte("4")),
			m.SendReliable(to, []byte(large)),
			m.SendToTCP(to, nil),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		b.mu.Lock()
		b.broadcasts = [][]byte{[]byte("b1"), []byte("b2"), make([]byte, 1400)} // the last does not fit
		b.mu.Unlock()
		time.Sleep(2 * time.Second)
		got := a.received()
		slices.Sort(got)
		want := []string{"", "1", "2", "3", "4", "b1", "b2", large}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("received %d messages %.100q, want %d", len(got), got, len(want))
		}
		if err := m.SendReliable(to, make([]byte, 20<<20+1)); !is(err, memberlist.ErrMessageTooLarge) {
			t.Errorf("error %v for a message over 20 MiB, want ErrMessageTooLarge", err)
		}
	})
}

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

// pingLog is a PingDelegate.
type pingLog struct {
	payload   string
	completed chan string
}

func (l pingLog) AckPayload() []byte { return []byte(l.payload) }

func (l pingLog) NotifyPingComplete(n *memberlist.Node, rtt time.Duration, payload []byte) {
	select {
	case l.completed <- fmt.Sprint(n.Name, " ", rtt, " ", string(payload)):
	default:
	}
}

// TestPingDelegateExchanged: changes of the Config between Create and Join take effect, as tests of Serf need.
func TestPingDelegateExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := pingLog{"", make(chan string, 1)}
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) { config.Ping = log })
		var given *memberlist.Config
		m := c.add(func(config *memberlist.Config) { given = config; config.Ping = pingLog{"first", nil} })
		given.Ping = pingLog{"second", nil}
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if got, want := <-log.completed, "m1 2ms second"; got != want {
			t.Errorf("completed %q, want %q", got, want)
		}
	})
}

func TestPingDelegate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := pingLog{"from m0", make(chan string, 1)}
		other := pingLog{"from m1", make(chan string, 1)}
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) { config.Ping = log })
		m := c.add(func(config *memberlist.Config) { config.Ping = other })
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		if got, want := <-log.completed, "m1 2ms from m1"; got != want {
			t.Errorf("completed %q, want %q", got, want)
		}
		if got, want := <-other.completed, "m0 2ms from m0"; got != want {
			t.Errorf("completed %q, want %q", got, want)
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

// eagerTransport has received packets before it is used.
type eagerTransport struct{ *voidTransport }

func newEagerTransport(packets ...[]byte) eagerTransport {
	t := eagerTransport{newVoidTransport()}
	t.packets = make(chan *memberlist.Packet, len(packets))
	for _, p := range packets {
		t.packets <- &memberlist.Packet{Buf: p, From: senderOf(believedAddr)}
	}
	return t
}

// TestDelegatesHearOfTheMemberItselfFirst: packets that arrive while a member is being created are delivered after the
// events of Create. Otherwise they reach delegates that are not ready (grafana/dskit#197).
func TestDelegatesHearOfTheMemberItselfFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var heard []string
		hears := callback{func(name string) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, name)
		}}
		config := memberlist.DefaultLANConfig()
		config.Name, config.LogOutput = "self", io.Discard
		config.PushPullInterval, config.GossipInterval, config.ProbeInterval = 0, 0, 0
		config.Transport = newEagerTransport(
			[]byte{byte(wire.TypeUser), 'h', 'i'},
			(&wire.Ping{SeqNo: 1, Node: "self"}).Append(nil),
			(&wire.Alive{Incarnation: 1, Node: "m1", Addr: []byte{10, 0, 0, 1}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil),
		)
		hears.install(config)
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		itself := slices.Index(heard, "NotifyJoin")
		if at := slices.Index(heard, "NotifyMsg"); at < itself {
			t.Errorf("NotifyMsg is call %d, the member's own join call %d, of %v", at, itself, heard)
		}
		if at := slices.Index(heard, "AckPayload"); at >= 0 && at < itself { // it is not called while m1 is unknown
			t.Errorf("AckPayload is call %d, the member's own join call %d, of %v", at, itself, heard)
		}
		if n := m.NumMembers(); n != 2 {
			t.Errorf("%d members, want the one that was heard of too", n)
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

// voidTransport sends nothing anywhere and receives nothing.
type voidTransport struct {
	packets chan *memberlist.Packet
	streams chan net.Conn
}

func newVoidTransport() *voidTransport {
	return &voidTransport{make(chan *memberlist.Packet), make(chan net.Conn)}
}

func (v *voidTransport) PacketCh() <-chan *memberlist.Packet { return v.packets }

func (v *voidTransport) StreamCh() <-chan net.Conn { return v.streams }

func (*voidTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4(10, 99, 0, 1).To4(), 7946, nil
}

func (*voidTransport) WriteTo([]byte, string) (time.Time, error) { return time.Now(), nil }

func (*voidTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	return nil, errors.New("unreachable")
}

func (*voidTransport) Shutdown() error { return nil }
