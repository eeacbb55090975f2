package memberlist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The protocol versions of this package. A member announces the range that it understands and the version that it
// speaks, which is Config.ProtocolVersion. It understands all versions up to ProtocolVersionMax, whatever it speaks.
//
//	1  compression
//	2  encryption without padding
//	3  pings over a stream
//	4  nacks to indirect pings
//	5  checksums of packets
const (
	ProtocolVersionMin uint8 = 1

	// ProtocolVersion2Compatible is the version of the default configurations. A member that speaks it still uses the
	// features of versions 3 to 5 with each member that understands them.
	ProtocolVersion2Compatible = 2

	ProtocolVersionMax = 5
)

// MetaMaxSize is the maximum size in bytes of a member's metadata: see Delegate.NodeMeta.
const MetaMaxSize = 512

const (
	// maxNameLength is the maximum length of Config.Name in bytes. Most messages have two names, and must fit in a
	// packet.
	maxNameLength = 512
)

// Config configures a member. Start from DefaultLANConfig, DefaultWANConfig or DefaultLocalConfig, or write a literal
// with a Name. Create uses a copy: changing a Config afterwards has no effect. Create itself sets BindPort and
// AdvertisePort, if it chose a port, and Keyring.
//
// A zero interval, size or count means the value of DefaultLANConfig, unless the field says otherwise. Zero turns
// ProbeInterval, PushPullInterval, GossipInterval, GossipNodes and IndirectChecks off if ProtocolVersion is set, as
// it is in every Config from a Default function. If ProtocolVersion is zero too, as in Config{Name: "a", BindAddr:
// "10.0.0.1"}, those five have their defaults as well, and GossipVerifyIncoming and GossipVerifyOutgoing are on.
// Negative values are invalid but for AdvertiseInterval, ReconnectInterval and ReconnectTimeout: see Validate.
//
// Compat: the reference uses zero as it is: it refuses to start (ProtocolVersion), spins (QueueCheckInterval) or
// sends no gossip (UDPBufferSize).
type Config struct {
	// Name is the name of this member, unique in the cluster, 1 to 512 bytes. Required.
	Name string

	// Transport carries packets and streams. The member owns it and shuts it down, also if Create fails. Nil: a
	// NetTransport on BindAddr and BindPort. Package tcptransport has one for TCP and TLS alone.
	Transport Transport

	// Label identifies the cluster. Every packet and stream carries it in plain text; those with another label, or
	// none, are dropped: see AcceptLabels. At most LabelMaxSize bytes; empty: none. With encryption it is
	// authenticated as additional data.
	Label string

	// AcceptLabels are further labels that are accepted on inbound packets and streams. Outbound ones carry Label; a
	// reply on a stream is authenticated with the label of the stream. An empty string stands for no label. To change
	// the label of a running cluster from "a" to "b", restart its members one by one in three rounds:
	//
	//	1. Label "a", AcceptLabels {"b"}
	//	2. Label "b", AcceptLabels {"a"}
	//	3. Label "b"
	//
	// Each round must have reached every member before the next begins, so that at any moment every member accepts
	// the packets of every other. LabelUsage returns when "a" was last received. Nil: none. Unused with
	// SkipInboundLabelCheck.
	AcceptLabels []string

	// SkipInboundLabelCheck is for a Transport that checks and removes the label header of packets and streams, and
	// for giving a running cluster its first label or another one. Packets and streams without a header are treated as
	// if they had Label, also as additional data of encryption; those with any label are accepted too.
	SkipInboundLabelCheck bool

	// BindAddr is the address to listen on for packets and streams: an IP address, or a host name that is resolved.
	// Empty, "0.0.0.0" and "::" mean all interfaces. Unused with a Transport.
	//
	// Compat: the reference listens on all interfaces if it is a host name.
	BindAddr string

	// BindAddrs are several addresses to listen on, in place of BindAddr, each in its form. The first is advertised.
	// A packet leaves from the address in the receiver's network, else from the first of the receiver's family.
	// Empty: BindAddr. Unused with a Transport.
	BindAddrs []string

	// BindPort is the port to listen on for packets and streams. It is also the default port of members and join
	// addresses without one. Zero: any free port, which Create writes back.
	BindPort int

	// AdvertiseAddr is the address at which other members reach this one, if it differs from the bind address, for
	// example behind a NAT: an IP address, or a host name that is resolved. Empty: the bind address or, if that is
	// all interfaces, a private IPv4 address of this machine, else a global one, else an IPv6 one. "0.0.0.0" and "::"
	// are invalid.
	AdvertiseAddr string

	// AdvertiseInterval is the time between lookups of AdvertiseAddr, if that is a host name. When it no longer
	// resolves to the advertised address, the new one is advertised, as with SetAdvertiseAddr. Zero: 30 seconds.
	// Negative: no lookups.
	AdvertiseInterval time.Duration

	// AdvertisePort is the port of AdvertiseAddr; it is ignored without one. Zero: the bind port.
	AdvertisePort int

	// ProtocolVersion is the version to speak, from ProtocolVersionMin to ProtocolVersionMax. Zero:
	// ProtocolVersion2Compatible.
	ProtocolVersion uint8

	// TCPTimeout is the time limit for dialling a stream, and for all reads and writes of an exchange on it.
	TCPTimeout time.Duration

	// IndirectChecks is the number of members asked for an indirect ping of a member that has not acked (k in SWIM
	// section 3.1). Zero: none; only a ping over a stream is tried.
	IndirectChecks int

	// RetransmitMult scales the number of transmissions of a broadcast: RetransmitMult * ceil(log10(n+1)) with n
	// members (lambda log n in SWIM section 4.1).
	RetransmitMult int

	// SuspicionMult scales the minimum suspicion timeout, after which a suspect member that has not refuted is
	// declared dead: SuspicionMult * max(1, log10(n)) * ProbeInterval with n members (SWIM section 4.2, alpha of
	// Lifeguard section IV-B).
	SuspicionMult int

	// SuspicionMaxTimeoutMult times the minimum is the maximum suspicion timeout, which applies without confirmations
	// from other members; each confirmation shortens it (beta of Lifeguard section IV-B). 1: always the minimum.
	SuspicionMaxTimeoutMult int

	// PushPullInterval is the time between state exchanges with a random member over a stream. It grows with the
	// logarithm of the number of members above 32. Zero: only those of Join.
	PushPullInterval time.Duration

	// PushPullNodes is the number of members with which states are exchanged at each PushPullInterval, one after the
	// other. Zero: one.
	PushPullNodes int

	// ProbeInterval is the time between probes of one member after the other (T' in SWIM section 4.3). Zero: no
	// probes; this member detects no failures.
	ProbeInterval time.Duration

	// ProbeTimeout is the time limit for an ack before indirect pings are sent, and for those: some high percentile
	// of the network's round-trip time. A probe takes ProbeInterval, or two ProbeTimeouts if that is longer.
	ProbeTimeout time.Duration

	// DisableTcpPings turns off the ping over a stream to a member that has not acked a packet.
	DisableTcpPings bool

	// DisableTcpPingsForNode turns it off for the members for which it returns true. It is called by the goroutine
	// that probes, with no lock held. Nil: for none.
	DisableTcpPingsForNode func(nodeName string) bool

	// RefusalGrace is the time after which a suspect member is declared dead whose process has ended though its host runs, so that
	// the host refuses streams: three members (or all, if there are fewer) must have been refused by then, and none may
	// have reached it. A process that restarts in less time is not seen as dead. A paused process, or one that is reached by
	// any of them, has all the time of Lifeguard. Zero: 2 seconds. Negative: none; most processes that restart within a
	// second are then seen as dead and back. Members of the reference help with pings but not with streams, so that, if half of the
	// members are, some such deaths are found in Lifeguard's time. Unused with DisableTcpPings or DisableExtensions.
	//
	// Compat: the reference knows no refusals. It finds an ended process as late as a silent host, after some 10 seconds.
	RefusalGrace time.Duration

	// SilenceTimeout is the time after which a suspect member is declared dead that four members got no answer from, in packets or
	// on streams, if that is less than SuspicionMult allows, and no more than one in twenty members is suspected. It is
	// stretched by the local health score. At least 2 seconds. Every host that is silent for half a second longer, as
	// frozen virtual machines are, and every few members that are cut off for as long, are then declared dead: with 4
	// seconds, in 100 members, 47 of 60 hosts that froze for 5 seconds, none of which were otherwise. Probes of silent
	// members end early too. Zero: off. Unused with DisableExtensions. If half of the members are of the reference it applies
	// only to what the others suspect first.
	SilenceTimeout time.Duration

	// AwarenessMaxMultiplier is the largest factor by which ProbeInterval is stretched while this member notices that
	// it is itself slow. The local health score stays below it (it is S + 1 of Lifeguard section IV-A). 1: never.
	AwarenessMaxMultiplier int

	// GossipInterval is the time between rounds of gossip, which carry the broadcasts for which probes had no room.
	// Zero: none. Then news of members travels with probes only, and the messages of Delegate.GetBroadcasts in a
	// packet of their own to each probed member.
	GossipInterval time.Duration

	// GossipNodes is the number of random members in a round of gossip. Zero: as a GossipInterval of zero.
	GossipNodes int

	// Zone is the zone of this member, for example the name of its availability zone, in at most 64 bytes. Gossip and push/pulls
	// then stay within it, as do most probes; between zones only ZoneRelays members of each send news. Set it on most members
	// of a cluster: a member without it, one of the reference, and one in a zone of no more than ZoneRelays members
	// exchange news with all. Empty: none, which is right for a cluster in one zone. Unused with DisableExtensions, without
	// a GossipInterval, and with a NodeSelection.
	Zone string

	// ZoneOf returns the zone of a member, this one included, if the program has it in the metadata: by it this member groups
	// those that it knows, in place of what they announce by Zone. It should do the same on all members. It is called for
	// each change of a member, by several goroutines, and must return soon. Nil, or if it returns "": the Zone of that member.
	ZoneOf func(*Node) string

	// ZoneRelays is the number of members of each zone that exchange news with other zones: those that are alive with the
	// least hashes of their names, so that all members agree on them. It must be the same on all members, at most 32. Zero: 2.
	ZoneRelays int

	// GossipToTheDeadTime is the time for which a dead member is still gossiped to, so that it can refute, and after
	// which dead and left members are forgotten.
	GossipToTheDeadTime time.Duration

	// GossipVerifyIncoming drops plain text if there are keys. To encrypt the traffic of a running cluster, give
	// every member the keys with this and GossipVerifyOutgoing off, then turn on GossipVerifyOutgoing everywhere,
	// then GossipVerifyIncoming.
	GossipVerifyIncoming bool

	// GossipVerifyOutgoing encrypts outbound packets and streams if there are keys.
	GossipVerifyOutgoing bool

	// EnableCompression compresses messages that become shorter. Compressed messages are always accepted.
	EnableCompression bool

	// CompressionAlgorithm is the algorithm for members that are known to read it. Empty: CompressionAlgorithmLZW.
	CompressionAlgorithm CompressionAlgorithm

	// SecretKey, if not empty, is added to the Keyring as its primary key, which turns encryption on: 16, 24 or 32
	// bytes for AES-128, AES-192 or AES-256.
	SecretKey []byte

	// Keyring has the encryption keys, and may be changed while the member runs. Nil: one with SecretKey, if there is
	// one.
	Keyring *Keyring

	// Delegate and the other interfaces are implemented by the program: see each of them. Nil: none.
	//
	// The delegate protocol versions are the program's own, and announced with the member like ProtocolVersion.
	// Members whose DelegateProtocolVersion is outside the range of any other do not join. All zero: unused.
	Delegate                Delegate
	DelegateProtocolVersion uint8
	DelegateProtocolMin     uint8
	DelegateProtocolMax     uint8
	Events                  EventDelegate
	Conflict                ConflictDelegate
	Merge                   MergeDelegate
	Ping                    PingDelegate
	Alive                   AliveDelegate
	NodeSelection           NodeSelectionDelegate

	// DNSConfigPath is the path of a resolv.conf file. Join asks its first "nameserver" over TCP, before the system's
	// resolver. Empty: only the system's resolver is asked. Unused with a Resolver.
	DNSConfigPath string

	// Resolver resolves the host names in BindAddr, AdvertiseAddr and join addresses, and DNS services. Nil: the
	// system's resolver, net.DefaultResolver; for Join the server of DNSConfigPath before it.
	Resolver Resolver

	// AddressFamily selects which addresses of a host name, or of all interfaces, are used, and in which order. Zero:
	// AnyFamily.
	AddressFamily AddressFamily

	// LogOutput is the writer for log lines, in the form "[WARN] memberlist: text: key=value". Nil: standard error.
	LogOutput io.Writer

	// Logger is used for log lines in place of one made from LogOutput.
	Logger *log.Logger

	// SlogHandler receives log records in place of lines. Their attributes are node, addr, state and incarnation of
	// the member concerned; from, the sender of something dropped; error; and suppressed, the number of omitted
	// repeats. A record that a peer can cause is not repeated within ten seconds. It is called with no lock held,
	// from any goroutine, only for levels that it has enabled; a slow one delays the goroutine that logs. Neither
	// metadata nor keys nor the bytes of messages are ever logged. Only one of LogOutput, Logger and SlogHandler may
	// be set.
	SlogHandler slog.Handler

	// HandoffQueueDepth is the maximum number of messages from packets that wait to be handled: one queue for
	// messages about members, one for user messages, each of at most HandoffQueueDepth times UDPBufferSize bytes, or
	// times 4096 if that is more. Further messages are dropped and counted.
	HandoffQueueDepth int

	// UDPBufferSize is the maximum size in bytes of the protocol's own packets (pings, acks, gossip), all headers of
	// the protocol included, on any Transport. Packets of SendBestEffort may be larger. Above 1400, packets may be
	// fragmented or dropped on the way; above 65507 they cannot be UDP packets, and a NetTransport refuses it.
	// Received packets may have, and expand to, the same size, or 64 KiB if that is more.
	UDPBufferSize int

	// DeadNodeReclaimTime is the time after which the name of a dead member may be claimed at another address without
	// a check. It is rarely needed: otherwise the old address is pinged, and if there is no ack within two times
	// ProbeTimeout, the claim is accepted (see ConflictOutcomeDelegate). Set it longer than a restart takes, for
	// example to 30 seconds. Zero: never without a check, except for the name of a member that left.
	DeadNodeReclaimTime time.Duration

	// ReconnectInterval is the approximate time between attempts to reach a member after it was declared dead,
	// forgotten or not. So both sides of a partition find each other again, however long it lasted. In each round a
	// few dead members are contacted on streams, the latest first, and the others are pinged; two addresses of seeds
	// are contacted too. Seeds are the join addresses that led to a member, and those that Seeds returns, resolved
	// each time. The interval doubles while nothing changes, up to a quarter of the number of alive members times,
	// and 16 times.
	//
	// No attempt is made for a member that left or was removed, that this member has never reached, or whose address
	// belongs to another member by now. An IP address given to Join is no seed any more once its member has left or
	// was removed.
	//
	// An attempt begins with a request for the other side's state, which reveals nothing. A join follows only if that
	// state is of this cluster: it has two members that are known here, at the same addresses, or one member alone
	// that has the name of a dead member. So clusters stay apart that use an address one after the other. The
	// MergeDelegates of both sides are asked as on a join, and may refuse.
	//
	// Compat: the reference never contacts a dead member again.
	ReconnectInterval time.Duration

	// ReconnectTimeout is the time for which reconnects to a dead member are attempted and, while no other member is
	// alive, to seeds. For the same time the incarnations of dead and left members are remembered, so that older
	// messages do not bring them back. Negative: no attempts; incarnations are remembered for a day.
	ReconnectTimeout time.Duration

	// Seeds returns join addresses for reconnects, besides those given to Join. If it is set, they are also tried at
	// the longest interval while no member is dead, so that groups that formed apart find each other; addresses of
	// alive members are not contacted. Whatever answers there is joined. It is called on a goroutine of its own, one
	// call at a time, with a context that ends after TCPTimeout and on Shutdown. An error is logged. Nil: only the
	// addresses given to Join are tried.
	Seeds func(context.Context) ([]string, error)

	// DisableExtensions turns off what members of the reference neither send nor act on, and ignore if they receive
	// it: the checksums of views in pings and acks, and the push/pulls of what differs; and the failure detection that is
	// not the reference's: time limits from round trips, RefusalGrace, SilenceTimeout, the ring of members, and checks of
	// deaths. All bytes on the wire are then those that the reference would
	// send. Members with and without it, and members of the reference, work together; two that both have it off find
	// differences of their views sooner. If half of the members have it, or are of the reference, there is no ring, and most
	// processes that end are found early, by the others; those that the half suspects first take as long as without extensions.
	DisableExtensions bool

	// RequireNodeNames refuses to send to an address without a name.
	RequireNodeNames bool

	// CIDRsAllowed are the networks that members may be in; packets and streams from elsewhere are dropped, and
	// members elsewhere are ignored. IPv4 and IPv6 networks are listed separately. Empty: all.
	CIDRsAllowed []net.IPNet

	// MetricLabels are added to every metric.
	MetricLabels []MetricLabel

	// QueueCheckInterval is the time between checks of the length of the broadcast queue, which is a metric and,
	// above HandoffQueueDepth, logged as a warning.
	QueueCheckInterval time.Duration

	// Recorder is a flight recorder: it keeps what went into the protocol in the last minutes, so that WriteRecording can write it to a
	// file, and "memberlist replay" do again what this member did. It has names and addresses, but no keys, and no metadata unless that is
	// asked for. Nil: nothing is recorded.
	Recorder *RecorderOptions

	// MsgpackUseNewTimeFormat has no effect: no message of the protocol contains a time.
	MsgpackUseNewTimeFormat bool
}

// CompressionAlgorithm is an algorithm of compression. The type and its values are those of github.com/grafana/memberlist.
type CompressionAlgorithm string

// The algorithms. Messages in either are read, whatever Config.CompressionAlgorithm is.
const (
	// CompressionAlgorithmLZW is that of the reference, which every member reads.
	CompressionAlgorithmLZW CompressionAlgorithm = "lzw"

	// CompressionAlgorithmSnappy takes less CPU time than LZW, and compresses less. It is used for members that are
	// known to read it: those of this library, unless they have DisableExtensions set, and those of
	// github.com/grafana/memberlist once they have answered with Snappy on a stream. All others are sent LZW.
	//
	// Compat: github.com/grafana/memberlist sends Snappy to all members, so all must be able to read it first.
	CompressionAlgorithmSnappy CompressionAlgorithm = "snappy"
)

// onWire returns the algorithm as in messages.
func (a CompressionAlgorithm) onWire() wire.Compression {
	if a == CompressionAlgorithmSnappy {
		return wire.Snappy
	}
	return wire.LZW
}

// DefaultLANConfig returns the configuration for a local network: this machine's host name, all interfaces, port
// 7946, and intervals that detect a failure within seconds. Fields that the reference has too have its values.
func DefaultLANConfig() *Config {
	c := lanDefaults()
	c.Name, _ = os.Hostname()
	return &c
}

// lanDefaults returns DefaultLANConfig without a name.
func lanDefaults() Config {
	return Config{
		BindAddr:                "0.0.0.0",
		BindPort:                7946,
		AdvertisePort:           7946,
		ProtocolVersion:         ProtocolVersion2Compatible,
		TCPTimeout:              10 * time.Second,
		IndirectChecks:          3,
		RetransmitMult:          4,
		SuspicionMult:           4,
		SuspicionMaxTimeoutMult: 6,
		PushPullInterval:        30 * time.Second,
		PushPullNodes:           1,
		ProbeInterval:           time.Second,
		ProbeTimeout:            500 * time.Millisecond,
		RefusalGrace:            2 * time.Second,
		AwarenessMaxMultiplier:  8,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		ZoneRelays:              swim.DefaultZoneRelays,
		GossipToTheDeadTime:     30 * time.Second,
		GossipVerifyIncoming:    true,
		GossipVerifyOutgoing:    true,
		EnableCompression:       true,
		CompressionAlgorithm:    CompressionAlgorithmLZW,
		DNSConfigPath:           "/etc/resolv.conf",
		HandoffQueueDepth:       1024,
		UDPBufferSize:           1400,
		QueueCheckInterval:      30 * time.Second,
		AdvertiseInterval:       30 * time.Second,
		ReconnectInterval:       30 * time.Second,
		ReconnectTimeout:        24 * time.Hour,
	}
}

// DefaultFastLANConfig returns DefaultLANConfig with a RefusalGrace of none and a SilenceTimeout of 4 seconds, which is the least
// that is safe while processes are paused for up to 4 seconds: ended processes are found in one to two seconds, silent hosts in
// five to seven. Restarts of processes are seen as deaths. See both fields for what they cost.
func DefaultFastLANConfig() *Config {
	c := DefaultLANConfig()
	c.RefusalGrace = -1
	c.SilenceTimeout = 4 * time.Second
	return c
}

// DefaultWANConfig returns DefaultLANConfig with longer timeouts and intervals, for members far from each other, and
// with one more member in each round of gossip.
func DefaultWANConfig() *Config {
	c := DefaultLANConfig()
	c.TCPTimeout = 30 * time.Second
	c.SuspicionMult = 6
	c.PushPullInterval = 60 * time.Second
	c.ProbeInterval = 5 * time.Second
	c.ProbeTimeout = 3 * time.Second
	c.GossipInterval = 500 * time.Millisecond
	c.GossipNodes = 4
	c.GossipToTheDeadTime = 60 * time.Second
	return c
}

// DefaultLocalConfig returns DefaultLANConfig with shorter timeouts and intervals, for members on one machine.
func DefaultLocalConfig() *Config {
	c := DefaultLANConfig()
	c.TCPTimeout = time.Second
	c.IndirectChecks = 1
	c.RetransmitMult = 2
	c.SuspicionMult = 3
	c.PushPullInterval = 15 * time.Second
	c.ProbeInterval = time.Second
	c.ProbeTimeout = 200 * time.Millisecond
	c.GossipInterval = 100 * time.Millisecond
	c.GossipToTheDeadTime = 15 * time.Second
	return c
}

// BuildVsnArray returns the six versions that a member announces: the minimum, maximum and current version of the
// protocol, then of the delegate.
func (c *Config) BuildVsnArray() []uint8 {
	return []uint8{
		ProtocolVersionMin, ProtocolVersionMax, c.ProtocolVersion,
		c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion,
	}
}

// EncryptionEnabled reports whether there is a Keyring with a key.
func (c *Config) EncryptionEnabled() bool {
	return len(c.Keyring.load().Keys) > 0
}

// IPMustBeChecked reports whether IPAllowed may return an error, which depends on CIDRsAllowed.
func (c *Config) IPMustBeChecked() bool {
	return len(c.CIDRsAllowed) > 0
}

// IPAllowed returns an error that wraps ErrAddressNotAllowed if ip is in none of the networks of CIDRsAllowed.
func (c *Config) IPAllowed(ip net.IP) error {
	if !c.IPMustBeChecked() {
		return nil
	}
	for i := range c.CIDRsAllowed {
		if c.CIDRsAllowed[i].Contains(ip) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrAddressNotAllowed, ip)
}

// ParseCIDRs parses networks such as "10.0.0.0/8", with optional spaces around them, for Config.CIDRsAllowed. It
// returns the valid ones, never nil, and an error that names each of the others.
func ParseCIDRs(v []string) ([]net.IPNet, error) {
	nets := make([]net.IPNet, 0, len(v))
	var errs []error
	for _, s := range v {
		_, network, err := net.ParseCIDR(strings.TrimSpace(s))
		if err != nil {
			errs = append(errs, fmt.Errorf("invalid cidr: %q", s))
			continue
		}
		nets = append(nets, *network)
	}
	return nets, errors.Join(errs...)
}

// announcementSize returns the size in bytes of the largest alive message of this member.
func (c *Config) announcementSize(meta []byte) int {
	zone := []byte(c.Zone)
	if c.DisableExtensions {
		zone = nil
	}
	announcement := wire.Alive{
		Incarnation: math.MaxUint32,
		Node:        c.Name,
		Addr:        make([]byte, net.IPv6len),
		Port:        math.MaxUint16,
		Meta:        meta,
		Vsn:         c.BuildVsnArray(),
		Zone:        zone,
	}
	return len(announcement.Append(make([]byte, 0, 1024)))
}

// bindAddrs returns the addresses to listen on.
func (c *Config) bindAddrs() []string {
	if len(c.BindAddrs) > 0 {
		return c.BindAddrs
	}
	return []string{c.BindAddr}
}

// policy returns the settings for packets and streams. An empty ring may get a key later.
func (c *Config) policy() *envelope.Policy {
	p := &envelope.Policy{
		PacketSize:     c.UDPBufferSize,
		Label:          c.Label,
		AcceptLabels:   c.AcceptLabels,
		LooseLabels:    c.SkipInboundLabelCheck,
		HasKeys:        c.Keyring != nil || len(c.SecretKey) > 0,
		SealVersion:    wire.SealVersion1,
		VerifyIncoming: c.GossipVerifyIncoming,
		VerifyOutgoing: c.GossipVerifyOutgoing,
		Compress:       c.EnableCompression,
		Compression:    c.CompressionAlgorithm.onWire(),
	}
	if c.ProtocolVersion == 1 {
		p.SealVersion = wire.SealVersion0
	}
	return p
}

// withDefaults returns a copy with defaults in place of zeros, which shares no writable memory with c.
func (c *Config) withDefaults() *Config {
	lan := lanDefaults()
	d := *c
	if c.isBare() {
		d.IndirectChecks = cmp.Or(d.IndirectChecks, lan.IndirectChecks)
		d.PushPullInterval = cmp.Or(d.PushPullInterval, lan.PushPullInterval)
		d.ProbeInterval = cmp.Or(d.ProbeInterval, lan.ProbeInterval)
		d.GossipInterval = cmp.Or(d.GossipInterval, lan.GossipInterval)
		d.GossipNodes = cmp.Or(d.GossipNodes, lan.GossipNodes)
		d.GossipVerifyIncoming = true
		d.GossipVerifyOutgoing = true
	}
	d.BindAddr = cmp.Or(d.BindAddr, lan.BindAddr)
	d.ProtocolVersion = cmp.Or(d.ProtocolVersion, lan.ProtocolVersion)
	d.TCPTimeout = cmp.Or(d.TCPTimeout, lan.TCPTimeout)
	d.RetransmitMult = cmp.Or(d.RetransmitMult, lan.RetransmitMult)
	d.SuspicionMult = cmp.Or(d.SuspicionMult, lan.SuspicionMult)
	d.SuspicionMaxTimeoutMult = cmp.Or(d.SuspicionMaxTimeoutMult, lan.SuspicionMaxTimeoutMult)
	d.ProbeTimeout = cmp.Or(d.ProbeTimeout, lan.ProbeTimeout)
	d.RefusalGrace = cmp.Or(d.RefusalGrace, lan.RefusalGrace)
	d.AwarenessMaxMultiplier = cmp.Or(d.AwarenessMaxMultiplier, lan.AwarenessMaxMultiplier)
	d.GossipToTheDeadTime = cmp.Or(d.GossipToTheDeadTime, lan.GossipToTheDeadTime)
	d.HandoffQueueDepth = cmp.Or(d.HandoffQueueDepth, lan.HandoffQueueDepth)
	d.UDPBufferSize = cmp.Or(d.UDPBufferSize, lan.UDPBufferSize)
	d.AdvertiseInterval = cmp.Or(d.AdvertiseInterval, lan.AdvertiseInterval)
	d.ReconnectInterval = cmp.Or(d.ReconnectInterval, lan.ReconnectInterval)
	d.ReconnectTimeout = cmp.Or(d.ReconnectTimeout, lan.ReconnectTimeout)
	d.PushPullNodes = cmp.Or(d.PushPullNodes, lan.PushPullNodes)
	d.ZoneRelays = cmp.Or(d.ZoneRelays, lan.ZoneRelays)
	d.CompressionAlgorithm = cmp.Or(d.CompressionAlgorithm, lan.CompressionAlgorithm)
	d.QueueCheckInterval = cmp.Or(d.QueueCheckInterval, lan.QueueCheckInterval)

	d.AcceptLabels = slices.Clone(c.AcceptLabels)
	d.BindAddrs = slices.Clone(c.BindAddrs)
	d.SecretKey = slices.Clone(c.SecretKey)
	d.CIDRsAllowed = slices.Clone(c.CIDRsAllowed)
	for i := range d.CIDRsAllowed {
		n := &d.CIDRsAllowed[i]
		n.IP, n.Mask = slices.Clone(n.IP), slices.Clone(n.Mask)
	}
	d.Recorder = recorderWithDefaults(c.Recorder)
	d.MetricLabels = slices.Clip(slices.Clone(c.MetricLabels))
	return &d
}

// isBare reports whether c is a literal rather than made by a Default function, which sets ProtocolVersion. Then zero
// does not mean "off" for any field.
func (c *Config) isBare() bool { return c.ProtocolVersion == 0 }

// installSecretKey adds SecretKey, if there is one, to Keyring as the primary key. It creates the Keyring if it is
// nil.
func (c *Config) installSecretKey() error {
	if len(c.SecretKey) == 0 {
		return nil
	}
	if c.Keyring == nil {
		c.Keyring = &Keyring{}
	}
	if err := c.Keyring.AddKey(c.SecretKey); err != nil {
		return err
	}
	return c.Keyring.UseKey(c.SecretKey)
}

// MetricLabel is the Label of github.com/armon/go-metrics, where the metrics go. With the build tag hashicorpmetrics both are those
// of github.com/hashicorp/go-metrics.
type MetricLabel = metrics.Label
