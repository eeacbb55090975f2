package attacks

import (
	"io"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist"
)

// Ours is this library.
type Ours struct{}

func (Ours) Name() string { return "github.com/e3431adc/memberlist" }

func (Ours) Create(o Options) (Member, error) {
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
	d := ourDelegates{NewDelegate(o), o.OnConflict}
	c.Delegate, c.Ping, c.Conflict = d, d, d
	m, err := memberlist.Create(c)
	if err != nil {
		return nil, err
	}
	return ourMember{m, d.Delegate}, nil
}

type ourDelegates struct {
	*Delegate
	onConflict func()
}

func (ourDelegates) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {}

func (d ourDelegates) NotifyConflict(_, _ *memberlist.Node) {
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

type ourMember struct {
	m *memberlist.Memberlist
	d *Delegate
}

func (o ourMember) Name() string { return o.m.LocalNode().Name }

func (o ourMember) Addr() netip.AddrPort {
	n := o.m.LocalNode()
	addr, _ := netip.AddrFromSlice(n.Addr)
	return netip.AddrPortFrom(addr.Unmap(), n.Port)
}

func (o ourMember) Join(addr netip.AddrPort) error {
	_, err := o.m.Join([]string{addr.String()})
	return err
}

func (o ourMember) Members() []Info {
	nodes := o.m.Members()
	infos := make([]Info, len(nodes))
	for i, n := range nodes {
		infos[i] = Info{n.Name, string(n.Meta)}
	}
	return infos
}

func (o ourMember) Update(meta string, timeout time.Duration) error {
	o.d.SetMeta(meta)
	return o.m.UpdateNode(timeout)
}

func (o ourMember) Ping(name string, addr netip.AddrPort) error {
	_, err := o.m.Ping(name, net.UDPAddrFromAddrPort(addr))
	return err
}

func (o ourMember) Health() int                       { return o.m.GetHealthScore() }
func (o ourMember) Leave(timeout time.Duration) error { return o.m.Leave(timeout) }
func (o ourMember) Shutdown() error                   { return o.m.Shutdown() }
