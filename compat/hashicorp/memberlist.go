// Package memberlist gives programs that import github.com/hashicorp/memberlist the library
// github.com/e3431adc/memberlist under the name they know: with two replace lines in go.mod no source is changed.
//
// It exports what v0.7.0 exports, and nothing else. Types are aliases: a value of one package is one of the other.
package memberlist

import (
	"net"

	"github.com/e3431adc/memberlist"
)

// Limits, protocol versions, states and kinds of events.
const (
	LabelMaxSize = memberlist.LabelMaxSize
	MetaMaxSize  = memberlist.MetaMaxSize

	ProtocolVersionMin         = memberlist.ProtocolVersionMin
	ProtocolVersion2Compatible = memberlist.ProtocolVersion2Compatible
	ProtocolVersionMax         = memberlist.ProtocolVersionMax

	StateAlive   = memberlist.StateAlive
	StateSuspect = memberlist.StateSuspect
	StateDead    = memberlist.StateDead
	StateLeft    = memberlist.StateLeft

	NodeJoin   = memberlist.NodeJoin
	NodeLeave  = memberlist.NodeLeave
	NodeUpdate = memberlist.NodeUpdate
)

// A member, its configuration and what is known of others.
type (
	Config        = memberlist.Config
	Memberlist    = memberlist.Memberlist
	Node          = memberlist.Node
	NodeStateType = memberlist.NodeStateType
	Address       = memberlist.Address
	Keyring       = memberlist.Keyring

	NoPingResponseError = memberlist.NoPingResponseError
)

// What the program is asked, and told.
type (
	AliveDelegate        = memberlist.AliveDelegate
	ConflictDelegate     = memberlist.ConflictDelegate
	Delegate             = memberlist.Delegate
	EventDelegate        = memberlist.EventDelegate
	ChannelEventDelegate = memberlist.ChannelEventDelegate
	MergeDelegate        = memberlist.MergeDelegate
	PingDelegate         = memberlist.PingDelegate
	NodeEvent            = memberlist.NodeEvent
	NodeEventType        = memberlist.NodeEventType
)

// What is gossiped for the program.
type (
	Broadcast            = memberlist.Broadcast
	NamedBroadcast       = memberlist.NamedBroadcast
	UniqueBroadcast      = memberlist.UniqueBroadcast
	TransmitLimitedQueue = memberlist.TransmitLimitedQueue
)

// The ways to the network.
type (
	Transport               = memberlist.Transport
	NodeAwareTransport      = memberlist.NodeAwareTransport
	IngestionAwareTransport = memberlist.IngestionAwareTransport
	Packet                  = memberlist.Packet
	NetTransport            = memberlist.NetTransport
	NetTransportConfig      = memberlist.NetTransportConfig
	MockNetwork             = memberlist.MockNetwork
	MockTransport           = memberlist.MockTransport
	MockAddress             = memberlist.MockAddress
)

// Create starts a member.
func Create(conf *Config) (*Memberlist, error) { return memberlist.Create(conf) }

// DefaultLANConfig is a configuration for a local network.
func DefaultLANConfig() *Config { return memberlist.DefaultLANConfig() }

// DefaultWANConfig is a configuration for links with a high latency.
func DefaultWANConfig() *Config { return memberlist.DefaultWANConfig() }

// DefaultLocalConfig is a configuration for members on one host.
func DefaultLocalConfig() *Config { return memberlist.DefaultLocalConfig() }

// ParseCIDRs reads networks, as for Config.CIDRsAllowed.
func ParseCIDRs(v []string) ([]net.IPNet, error) { return memberlist.ParseCIDRs(v) }

// NewKeyring makes a keyring of keys, the primary one among them.
func NewKeyring(keys [][]byte, primaryKey []byte) (*Keyring, error) {
	return memberlist.NewKeyring(keys, primaryKey)
}

// ValidateKey tells whether a key has a size that can be used.
func ValidateKey(key []byte) error { return memberlist.ValidateKey(key) }

// NewNetTransport listens on sockets.
func NewNetTransport(config *NetTransportConfig) (*NetTransport, error) {
	return memberlist.NewNetTransport(config)
}

// AddLabelHeaderToPacket puts a label before a packet.
func AddLabelHeaderToPacket(buf []byte, label string) ([]byte, error) {
	return memberlist.AddLabelHeaderToPacket(buf, label)
}

// RemoveLabelHeaderFromPacket cuts the label off a packet.
func RemoveLabelHeaderFromPacket(buf []byte) (newBuf []byte, label string, err error) {
	return memberlist.RemoveLabelHeaderFromPacket(buf)
}

// AddLabelHeaderToStream writes a label to a stream.
func AddLabelHeaderToStream(conn net.Conn, label string) error {
	return memberlist.AddLabelHeaderToStream(conn, label)
}

// RemoveLabelHeaderFromStream reads the label of a stream.
func RemoveLabelHeaderFromStream(conn net.Conn) (net.Conn, string, error) {
	return memberlist.RemoveLabelHeaderFromStream(conn)
}

// LogAddress is an address as log lines have it.
func LogAddress(addr net.Addr) string { return memberlist.LogAddress(addr) }

// LogStringAddress is an address as log lines have it.
func LogStringAddress(addr string) string { return memberlist.LogStringAddress(addr) }

// LogConn is the remote address of a stream as log lines have it.
func LogConn(conn net.Conn) string { return memberlist.LogConn(conn) }
