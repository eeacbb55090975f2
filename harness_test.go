package memberlist

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

// newMember creates a quiet member on a network in memory, with the defaults for a LAN. It is shut down when the test ends.
func newMember(t testing.TB, network *MockNetwork, name string, change func(*Config)) *Memberlist {
	t.Helper()
	config := DefaultLANConfig()
	config.Name, config.LogOutput, config.Transport = name, io.Discard, network.NewTransport(name)
	if change != nil {
		change(config)
	}
	m, err := Create(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

// joinMember makes a member join another.
func joinMember(t testing.TB, m, seed *Memberlist) {
	t.Helper()
	if _, err := m.Join([]string{seed.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
}

// outsider opens the address of peer i in a network of members, to send packets and streams that no member would. It
// is closed when the test ends.
func outsider(t testing.TB, network *MockNetwork, i int) *simnet.Endpoint {
	t.Helper()
	end, err := network.mu.network.Listen(peerAddr(i))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return end
}

// addrOf returns the address of a member.
func addrOf(m *Memberlist) netip.AddrPort { return netip.MustParseAddrPort(m.LocalNode().Address()) }

// peerAddr returns the address of a peer; each has an IP address of its own.
func peerAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

// peer returns peerAddr as a net.Addr, as transports do.
func peer(i int) net.Addr { return net.UDPAddrFromAddrPort(peerAddr(i)) }

// loopbackConfig returns a configuration for a member on real sockets.
func loopbackConfig(name string) *Config {
	c := DefaultLocalConfig()
	c.Name = name
	c.BindAddr = "127.0.0.1"
	c.BindPort = 0
	c.LogOutput = io.Discard
	return c
}

var attackKey = bytes.Repeat([]byte{7}, 32)

func encrypted(c *Config) { c.SecretKey = attackKey }

// callback implements all delegates; each method calls f with its name.
type callback struct{ f func(name string) }

func (c callback) NodeMeta(int) []byte                             { c.f("NodeMeta"); return nil }
func (c callback) NotifyMsg([]byte)                                { c.f("NotifyMsg") }
func (c callback) GetBroadcasts(int, int) [][]byte                 { c.f("GetBroadcasts"); return nil }
func (c callback) LocalState(bool) []byte                          { c.f("LocalState"); return []byte("s") }
func (c callback) MergeRemoteState([]byte, bool)                   { c.f("MergeRemoteState") }
func (c callback) NotifyJoin(*Node)                                { c.f("NotifyJoin") }
func (c callback) NotifyLeave(*Node)                               { c.f("NotifyLeave") }
func (c callback) NotifyUpdate(*Node)                              { c.f("NotifyUpdate") }
func (c callback) NotifyAlive(*Node) error                         { c.f("NotifyAlive"); return nil }
func (c callback) NotifyConflict(*Node, *Node)                     { c.f("NotifyConflict") }
func (c callback) NotifyMerge([]*Node) error                       { c.f("NotifyMerge"); return nil }
func (c callback) AckPayload() []byte                              { c.f("AckPayload"); return nil }
func (c callback) NotifyPingComplete(*Node, time.Duration, []byte) { c.f("NotifyPingComplete") }
func (c callback) install(config *Config) {
	config.Delegate, config.Events, config.Alive, config.Conflict = c, c, c, c
	config.Merge, config.Ping = c, c
}
