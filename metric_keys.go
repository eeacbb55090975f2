package memberlist

// counter is one of the metrics that only grow. Each is part of Stats too: Memberlist.add counts both.
type counter uint8

// The counters.
const (
	keyTCPAccept counter = iota
	keyTCPConnect
	keyTCPSent // bytes
	keyMsgAlive
	keyMsgSuspect
	keyMsgDead
	keyDegradedProbe
	keyDegradedTimeout

	// What arrived, or should have been sent, and was dropped. The reference has none of them.
	keyDroppedLabel     // another cluster's label, or none
	keyDroppedDecrypt   // no key opens it, or it is in plain text
	keyDroppedChecksum  // damaged on the way
	keyDroppedDecode    // not a message that can be read
	keyDroppedCIDR      // from outside Config.CIDRsAllowed
	keyDroppedQueueFull // Config.HandoffQueueDepth messages waited, or too many bytes of them
	keyDroppedOversize  // above a limit of size, nesting or count
	keyDroppedOverload  // too many at once, as of streams

	keyPortDiffers // pings from another port than their sender advertises; the reference has it not

	numCounters
)

// counterKeys are the keys of the counters, and those below of all other metrics, so that none is built anew each time.
// They are only read: the metrics library copies a key before it adds anything to it, since these have no spare capacity.
var counterKeys = [numCounters][]string{
	keyTCPAccept:        {"memberlist", "tcp", "accept"},
	keyTCPConnect:       {"memberlist", "tcp", "connect"},
	keyTCPSent:          {"memberlist", "tcp", "sent"},
	keyMsgAlive:         {"memberlist", "msg", "alive"},
	keyMsgSuspect:       {"memberlist", "msg", "suspect"},
	keyMsgDead:          {"memberlist", "msg", "dead"},
	keyDegradedProbe:    {"memberlist", "degraded", "probe"},
	keyDegradedTimeout:  {"memberlist", "degraded", "timeout"},
	keyDroppedLabel:     {"memberlist", "dropped", "label"},
	keyDroppedDecrypt:   {"memberlist", "dropped", "decrypt"},
	keyDroppedChecksum:  {"memberlist", "dropped", "checksum"},
	keyDroppedDecode:    {"memberlist", "dropped", "decode"},
	keyDroppedCIDR:      {"memberlist", "dropped", "cidr"},
	keyDroppedQueueFull: {"memberlist", "dropped", "queue_full"},
	keyDroppedOversize:  {"memberlist", "dropped", "oversize"},
	keyDroppedOverload:  {"memberlist", "dropped", "overload"},
	keyPortDiffers:      {"memberlist", "ping", "other_port"},
}

var (
	keyUDPSent     = []string{"memberlist", "udp", "sent"}     // counter, bytes
	keyUDPReceived = []string{"memberlist", "udp", "received"} // counter, bytes

	keyHealthScore   = []string{"memberlist", "health", "score"}   // gauge
	keyNodeInstances = []string{"memberlist", "node", "instances"} // gauge, label node_state
	keyIsolated      = []string{"memberlist", "isolated"}          // gauge, 1 or 0; the reference has none
	keySizeLocal     = []string{"memberlist", "size", "local"}     // gauge, bytes

	keySizeRemote      = []string{"memberlist", "size", "remote"}      // sample, bytes
	keyQueueBroadcasts = []string{"memberlist", "queue", "broadcasts"} // sample
	keyProbeNode       = []string{"memberlist", "probeNode"}           // sample, ms
	keyGossip          = []string{"memberlist", "gossip"}              // sample, ms
	keyPushPullNode    = []string{"memberlist", "pushPullNode"}        // sample, ms
)

// withLabel gives labels and one more, in a slice of its own.
func withLabel(labels []MetricLabel, name, value string) []MetricLabel {
	more := make([]MetricLabel, len(labels), len(labels)+1)
	copy(more, labels)
	return append(more, MetricLabel{Name: name, Value: value})
}
