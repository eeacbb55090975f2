package clustertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestNilArguments are errors.
func TestNilArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		m := c.members[0]
		var noConfig *memberlist.Config
		for _, tt := range []struct {
			name string
			call func() error
			want error
		}{
			{"Create", func() error { _, err := memberlist.Create(nil); return err }, memberlist.ErrInvalidConfig},
			{"Validate", func() error { return noConfig.Validate() }, memberlist.ErrInvalidConfig},
			{"NewNetTransport", func() error { _, err := memberlist.NewNetTransport(nil); return err }, memberlist.ErrInvalidConfig},
			{"SendBestEffort", func() error { return m.SendBestEffort(nil, []byte("x")) }, memberlist.ErrInvalidAddress},
			{"SendToUDP", func() error { return m.SendToUDP(nil, []byte("x")) }, memberlist.ErrInvalidAddress},
			{"SendReliable", func() error { return m.SendReliable(nil, []byte("x")) }, memberlist.ErrInvalidAddress},
			{"SendReliableContext", func() error { return m.SendReliableContext(t.Context(), nil, nil) }, memberlist.ErrInvalidAddress},
			{"SendToTCP", func() error { return m.SendToTCP(nil, nil) }, memberlist.ErrInvalidAddress},
			{"SendTo", func() error { return m.SendTo(nil, []byte("x")) }, memberlist.ErrInvalidAddress},
			{"SendTo no UDP address", func() error { return m.SendTo((*net.UDPAddr)(nil), nil) }, memberlist.ErrInvalidAddress},
			{"SendTo no TCP address", func() error { return m.SendTo((*net.TCPAddr)(nil), nil) }, memberlist.ErrInvalidAddress},
			{"Ping", func() error { _, err := m.Ping("m0", nil); return err }, memberlist.ErrInvalidAddress},
			{"PingContext", func() error { _, err := m.PingContext(t.Context(), "m0", (*net.UDPAddr)(nil)); return err }, memberlist.ErrInvalidAddress},
		} {
			if err := tt.call(); !errors.Is(err, tt.want) {
				t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			}
		}
	})
}

// Methods that programs use, but neither Serf nor Alertmanager.

func TestProtocolVersionIsTheConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		for want := uint8(memberlist.ProtocolVersionMin); want <= memberlist.ProtocolVersionMax; want++ {
			m := c.add(func(config *memberlist.Config) { config.ProtocolVersion = want })
			n := m.LocalNode()
			if m.ProtocolVersion() != want || n.PCur != want || n.PMin != memberlist.ProtocolVersionMin || n.PMax != memberlist.ProtocolVersionMax {
				t.Errorf("speaks %d, announces %d of %d to %d; want %d of 1 to 5", m.ProtocolVersion(), n.PCur, n.PMin, n.PMax, want)
			}
		}
	})
}

// TestPingOfNobody: no answer is a NoPingResponseError that names the member,
// after ProbeTimeout.
func TestPingOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		for _, node := range []string{"another", "m1"} {
			if node == "m1" {
				c.network.Down(simAddr(1))
			}
			start := time.Now()
			_, err := c.members[0].Ping(node, net.UDPAddrFromAddrPort(simAddr(1)))
			var none memberlist.NoPingResponseError
			if !errors.As(err, &none) || none.Error() != "No response from node "+node {
				t.Errorf("ping of %s: %v", node, err)
			}
			if got, want := time.Since(start), memberlist.DefaultLANConfig().ProbeTimeout; got != want {
				t.Errorf("ping of %s took %v, want %v", node, got, want)
			}
		}
	})
}

// TestNetTransportGiven: members run on a NetTransport that the program made,
// and advertise its port.
func TestNetTransportGiven(t *testing.T) {
	leavesNoGoroutine(t)
	received := make(chan string, 4)
	var members []*memberlist.Memberlist
	for i := range 2 {
		transport, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		config := loopbackConfig(fmt.Sprint("m", i))
		config.Transport = transport
		config.BindPort = 7946 // of no account, but for joins without a port
		config.Delegate = messageFunc(func(s string) { received <- s })
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		if got, want := int(m.LocalNode().Port), transport.GetAutoBindPort(); got != want {
			t.Errorf("port %d is advertised, want that of the transport: %d", got, want)
		}
		if config.BindPort != 7946 {
			t.Errorf("BindPort was set to %d", config.BindPort)
		}
		members = append(members, m)
	}
	if _, err := members[1].Join([]string{members[0].LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	to := members[0].LocalNode()
	for _, send := range []func(*memberlist.Node, []byte) error{members[1].SendToUDP, members[1].SendToTCP} {
		if err := send(to, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := <-received; got != "hello" {
			t.Errorf("got %q", got)
		}
	}
}

// textAddrOf is an address whose network is only visible in its text.
type textAddrOf string

func (textAddrOf) Network() string { return "mock" }

func (a textAddrOf) String() string { return string(a) }

// TestMockNetworkCluster: on a MockNetwork members find each other by address,
// and by name where one is given; SendTo takes any net.Addr for its text.
func TestMockNetworkCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memberlist.MockNetwork
		received := make(chan string, 4)
		var members []*memberlist.Memberlist
		for i := range 3 {
			config := memberlist.DefaultLANConfig()
			config.Name = fmt.Sprint("m", i)
			config.LogOutput = io.Discard
			config.PushPullInterval = time.Second // whatever gossip misses
			config.Transport = network.NewTransport(config.Name)
			config.MsgpackUseNewTimeFormat = i == 1 // no message contains a time
			config.Delegate = messageFunc(func(s string) { received <- fmt.Sprint(config.Name, " got ", s) })
			m, err := memberlist.Create(config)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Shutdown()
			members = append(members, m)
		}
		for i, seed := range []string{"127.0.0.1:1", "m0/127.0.0.1:1"} {
			if n, err := members[i+1].Join([]string{seed}); n != 1 || err != nil {
				t.Fatalf("join %s: %d, %v", seed, n, err)
			}
		}
		time.Sleep(5 * time.Second)
		for _, m := range members {
			if n := m.NumMembers(); n != 3 {
				t.Errorf("%s has %d members, want 3", m.LocalNode(), n)
			}
		}
		if err := members[0].SendTo(textAddrOf("127.0.0.1:2"), []byte("by address")); err != nil {
			t.Error(err)
		}
		if got, want := <-received, "m1 got by address"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		// The transport routes by the name, not by the address.
		if err := members[0].SendToAddress(memberlist.Address{Addr: "127.0.0.1:2", Name: "m2"}, []byte("by name")); err != nil {
			t.Error(err)
		}
		if got, want := <-received, "m2 got by name"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
