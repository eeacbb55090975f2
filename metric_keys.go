package memberlist

// The keys of all metrics, so that none is built anew each time. They are only read: the metrics library copies a key
// before it adds anything to it, since these have no spare capacity.
var (
	keyUDPSent         = []string{"memberlist", "udp", "sent"}     // counter, bytes
	keyUDPReceived     = []string{"memberlist", "udp", "received"} // counter, bytes
	keyTCPAccept       = []string{"memberlist", "tcp", "accept"}
	keyTCPConnect      = []string{"memberlist", "tcp", "connect"}
	keyTCPSent         = []string{"memberlist", "tcp", "sent"} // counter, bytes
	keyMsgAlive        = []string{"memberlist", "msg", "alive"}
	keyMsgSuspect      = []string{"memberlist", "msg", "suspect"}
	keyMsgDead         = []string{"memberlist", "msg", "dead"}
	keyDegradedProbe   = []string{"memberlist", "degraded", "probe"}
	keyDegradedTimeout = []string{"memberlist", "degraded", "timeout"}

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

// The counters of what arrived, or should have been sent, and was dropped. The reference has none of them.
var (
	keyDroppedLabel     = []string{"memberlist", "dropped", "label"}      // another cluster's label, or none
	keyDroppedDecrypt   = []string{"memberlist", "dropped", "decrypt"}    // no key opens it, or it is in plain text
	keyDroppedChecksum  = []string{"memberlist", "dropped", "checksum"}   // damaged on the way
	keyDroppedDecode    = []string{"memberlist", "dropped", "decode"}     // not a message that can be read
	keyDroppedCIDR      = []string{"memberlist", "dropped", "cidr"}       // from outside Config.CIDRsAllowed
	keyDroppedQueueFull = []string{"memberlist", "dropped", "queue_full"} // Config.HandoffQueueDepth messages waited
	keyDroppedOversize  = []string{"memberlist", "dropped", "oversize"}   // above a limit of size, nesting or count
	keyDroppedRate      = []string{"memberlist", "dropped", "rate"}       // too many at once, as of streams
)

// withLabel gives labels and one more, in a slice of its own.
func withLabel(labels []metricLabel, name, value string) []metricLabel {
	more := make([]metricLabel, len(labels), len(labels)+1)
	copy(more, labels)
	return append(more, metricLabel{Name: name, Value: value})
}
