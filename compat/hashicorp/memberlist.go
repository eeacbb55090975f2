// Package memberlist provides the library github.com/e3431adc/memberlist under the import path
// github.com/hashicorp/memberlist: with two replace lines in go.mod, programs that import that path need no change.
//
// It exports the names of v0.7.0 and those that github.com/grafana/memberlist adds, and no others. Types are aliases, so that values of both packages are
// interchangeable.
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

	CompressionAlgorithmLZW    = memberlist.CompressionAlgorithmLZW
	CompressionAlgorithmSnappy = memberlist.CompressionAlgorithmSnappy
)

// The member and its configuration.
type (
	Config        = memberlist.Config
	Memberlist    = memberlist.Memberlist
	Node          = memberlist.Node
	NodeStateType = memberlist.NodeStateType
	Address       = memberlist.Address
	Keyring       = memberlist.Keyring

	NoPingResponseError = memberlist.NoPingResponseError
)

// Delegates and their events.
type (
	AliveDelegate         = memberlist.AliveDelegate
	ConflictDelegate      = memberlist.ConflictDelegate
	Delegate              = memberlist.Delegate
	EventDelegate         = memberlist.EventDelegate
	ChannelEventDelegate  = memberlist.ChannelEventDelegate
	MergeDelegate         = memberlist.MergeDelegate
	CompressionAlgorithm  = memberlist.CompressionAlgorithm
	NodeSelectionDelegate = memberlist.NodeSelectionDelegate
	NodeState             = memberlist.NodeState
	PingDelegate          = memberlist.PingDelegate
	NodeEvent             = memberlist.NodeEvent
	NodeEventType         = memberlist.NodeEventType
)

// Broadcasts.
type (
	Broadcast            = memberlist.Broadcast
	NamedBroadcast       = memberlist.NamedBroadcast
	UniqueBroadcast      = memberlist.UniqueBroadcast
	TransmitLimitedQueue = memberlist.TransmitLimitedQueue
)

// Transports.
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

// Create creates and starts a member.
func Create(conf *Config) (*Memberlist, error) { return memberlist.Create(conf) }

// DefaultLANConfig returns a configuration for a local network.
func DefaultLANConfig() *Config { return memberlist.DefaultLANConfig() }

// DefaultWANConfig returns a configuration for links with a high latency.
func DefaultWANConfig() *Config { return memberlist.DefaultWANConfig() }

// DefaultLocalConfig returns a configuration for members on one host.
func DefaultLocalConfig() *Config { return memberlist.DefaultLocalConfig() }

// ParseCIDRs parses networks for Config.CIDRsAllowed.
func ParseCIDRs(v []string) ([]net.IPNet, error) { return memberlist.ParseCIDRs(v) }

// NewKeyring returns a keyring with keys; primaryKey must be among them.
func NewKeyring(keys [][]byte, primaryKey []byte) (*Keyring, error) {
	return memberlist.NewKeyring(keys, primaryKey)
}

// ValidateKey returns an error unless the key has a valid size.
func ValidateKey(key []byte) error { return memberlist.ValidateKey(key) }

// NewNetTransport listens on UDP and TCP sockets.
func NewNetTransport(config *NetTransportConfig) (*NetTransport, error) {
	return memberlist.NewNetTransport(config)
}

// AddLabelHeaderToPacket returns the packet with a label header in front.
func AddLabelHeaderToPacket(buf []byte, label string) ([]byte, error) {
	return memberlist.AddLabelHeaderToPacket(buf, label)
}

// RemoveLabelHeaderFromPacket splits a packet into its label and the rest.
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

// LogAddress formats an address for a log line.
func LogAddress(addr net.Addr) string { return memberlist.LogAddress(addr) }

// LogStringAddress formats an address for a log line.
func LogStringAddress(addr string) string { return memberlist.LogStringAddress(addr) }

// LogConn formats the remote address of a stream for a log line.
func LogConn(conn net.Conn) string { return memberlist.LogConn(conn) }
