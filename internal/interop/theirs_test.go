package interop

import (
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// theirsPeer is a member of the reference.
type theirsPeer struct {
	m    *memberlist.Memberlist
	j    *journal
	ring *memberlist.Keyring
	self netip.AddrPort
}

var _ peer = (*theirsPeer)(nil)

// startTheirs creates a member of the reference, over the transport if there is one, else over sockets.
func startTheirs(o options, j *journal, transport memberlist.Transport, at netip.AddrPort) (peer, error) {
	d := delegates[memberlist.Node]{j, func(n *memberlist.Node) node { return nodeOf(n.Name, n.Addr, n.Port, n.Meta) }}
	c := memberlist.DefaultLocalConfig()
	c.Name = o.name
	c.Transport = transport
	c.BindAddr, c.BindPort, c.AdvertisePort = at.Addr().String(), int(at.Port()), int(at.Port())
	c.Label, c.SkipInboundLabelCheck = o.label, o.skipLabelCheck
	c.EnableCompression = o.compression
	if algorithm := reflect.ValueOf(c).Elem().FieldByName("CompressionAlgorithm"); o.snappy && algorithm.IsValid() { // Grafana's fork has it
		algorithm.SetString("snappy")
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
	c.RetransmitMult = 6 // enough that gossip misses no member by chance in a small cluster
	c.DeadNodeReclaimTime = o.reclaimTime
	c.DisableTcpPings = o.noStreamPings
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
	return &theirsPeer{m, j, c.Keyring, d.see(n).addr}, nil
}

func (p *theirsPeer) kind() kind           { return theirs }
func (p *theirsPeer) name() string         { return p.j.options.name }
func (p *theirsPeer) addr() netip.AddrPort { return p.self }
func (p *theirsPeer) journal() *journal    { return p.j }
func (p *theirsPeer) health() int          { return p.m.GetHealthScore() }
func (p *theirsPeer) keyring() keyring     { return p.ring }
func (p *theirsPeer) shutdown() error      { return p.m.Shutdown() }

func (p *theirsPeer) leave(timeout time.Duration) error { return p.m.Leave(timeout) }

func (p *theirsPeer) join(addrs ...netip.AddrPort) (int, error) {
	var existing []string
	for _, a := range addrs {
		existing = append(existing, a.String())
	}
	return p.m.Join(existing)
}

func (p *theirsPeer) members() []string {
	var names []string
	for _, n := range p.m.Members() {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

func (p *theirsPeer) setMeta(meta string, timeout time.Duration) error {
	p.j.setMeta(meta)
	return p.m.UpdateNode(timeout)
}

func (p *theirsPeer) sendBestEffort(to peer, msg string) error {
	return p.m.SendBestEffort(theirsNode(to), []byte(msg))
}

func (p *theirsPeer) sendReliable(to peer, msg string) error {
	return p.m.SendReliable(theirsNode(to), []byte(msg))
}

func (p *theirsPeer) ping(name string, addr netip.AddrPort) (time.Duration, error) {
	return p.m.Ping(name, net.UDPAddrFromAddrPort(addr))
}

func theirsNode(p peer) *memberlist.Node {
	return &memberlist.Node{Name: p.name(), Addr: p.addr().Addr().AsSlice(), Port: p.addr().Port(), PMax: 5}
}
