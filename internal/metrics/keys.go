package metrics

// Counter is a metric that only grows.
type Counter uint8

// The counters.
const (
	TCPAccept Counter = iota
	TCPConnect
	TCPSent        // bytes
	UDPAcrossZones // bytes; not in the reference
	TCPAcrossZones // bytes, both ways; not in the reference
	MsgAlive
	MsgSuspect
	MsgDead
	DegradedProbe
	DegradedTimeout
	DegradedLate // not in the reference

	// Messages that were dropped, when received or instead of being sent. The reference has none of these.
	DroppedLabel       // another cluster's label, or none
	DroppedDecrypt     // no key decrypts it, or it is plain text
	DroppedChecksum    // damaged on the way
	DroppedDecode      // malformed
	DroppedCIDR        // from outside Config.CIDRsAllowed
	DroppedQueueFull   // Config.HandoffQueueDepth messages were waiting, or too many bytes of them
	DroppedOversize    // above a limit of size, nesting or count
	DroppedOverload    // too many at once, as of streams
	DroppedStranger    // from, or about, an address that is no member's
	DroppedUnconfirmed // a member that only a stranger asserted, and that did not answer

	PortDiffers // pings from another port than their sender advertises; not in the reference

	// Of package tcptransport, after those of a member.
	TransportDial             // connections that were dialled
	TransportDialError        // of those
	TransportRefused          // accepted connections that were refused, or failed before they were accepted
	TransportDropped          // packets: a full queue, or a peer that cannot be reached
	TransportIdle             // connections closed for want of use
	TransportEvicted          // connections closed because of a limit
	TransportCertificateError // failures to read the files

	// NumCounters is the number of counters.
	NumCounters
)

// String returns the last part of the key, as in "decrypt".
func (c Counter) String() string { return counterKeys[c][2] }

// Gauge is a metric with a current value.
type Gauge uint8

// The gauges.
const (
	HealthScore Gauge = iota
	NodeInstances
	Isolated  // 1 or 0; not in the reference
	SizeLocal // bytes

	numGauges
)

// Sample is a metric whose values are aggregated.
type Sample uint8

// The samples.
const (
	SizeRemote Sample = iota // bytes
	QueueBroadcasts
	ProbeNode    // ms
	Gossip       // ms
	PushPullNode // ms

	numSamples
)

// The keys are only read. They have no spare capacity, so that the library copies a key before it appends to it.
var (
	counterKeys = [NumCounters][]string{
		TCPAccept:          {"memberlist", "tcp", "accept"},
		TCPConnect:         {"memberlist", "tcp", "connect"},
		TCPSent:            {"memberlist", "tcp", "sent"},
		UDPAcrossZones:     {"memberlist", "udp", "across_zones"},
		TCPAcrossZones:     {"memberlist", "tcp", "across_zones"},
		MsgAlive:           {"memberlist", "msg", "alive"},
		MsgSuspect:         {"memberlist", "msg", "suspect"},
		MsgDead:            {"memberlist", "msg", "dead"},
		DegradedProbe:      {"memberlist", "degraded", "probe"},
		DegradedTimeout:    {"memberlist", "degraded", "timeout"},
		DegradedLate:       {"memberlist", "degraded", "late"},
		DroppedLabel:       {"memberlist", "dropped", "label"},
		DroppedDecrypt:     {"memberlist", "dropped", "decrypt"},
		DroppedChecksum:    {"memberlist", "dropped", "checksum"},
		DroppedDecode:      {"memberlist", "dropped", "decode"},
		DroppedCIDR:        {"memberlist", "dropped", "cidr"},
		DroppedQueueFull:   {"memberlist", "dropped", "queue_full"},
		DroppedOversize:    {"memberlist", "dropped", "oversize"},
		DroppedOverload:    {"memberlist", "dropped", "overload"},
		DroppedStranger:    {"memberlist", "dropped", "stranger"},
		DroppedUnconfirmed: {"memberlist", "dropped", "unconfirmed"},
		PortDiffers:        {"memberlist", "ping", "other_port"},

		TransportDial:             {"memberlist", "transport", "dial"},
		TransportDialError:        {"memberlist", "transport", "dial_error"},
		TransportRefused:          {"memberlist", "transport", "refused"},
		TransportDropped:          {"memberlist", "transport", "dropped"},
		TransportIdle:             {"memberlist", "transport", "idle"},
		TransportEvicted:          {"memberlist", "transport", "evicted"},
		TransportCertificateError: {"memberlist", "transport", "certificate_error"},
	}

	gaugeKeys = [numGauges][]string{
		HealthScore:   {"memberlist", "health", "score"},
		NodeInstances: {"memberlist", "node", "instances"},
		Isolated:      {"memberlist", "isolated"},
		SizeLocal:     {"memberlist", "size", "local"},
	}

	sampleKeys = [numSamples][]string{
		SizeRemote:      {"memberlist", "size", "remote"},
		QueueBroadcasts: {"memberlist", "queue", "broadcasts"},
		ProbeNode:       {"memberlist", "probeNode"},
		Gossip:          {"memberlist", "gossip"},
		PushPullNode:    {"memberlist", "pushPullNode"},
	}

	udpSentKey     = []string{"memberlist", "udp", "sent"}     // bytes
	udpReceivedKey = []string{"memberlist", "udp", "received"} // bytes
)
