package interop

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist"
)

// oursPeer is a member of this library.
type oursPeer struct {
	m    *memberlist.Memberlist
	j    *journal
	ring *memberlist.Keyring
	self netip.AddrPort
}

var _ peer = (*oursPeer)(nil)

// startOurs creates a member of this library, over the transport if there is one, else over sockets.
func startOurs(o options, j *journal, transport memberlist.Transport, at netip.AddrPort) (peer, error) {
	d := delegates[memberlist.Node]{j, func(n *memberlist.Node) node { return nodeOf(n.Name, n.Addr, n.Port, n.Meta) }}
	c := memberlist.DefaultLocalConfig()
	c.Name = o.name
	c.Transport = transport
	c.BindAddr, c.BindPort, c.AdvertisePort = at.Addr().String(), int(at.Port()), int(at.Port())
	if o.allInterfaces {
		c.BindAddr, c.AdvertiseAddr = "0.0.0.0", c.BindAddr
	}
	c.Label, c.AcceptLabels = o.label, o.acceptLabels
	c.EnableCompression = o.compression
	if o.snappy {
		c.CompressionAlgorithm = memberlist.CompressionAlgorithmSnappy
	}
	c.ProtocolVersion = o.protocol
	if o.advertise != "" {
		c.AdvertiseAddr = o.advertise
	}
	c.ProbeInterval = o.probeInterval
	c.ProbeTimeout = o.probeTimeout
	c.GossipInterval = o.gossipInterval
	c.PushPullInterval = o.pushPullInterval
	if o.streamTimeout > 0 {
		c.TCPTimeout = o.streamTimeout
	}
	c.SuspicionMult = o.suspicionMult
	c.IndirectChecks = 3
	c.Zone = o.zone
	c.RetransmitMult = 6 // enough that gossip misses no member by chance in a small cluster
	c.DeadNodeReclaimTime = o.reclaimTime
	c.DisableTcpPings, c.DisableExtensions = o.noStreamPings, o.noExtensions
	c.GossipVerifyIncoming = !o.noVerifyIncoming
	c.GossipVerifyOutgoing = !o.noVerifyOutgoing
	c.LogOutput = io.Discard
	c.Delegate, c.Events, c.Conflict, c.Merge, c.Alive, c.Ping = d, d, d, d, d, d
	if o.key != nil {
		ring, err := memberlist.NewKeyring(nil, o.key)
		if err != nil {
			return nil, err
		}
		c.Keyring = ring
	}
	m, err := memberlist.Create(c)
	if err != nil {
		return nil, err
	}
	n := m.LocalNode() // no other member knows it yet, so that it does not change
	return &oursPeer{m, j, c.Keyring, d.see(n).addr}, nil
}

func (p *oursPeer) kind() kind           { return ours }
func (p *oursPeer) name() string         { return p.j.options.name }
func (p *oursPeer) addr() netip.AddrPort { return p.self }
func (p *oursPeer) journal() *journal    { return p.j }
func (p *oursPeer) health() int          { return p.m.GetHealthScore() }
func (p *oursPeer) keyring() keyring     { return p.ring }
func (p *oursPeer) shutdown() error      { return p.m.Shutdown() }

func (p *oursPeer) leave(timeout time.Duration) error { return p.m.Leave(timeout) }

func (p *oursPeer) join(addrs ...netip.AddrPort) (int, error) {
	var existing []string
	for _, a := range addrs {
		existing = append(existing, a.String())
	}
	return p.m.Join(existing)
}

func (p *oursPeer) members() []string {
	var names []string
	for _, n := range p.m.Members() {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

func (p *oursPeer) setMeta(meta string, timeout time.Duration) error {
	p.j.setMeta(meta)
	return p.m.UpdateNode(timeout)
}

func (p *oursPeer) sendBestEffort(to peer, msg string) error {
	return p.m.SendBestEffort(oursNode(to), []byte(msg))
}

func (p *oursPeer) sendReliable(to peer, msg string) error {
	return p.m.SendReliable(oursNode(to), []byte(msg))
}

func (p *oursPeer) ping(name string, addr netip.AddrPort) (time.Duration, error) {
	return p.m.Ping(name, net.UDPAddrFromAddrPort(addr))
}

func oursNode(p peer) *memberlist.Node {
	return &memberlist.Node{Name: p.name(), Addr: p.addr().Addr().AsSlice(), Port: p.addr().Port(), PMax: 5}
}
