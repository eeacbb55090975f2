package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
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
