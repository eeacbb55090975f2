package main

import (
	"io"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/attacks"
	"github.com/hashicorp/memberlist"
)

// theirs is the reference.
type theirs struct{}

func (theirs) Name() string { return "github.com/hashicorp/memberlist" }

func (theirs) Create(o attacks.Options) (attacks.Member, error) {
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.SecretKey = o.Name, o.Label, o.Key
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.LogOutput = io.Discard
	if o.Quick {
		c.ProbeInterval, c.ProbeTimeout = 100*time.Millisecond, 50*time.Millisecond
		c.GossipInterval, c.GossipToTheDeadTime = 20*time.Millisecond, 200*time.Millisecond
		c.TCPTimeout = time.Second
	}
	if o.Tap != nil {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{c.BindAddr}, Logger: log.New(io.Discard, "", 0),
		})
		if err != nil {
			return nil, err
		}
		c.BindPort = t.GetAutoBindPort()
		c.AdvertisePort, c.Transport = c.BindPort, tapped{t, o.Tap}
	}
	d := delegates{attacks.NewDelegate(o), o.OnConflict}
	c.Delegate, c.Ping, c.Conflict = d, d, d
	m, err := memberlist.Create(c)
	if err != nil {
		return nil, err
	}
	n := m.LocalNode()
	addr, _ := netip.AddrFromSlice(n.Addr)
	return member{m, d.Delegate, netip.AddrPortFrom(addr.Unmap(), n.Port)}, nil
}

type delegates struct {
	*attacks.Delegate
	onConflict func()
}

func (delegates) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {}

func (d delegates) NotifyConflict(_, _ *memberlist.Node) {
	if d.onConflict != nil {
		d.onConflict()
	}
}

// tapped shows the packets that a transport sends.
type tapped struct {
	*memberlist.NetTransport
	tap func([]byte)
}

func (t tapped) WriteTo(b []byte, addr string) (time.Time, error) {
	t.tap(b)
	return t.NetTransport.WriteTo(b, addr)
}

func (t tapped) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	t.tap(b)
	return t.NetTransport.WriteToAddress(b, addr)
}

type member struct {
	m    *memberlist.Memberlist
	d    *attacks.Delegate
	addr netip.AddrPort
}

func (t member) Name() string         { return t.m.LocalNode().Name }
func (t member) Addr() netip.AddrPort { return t.addr }

func (t member) Join(addr netip.AddrPort) error {
	_, err := t.m.Join([]string{addr.String()})
	return err
}

func (t member) Members() []attacks.Info {
	nodes := t.m.Members()
	infos := make([]attacks.Info, len(nodes))
	for i, n := range nodes {
		infos[i] = attacks.Info{Name: n.Name, Meta: string(n.Meta)}
	}
	return infos
}

func (t member) Update(meta string, timeout time.Duration) error {
	t.d.SetMeta(meta)
	return t.m.UpdateNode(timeout)
}

func (t member) Ping(name string, addr netip.AddrPort) error {
	_, err := t.m.Ping(name, net.UDPAddrFromAddrPort(addr))
	return err
}

func (t member) Health() int                       { return t.m.GetHealthScore() }
func (t member) Leave(timeout time.Duration) error { return t.m.Leave(timeout) }
func (t member) Shutdown() error                   { return t.m.Shutdown() }
