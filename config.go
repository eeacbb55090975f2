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

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The protocol versions of this package. A member says which range it understands and which it speaks; Config has the
// latter. All versions up to ProtocolVersionMax are understood whatever is spoken.
//
//	1  compression
//	2  encryption without padding
//	3  pings over a stream
//	4  nacks to indirect pings
//	5  checksums of packets
const (
	ProtocolVersionMin uint8 = 1

	// ProtocolVersion2Compatible is what the default configurations speak. Such a member still uses all of versions 3 to
	// 5 with each member that understands them.
	ProtocolVersion2Compatible = 2

	ProtocolVersionMax = 5
)

// MetaMaxSize is the most bytes of metadata that a member may have: see Delegate.NodeMeta.
const MetaMaxSize = 512

const (
	// maxNameLength bounds Config.Name, in bytes. A name travels twice in most messages, and those must fit in packets.
	maxNameLength = 512
)

// Config says how a member is to behave. Start from DefaultLANConfig, DefaultWANConfig or DefaultLocalConfig, or write a
// literal with a Name. Create works on a copy, made when it is called: changing a Config afterwards has no effect. What
// Create itself writes back are BindPort and AdvertisePort, if it had to choose a port, and Keyring.
//
// Zero means the value of DefaultLANConfig for every interval, size and count, unless the field says what else it means.
// Fields whose zero means "off" (ProbeInterval, PushPullInterval, GossipInterval, GossipNodes, IndirectChecks) do so if
// ProtocolVersion is set, as it always is in a Config that came from a Default function. If it is zero, as in
// Config{Name: "a", BindAddr: "10.0.0.1"}, those five have their defaults as well, and GossipVerifyIncoming and
// GossipVerifyOutgoing are on. Negative values are refused but for the two Reconnect fields: see Validate.
//
// Compat: in the reference zero is taken as it is, which refuses to start (ProtocolVersion), burns a CPU
// (QueueCheckInterval) or sends no gossip (UDPBufferSize).
type Config struct {
	// Name is the name of this member, unique in the cluster: 1 to 512 bytes. Required.
	Name string

	// Transport carries the packets and streams. Nil: a NetTransport on BindAddr and BindPort. The member owns it and
	// shuts it down, also if Create fails.
	Transport Transport

	// Label names the cluster: every packet and stream carries it in plain text, and what carries another, or none, is
	// dropped, but see AcceptLabels. At most LabelMaxSize bytes; empty: none. With encryption it is authenticated too, as additional data.
	Label string

	// AcceptLabels are further labels under which packets and streams are heard; what is sent carries Label, but for the
	// answer on a stream, which is authenticated with the stream's own. The empty one stands for no label. They are for
	// giving a running cluster another label, from "a" to "b" say, in three rounds of restarting its members one by one:
	//
	//	1. Label "a", AcceptLabels {"b"}
	//	2. Label "b", AcceptLabels {"a"}
	//	3. Label "b"
	//
	// Each round must have reached every member before the next begins: at any moment every member hears what any other one
	// sends. LabelUsage tells whether anyone is still heard under "a". Nil: none. Unused with SkipInboundLabelCheck.
	AcceptLabels []string

	// SkipInboundLabelCheck is for a Transport that removes the label header from what arrives, having checked it, and for
	// giving a running cluster its first label: packets and streams without a header are taken for ones with Label, also by
	// what encryption authenticates. Those with Label are taken too, those with another are dropped; without a Label, all are
	// taken.
	SkipInboundLabelCheck bool

	// BindAddr is the address to listen on, for packets and streams: an IP address, or a host name that is resolved to
	// one. Empty, "0.0.0.0" and "::" mean all interfaces. Unused with a Transport.
	//
	// Compat: the reference listens on all interfaces if given a host name.
	BindAddr string

	// BindAddrs are the addresses to listen on if they are several, in place of BindAddr, each as BindAddr may be. The first
	// is the one that is advertised. A packet leaves from the one in whose network the receiver is, else from the first of
	// the receiver's family. Empty: BindAddr. Unused with a Transport.
	BindAddrs []string

	// BindPort is the port to listen on, for packets and streams. Zero: any that is free; Create writes back which. It is
	// also the port of members and join addresses that come without one.
	BindPort int

	// AdvertiseAddr is the address under which the others reach this member, if it is not the one listened on, as behind a
	// NAT: an IP address, or a host name that is resolved to one. Empty: the address listened on or, if that is all
	// interfaces, a private IPv4 address of this machine, else a global one, else an IPv6 one. "0.0.0.0" and "::" are refused.
	AdvertiseAddr string

	// AdvertiseInterval is the time between look-ups of AdvertiseAddr, if that is a host name: when it no longer stands for
	// the address that is advertised, the new one is, as by SetAdvertiseAddr. Zero: 30 seconds. Negative: none.
	AdvertiseInterval time.Duration

	// AdvertisePort is the port that goes with AdvertiseAddr, and is ignored without one. Zero: the port listened on.
	AdvertisePort int

	// ProtocolVersion is the version to speak, between ProtocolVersionMin and ProtocolVersionMax.
	// Zero: ProtocolVersion2Compatible.
	ProtocolVersion uint8

	// TCPTimeout bounds the dial of a stream, and every read and write on one.
	TCPTimeout time.Duration

	// IndirectChecks is how many members are asked to ping another one that did not answer us (k in SWIM section 3.1).
	// Zero: none, only a ping over a stream is tried.
	IndirectChecks int

	// RetransmitMult scales how many times each broadcast is sent: RetransmitMult * ceil(log10(n+1)) times with n members
	// (lambda log n in SWIM section 4.1).
	RetransmitMult int

	// SuspicionMult scales how long a suspected member has for a refutation before it is dead: at least
	// SuspicionMult * max(1, log10(n)) * ProbeInterval with n members (SWIM section 4.2, alpha of Lifeguard section IV-B).
	SuspicionMult int

	// SuspicionMaxTimeoutMult times that is what it has while nobody else confirms the suspicion; each confirmation brings
	// it closer to the least (beta of Lifeguard section IV-B). 1: always the least.
	SuspicionMaxTimeoutMult int

	// PushPullInterval is the time between exchanges of the whole state with a random member over a stream. It grows with
	// the logarithm of the number of members above 32. Zero: no such exchanges but those of Join.
	PushPullInterval time.Duration

	// ProbeInterval is the time between probes of one member after the other (T' in SWIM section 4.3). Zero: no probes,
	// this member detects no failures.
	ProbeInterval time.Duration

	// ProbeTimeout is how long a ping may take before others are asked, which then have as long: some high percentile of the
	// network's round trip time. A probe takes ProbeInterval, or two ProbeTimeouts if that is longer.
	ProbeTimeout time.Duration

	// DisableTcpPings turns off the ping over a stream to a member that did not answer a packet.
	DisableTcpPings bool

	// DisableTcpPingsForNode does so for the members for which it returns true. Nil: for none. It is called by the goroutine
	// that probes, with no lock held.
	DisableTcpPingsForNode func(nodeName string) bool

	// AwarenessMaxMultiplier is the largest factor by which ProbeInterval is stretched while this member notices that it is
	// itself slow. The local health score stays below it (it is S + 1 of Lifeguard section IV-A). 1: never.
	AwarenessMaxMultiplier int

	// GossipInterval is the time between gossip packets of broadcasts for which the probes had no room. Zero: none; then news of
	// members goes with probes, and what Delegate.GetBroadcasts returns to each member that is probed, in a packet of its own.
	GossipInterval time.Duration

	// GossipNodes is how many random members get one each time. Zero: none, as with a GossipInterval of zero.
	GossipNodes int

	// GossipToTheDeadTime is how long a dead member is still gossiped to, so that it can refute, and how long dead and left
	// ones are remembered.
	GossipToTheDeadTime time.Duration

	// GossipVerifyIncoming refuses plain text once there are keys. Off, together with GossipVerifyOutgoing, is for moving a
	// running cluster to encryption: first give every member the keys with both off, then turn on outgoing, then incoming.
	GossipVerifyIncoming bool

	// GossipVerifyOutgoing encrypts what is sent once there are keys.
	GossipVerifyOutgoing bool

	// EnableCompression compresses (LZW) what gets shorter by it. What arrives compressed is understood in any case.
	EnableCompression bool

	// SecretKey, if not empty, is put on the Keyring as its primary key, which turns encryption on: 16, 24 or 32 bytes for
	// AES-128, AES-192 or AES-256.
	SecretKey []byte

	// Keyring has the keys for encryption, and may be changed while the member runs. Nil: one that holds SecretKey, if
	// there is one.
	Keyring *Keyring

	// Delegate and the others are the program's part: see each interface. Nil: none.
	//
	// The delegate protocol versions are the program's own, announced with the member like ProtocolVersion: members whose
	// DelegateProtocolVersion is outside the range of any other do not join. All zero: not used.
	Delegate                Delegate
	DelegateProtocolVersion uint8
	DelegateProtocolMin     uint8
	DelegateProtocolMax     uint8
	Events                  EventDelegate
	Conflict                ConflictDelegate
	Merge                   MergeDelegate
	Ping                    PingDelegate
	Alive                   AliveDelegate

	// DNSConfigPath is the file that names the DNS server which Join asks over TCP, before the system's resolver: its first
	// "nameserver". Empty: only the system's resolver is asked. Unused with a Resolver.
	DNSConfigPath string

	// Resolver finds the addresses of host names, in BindAddr, AdvertiseAddr and what Join is given, and the records of
	// services. Nil: the system's resolver, net.DefaultResolver; for Join the server of DNSConfigPath before it.
	Resolver Resolver

	// AddressFamily says which addresses of a host name, or of all interfaces, are used, and which first. Zero: AnyFamily.
	AddressFamily AddressFamily

	// LogOutput is where log lines are written to, as "[WARN] memberlist: text: key=value". Nil: standard error.
	LogOutput io.Writer

	// Logger is used for log lines instead of one made for LogOutput.
	Logger *log.Logger

	// SlogHandler gets what is logged as records, instead of lines: with the attributes node, addr, state and incarnation
	// of the member that it is about, from of the sender of what was dropped, error, and suppressed, which counts repeats
	// that were left out. A line that a peer can cause is not repeated within ten seconds. It is called with no lock held,
	// from any goroutine, but for levels that it has not enabled; a slow one delays what logs. Neither metadata nor key
	// material nor the bytes of messages are ever logged, by whichever of the three. Only one of them may be set.
	SlogHandler slog.Handler

	// HandoffQueueDepth is how many messages of packets may wait to be handled, those about members and the user's each, with
	// as many times UDPBufferSize bytes, or 4096 if that is more. What comes then is dropped and counted.
	HandoffQueueDepth int

	// UDPBufferSize is the most bytes that a packet of the protocol's own has, all included, of whatever Transport: pings, acks,
	// gossip. What SendBestEffort sends may be larger. Above 1400 packets may be fragmented or dropped on the way; above 65507
	// they cannot be UDP packets, and a NetTransport refuses it. Packets received may have, and expand to, as much, or 64 KiB
	// if that is more.
	UDPBufferSize int

	// DeadNodeReclaimTime is how long a member must have been dead before another address may take its name at once, without
	// being asked for. It need rarely be set: who claims the name of a member that does not answer at its old address takes it
	// within about two times ProbeTimeout, see ConflictVerdictDelegate. Zero: only so, and from a member that left. With a value,
	// 30 seconds are sensible: longer than a restart takes.
	DeadNodeReclaimTime time.Duration

	// ReconnectInterval is about how long after a member was declared dead, forgotten or not, this one tries to reach it
	// again, so that the two sides of a partition find each other by themselves, however long it lasts. In each round a few such
	// members are contacted on streams, those first that were lost latest, and the others pinged; and with them two addresses of
	// seeds: the strings given to Join that led to a member, and what Seeds gives, resolved anew each time. The interval doubles
	// while nothing changes, up to a quarter of the members alive times, and 16 times.
	//
	// Not looked for is a member that left or was removed, that never answered this one, or at whose address there is another
	// by now. An IP address that was given to Join is no seed any more once the member there has left or was removed.
	//
	// A reconnect begins with a question for what the other side knows, which tells it nothing. It is joined only if that is of
	// the same cluster: if it knows two members that are known here, at the addresses that they had, or is alone and has the
	// name of one that was lost. So clusters stay apart by whom an address is used in turn. A reconnect is a join to the
	// MergeDelegate of either side, which may refuse it.
	//
	// Compat: the reference never contacts a dead member again.
	ReconnectInterval time.Duration

	// ReconnectTimeout is for how long a member that was declared dead is tried, and seeds while nobody else is alive.
	// For as long it is remembered at which incarnation a member died or left, so that nothing older brings it back. Negative:
	// none is tried, and that is remembered for a day.
	ReconnectTimeout time.Duration

	// Seeds gives addresses as Join takes them, to try with those that Join was given. While it is set they are also tried
	// at the longest interval when nobody is lost, so that groups that formed apart find each other; those of members that
	// are alive are not contacted. What it gives is joined whoever it is. It is called on a goroutine of its own, one call at a
	// time, and its context ends with TCPTimeout and on Shutdown. An error is logged. Nil: only what Join was given is tried.
	Seeds func(context.Context) ([]string, error)

	// RequireNodeNames refuses to send to an address without a name.
	RequireNodeNames bool

	// CIDRsAllowed lists the networks that members may be in; packets and streams from elsewhere are dropped, and members
	// elsewhere ignored. IPv4 and IPv6 are listed separately. Empty: everything is allowed.
	CIDRsAllowed []net.IPNet

	// MetricLabels are added to every metric.
	MetricLabels []MetricLabel

	// QueueCheckInterval is the time between checks of the length of the broadcast queue, for its metric and for a warning
	// if there are more broadcasts in it than HandoffQueueDepth.
	QueueCheckInterval time.Duration

	// MsgpackUseNewTimeFormat has no effect: no message of the protocol has a time in it.
	MsgpackUseNewTimeFormat bool
}

// DefaultLANConfig gives the configuration for a local network: this machine's host name, all interfaces, port 7946,
// and intervals that detect a failure within seconds. Each value that the reference has is the reference's.
func DefaultLANConfig() *Config {
	c := lanDefaults()
	c.Name, _ = os.Hostname()
	return &c
}

// lanDefaults is DefaultLANConfig without a name.
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
		ProbeInterval:           time.Second,
		ProbeTimeout:            500 * time.Millisecond,
		AwarenessMaxMultiplier:  8,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		GossipToTheDeadTime:     30 * time.Second,
		GossipVerifyIncoming:    true,
		GossipVerifyOutgoing:    true,
		EnableCompression:       true,
		DNSConfigPath:           "/etc/resolv.conf",
		HandoffQueueDepth:       1024,
		UDPBufferSize:           1400,
		QueueCheckInterval:      30 * time.Second,
		AdvertiseInterval:       30 * time.Second,
		ReconnectInterval:       30 * time.Second,
		ReconnectTimeout:        24 * time.Hour,
	}
}

// DefaultWANConfig gives DefaultLANConfig with more patience, for members far from each other: longer timeouts and
// intervals, and one more member in each round of gossip.
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

// DefaultLocalConfig gives DefaultLANConfig with less patience, for members that all run on one machine.
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

// BuildVsnArray gives the six versions that a member announces: of the protocol the lowest and the highest understood
// and the one spoken, and the same of the delegate's.
func (c *Config) BuildVsnArray() []uint8 {
	return []uint8{
		ProtocolVersionMin, ProtocolVersionMax, c.ProtocolVersion,
		c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion,
	}
}

// EncryptionEnabled says whether there is a Keyring with a key on it.
func (c *Config) EncryptionEnabled() bool {
	return len(c.Keyring.ciphers()) > 0
}

// IPMustBeChecked says whether IPAllowed may refuse an address, which it does only with CIDRsAllowed.
func (c *Config) IPMustBeChecked() bool {
	return len(c.CIDRsAllowed) > 0
}

// IPAllowed gives an error that wraps ErrAddressNotAllowed if ip is in none of the networks of CIDRsAllowed.
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

// ParseCIDRs reads networks as in "10.0.0.0/8", spaces around them ignored, for Config.CIDRsAllowed. It gives those that
// it can read, never nil, and an error that names each of the others.
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

// announcementSize is how many bytes the largest message takes that this member can announce itself with.
func (c *Config) announcementSize(meta []byte) int {
	announcement := wire.Alive{
		Incarnation: math.MaxUint32,
		Node:        c.Name,
		Addr:        make([]byte, net.IPv6len),
		Port:        math.MaxUint16,
		Meta:        meta,
		Vsn:         c.BuildVsnArray(),
	}
	return len(announcement.Append(make([]byte, 0, 1024)))
}

// bindAddrs are the addresses to listen on.
func (c *Config) bindAddrs() []string {
	if len(c.BindAddrs) > 0 {
		return c.BindAddrs
	}
	return []string{c.BindAddr}
}

// sealVersion is the format of encryption that members of our protocol version send.
func (c *Config) sealVersion() uint8 {
	if c.ProtocolVersion == 1 {
		return wire.SealVersion0
	}
	return wire.SealVersion1
}

// withDefaults gives a copy in which every zero that stands for a default has been replaced, and which shares no slice
// with c that c's owner might write to.
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
	d.AwarenessMaxMultiplier = cmp.Or(d.AwarenessMaxMultiplier, lan.AwarenessMaxMultiplier)
	d.GossipToTheDeadTime = cmp.Or(d.GossipToTheDeadTime, lan.GossipToTheDeadTime)
	d.HandoffQueueDepth = cmp.Or(d.HandoffQueueDepth, lan.HandoffQueueDepth)
	d.UDPBufferSize = cmp.Or(d.UDPBufferSize, lan.UDPBufferSize)
	d.AdvertiseInterval = cmp.Or(d.AdvertiseInterval, lan.AdvertiseInterval)
	d.ReconnectInterval = cmp.Or(d.ReconnectInterval, lan.ReconnectInterval)
	d.ReconnectTimeout = cmp.Or(d.ReconnectTimeout, lan.ReconnectTimeout)
	d.QueueCheckInterval = cmp.Or(d.QueueCheckInterval, lan.QueueCheckInterval)

	d.AcceptLabels = slices.Clone(c.AcceptLabels)
	d.BindAddrs = slices.Clone(c.BindAddrs)
	d.SecretKey = slices.Clone(c.SecretKey)
	d.CIDRsAllowed = slices.Clone(c.CIDRsAllowed)
	d.MetricLabels = slices.Clip(slices.Clone(c.MetricLabels))
	return &d
}

// isBare says whether this is a literal rather than what came from a Default function, which sets ProtocolVersion: then
// zero cannot mean "off" anywhere.
func (c *Config) isBare() bool { return c.ProtocolVersion == 0 }

// installSecretKey makes SecretKey, if there is one, the primary key of Keyring, which it creates if it is nil.
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
