package clustertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestBlockedDelegateHoldsUpNoProbe: with sockets, too.
func TestBlockedDelegateHoldsUpNoProbe(t *testing.T) {
	blocked, goOn, pings := make(chan bool, 1), make(chan bool), make(chan int, 100)
	start := func(name string, change func(*memberlist.Config)) *memberlist.Memberlist {
		config := memberlist.DefaultLANConfig()
		config.Name, config.LogOutput = name, io.Discard
		config.BindAddr, config.BindPort, config.AdvertisePort = "127.0.0.1", 0, 0
		change(config)
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Shutdown() })
		return m
	}
	m := start("m", func(config *memberlist.Config) {
		config.ProbeInterval, config.ProbeTimeout = 20*time.Millisecond, 10*time.Millisecond
		config.SuspicionMult = 10_000 // the other one may be late
		config.Delegate = broadcaster(func(int, int) [][]byte {
			blocked <- true
			<-goOn
			return nil
		})
		config.Ping = callback{func(name string) {
			if name == "NotifyPingComplete" {
				select {
				case pings <- 1:
				default:
				}
			}
		}}
	})
	defer close(goOn)
	other := start("other", func(*memberlist.Config) {})
	if _, err := m.Join([]string{other.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	<-blocked
	for range 10 {
		awaitRun(t, pings)
	}
}

// loopbackConfig is a configuration for a member on real sockets. Its time limits allow for a busy machine.
func loopbackConfig(name string) *memberlist.Config {
	c := memberlist.DefaultLocalConfig()
	c.Name = name
	c.BindAddr = "127.0.0.1"
	c.BindPort = 0
	c.LogOutput = io.Discard
	c.ProbeInterval, c.ProbeTimeout, c.TCPTimeout = 2*time.Minute, time.Minute, time.Minute
	return c
}

// ownLoopback is a loopback address that no other process uses, where the system has more than one: a port that is free there
// stays free.
func ownLoopback() net.IP {
	if runtime.GOOS != "linux" {
		return net.IPv4(127, 0, 0, 1)
	}
	pid := os.Getpid()
	return net.IPv4(127, byte(1+pid>>14&0x7f), byte(pid>>7&0x7f), byte(1+pid&0x7f))
}

// TestRealSockets: two members on loopback join, talk, update and leave, in
// every kind of traffic.
func TestRealSockets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*memberlist.Config)
	}{
		{"plain", func(c *memberlist.Config) { c.EnableCompression = false }},
		{"compressed", func(*memberlist.Config) {}},
		{"label", func(c *memberlist.Config) { c.Label = "blue" }},
		{"AES-128", func(c *memberlist.Config) { c.SecretKey = bytes.Repeat([]byte{1}, 16) }},
		{"AES-256 and label", func(c *memberlist.Config) { c.SecretKey, c.Label = bytes.Repeat([]byte{1}, 32), "blue" }},
		{"protocol 1, encrypted", func(c *memberlist.Config) { c.SecretKey, c.ProtocolVersion = bytes.Repeat([]byte{1}, 24), 1 }},
		{"IPv6", func(c *memberlist.Config) { c.BindAddr = "::1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leavesNoGoroutine(t)
			testRealSockets(t, tt.change)
		})
	}
}

func testRealSockets(t *testing.T, change func(*memberlist.Config)) {
	events := make(chan memberlist.NodeEvent, 100)
	received := make(chan string, 10)
	start := func(name string) *memberlist.Memberlist {
		config := loopbackConfig(name)
		config.Delegate = messageFunc(func(m string) { received <- name + " got " + m })
		if name == "a" {
			config.Events = &memberlist.ChannelEventDelegate{Ch: events}
		}
		change(config)
		m, err := memberlist.Create(config)
		if err != nil {
			if config.BindAddr == "::1" {
				t.Skipf("no IPv6 loopback here: %v", err)
			}
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Shutdown() })
		if config.BindPort == 0 || config.AdvertisePort != config.BindPort {
			t.Errorf("chosen port not written back: bind %d, advertise %d", config.BindPort, config.AdvertisePort)
		}
		return m
	}
	a, b := start("a"), start("b")
	if n, err := b.Join([]string{"a/" + a.LocalNode().Address()}); n != 1 || err != nil {
		t.Fatalf("joined %d: %v", n, err)
	}
	next := func(kind memberlist.NodeEventType, name string) *memberlist.Node {
		t.Helper()
		e := <-events
		if e.Event != kind || e.Node.Name != name {
			t.Fatalf("event %d about %s, want %d about %s", e.Event, e.Node.Name, kind, name)
		}
		return e.Node
	}
	next(memberlist.NodeJoin, "a")
	node := next(memberlist.NodeJoin, "b")
	if a.NumMembers() != 2 || b.NumMembers() != 2 {
		t.Fatalf("%d and %d members", a.NumMembers(), b.NumMembers())
	}
	if err := a.SendBestEffort(node, []byte("a packet")); err != nil {
		t.Error(err)
	}
	if got := <-received; got != "b got a packet" {
		t.Error(got)
	}
	if err := a.SendReliable(node, []byte("a stream")); err != nil {
		t.Error(err)
	}
	if got := <-received; got != "b got a stream" {
		t.Error(got)
	}
	if rtt, err := a.Ping("b", &net.UDPAddr{IP: node.Addr, Port: int(node.Port)}); err != nil || rtt <= 0 {
		t.Errorf("ping: %v, %v", rtt, err)
	}
	if err := b.Leave(time.Minute); err != nil {
		t.Error(err)
	}
	if n := next(memberlist.NodeLeave, "b"); n.State != memberlist.StateLeft {
		t.Errorf("b is in state %d, want to have left", n.State)
	}
}

// messageFunc is a Delegate for messages alone.
type messageFunc func(string)

func (f messageFunc) NodeMeta(int) []byte { return nil }

func (f messageFunc) NotifyMsg(b []byte) { f(string(b)) }

func (f messageFunc) GetBroadcasts(int, int) [][]byte { return nil }

func (f messageFunc) LocalState(bool) []byte { return nil }

func (f messageFunc) MergeRemoteState([]byte, bool) {}

// TestKeyRotation: members change keys while running, and never lose each
// other.
func TestKeyRotation(t *testing.T) {
	oldKey, newKey := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	received := make(chan string, 10)
	var members []*memberlist.Memberlist
	var rings []*memberlist.Keyring
	for _, name := range []string{"a", "b"} {
		config := loopbackConfig(name)
		ring, err := memberlist.NewKeyring(nil, oldKey)
		if err != nil {
			t.Fatal(err)
		}
		config.Keyring = ring
		config.Delegate = messageFunc(func(m string) { received <- m })
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		members, rings = append(members, m), append(rings, ring)
	}
	if _, err := members[1].Join([]string{members[0].LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	say := func(what string) {
		t.Helper()
		if err := members[0].SendReliable(members[1].LocalNode(), []byte(what)); err != nil {
			t.Error(err)
		}
		if got := <-received; got != what {
			t.Errorf("received %q, want %q", got, what)
		}
		if err := members[1].SendBestEffort(members[0].LocalNode(), []byte(what)); err != nil {
			t.Error(err)
		}
		if got := <-received; got != what {
			t.Errorf("received %q, want %q", got, what)
		}
	}
	say("with the old key")
	for step, change := range []func(*memberlist.Keyring) error{
		func(r *memberlist.Keyring) error { return r.AddKey(newKey) },
		func(r *memberlist.Keyring) error { return r.UseKey(newKey) },
		func(r *memberlist.Keyring) error { return r.RemoveKey(oldKey) },
	} {
		for _, r := range rings {
			if err := change(r); err != nil {
				t.Fatal(err)
			}
			say("in step " + string(rune('1'+step)))
		}
	}
	stranger := loopbackConfig("c")
	stranger.SecretKey = oldKey
	c, err := memberlist.Create(stranger)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Shutdown()
	if _, err := c.Join([]string{members[0].LocalNode().Address()}); !errors.Is(err, memberlist.ErrDecrypt) {
		t.Errorf("joined with a key that was removed: %v, want ErrDecrypt", err)
	}
}

// awaitRun fails the test if nothing comes.
func awaitRun(t *testing.T, runs <-chan int) int {
	t.Helper()
	select {
	case n := <-runs:
		return n
	case <-time.After(time.Minute):
		t.Fatal("no run")
		return 0
	}
}
