package memberlist

import (
	"time"

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
)

// Stats are the counters and gauges of one member. Counters start at Create. Those that are metrics too have the key
// of the metric in brackets, and equal the sum of its values; metrics of bytes in packets are updated when the
// member's timer fires and on Shutdown.
type Stats struct {
	Members Members // known, this one included [node.instances]
	Health  int     // see Memberlist.GetHealthScore [health.score]

	// Lateness is how far this member is behind with its timers or with packets that have arrived, because its process gets too
	// little CPU time or was stopped; 0: it is not. Meanwhile it suspects no other, and gossips less often.
	Lateness time.Duration

	PacketsSent     uint64
	PacketsReceived uint64
	BytesSent       uint64 // in packets [udp.sent]
	BytesReceived   uint64 // in packets [udp.received]

	// BytesAcross is the part of BytesSent that was sent to others than members that are known to be in this member's zone. Zero
	// without a zone: see Config.Zone. [udp.across_zones]
	BytesAcross uint64

	StreamsOpen     int    // now
	StreamsAccepted uint64 // [tcp.accept]
	StreamsDialed   uint64 // [tcp.connect]
	StreamBytesSent uint64 // [tcp.sent]

	// StreamBytesAcross is the number of bytes, sent and received, on streams that this member opened to such others. Without a zone
	// it is zero. [tcp.across_zones]
	StreamBytesAcross uint64

	Alive            uint64 // transitions of members to alive, or to a newer incarnation [msg.alive]
	Suspected        uint64 // transitions of members to suspect [msg.suspect]
	Dead             uint64 // transitions of members to dead or left [msg.dead]
	DegradedProbes   uint64 // probes with a stretched interval [degraded.probe]
	DegradedTimeouts uint64 // suspicions that timed out with fewer confirmations than expected [degraded.timeout]
	DegradedLate     uint64 // probes and suspicions that waited since this member was late [degraded.late]

	PingsFromOtherPort uint64 // from another port than their sender advertises, as behind a NAT [ping.other_port]

	// Current queues.
	Broadcasts         int // of the protocol; at most one for each known member [queue.broadcasts]
	BroadcastBytes     int // each fits a packet
	MembershipMessages int // not handled yet; at most Config.HandoffQueueDepth
	UserMessages       int // not handled yet; at most Config.HandoffQueueDepth
	Events             int // not delivered to delegates yet

	Subscriptions int    // open
	EventsLost    uint64 // by all subscriptions, because of full buffers

	Dropped Drops
}

// Members counts members by state.
type Members struct{ Alive, Suspect, Dead, Left int }

// Drops counts dropped packets, streams and messages by reason.
type Drops struct {
	Label     uint64 // another cluster's label, or none [dropped.label]
	Decrypt   uint64 // no key decrypts it, or it is in plain text [dropped.decrypt]
	Checksum  uint64 // damaged on the way [dropped.checksum]
	Decode    uint64 // malformed or unknown [dropped.decode, without empty datagrams]
	CIDR      uint64 // from outside Config.CIDRsAllowed [dropped.cidr]
	QueueFull uint64 // Config.HandoffQueueDepth messages were waiting, or too many bytes [dropped.queue_full]
	Oversize  uint64 // above a limit of size, nesting or count [dropped.oversize]
	Overload  uint64 // too many streams, packets or pings at once [dropped.overload]
	Stranger  uint64 // from, or about, an address that is no member's, or another member's than it must be [dropped.stranger]

	// Unconfirmed counts members that only a stranger asserted, and that did not answer or were too many
	// [dropped.unconfirmed].
	Unconfirmed uint64
}

// Stats returns the current values. Each is exact, but they are not taken at the same moment.
func (m *Memberlist) Stats() Stats {
	n := func(c metrics.Counter) uint64 { return m.metrics.Count(c) }
	packetsSent, bytesSent := m.metrics.Sent.Load()
	packetsReceived, bytesReceived := m.metrics.Received.Load()
	s := Stats{
		Health:          m.GetHealthScore(),
		PacketsSent:     packetsSent,
		PacketsReceived: packetsReceived,
		BytesSent:       bytesSent,
		BytesReceived:   bytesReceived,
		StreamsOpen:     m.streams.Len(),
		StreamsAccepted: n(metrics.TCPAccept),
		StreamsDialed:   n(metrics.TCPConnect),
		StreamBytesSent: n(metrics.TCPSent),

		BytesAcross:       n(metrics.UDPAcrossZones),
		StreamBytesAcross: n(metrics.TCPAcrossZones),

		Alive:            n(metrics.MsgAlive),
		Suspected:        n(metrics.MsgSuspect),
		Dead:             n(metrics.MsgDead),
		DegradedProbes:   n(metrics.DegradedProbe),
		DegradedTimeouts: n(metrics.DegradedTimeout),
		DegradedLate:     n(metrics.DegradedLate),

		PingsFromOtherPort: n(metrics.PortDiffers),

		MembershipMessages: m.gossip.Waiting(),
		UserMessages:       m.userMessages.queue.Waiting(),

		Dropped: Drops{
			Label:     n(metrics.DroppedLabel),
			Decrypt:   n(metrics.DroppedDecrypt),
			Checksum:  n(metrics.DroppedChecksum),
			Decode:    n(metrics.DroppedDecode),
			CIDR:      n(metrics.DroppedCIDR),
			QueueFull: n(metrics.DroppedQueueFull),
			Oversize:  n(metrics.DroppedOversize),
			Overload:  n(metrics.DroppedOverload),
			Stranger:  n(metrics.DroppedStranger),

			Unconfirmed: n(metrics.DroppedUnconfirmed),
		},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Members = Members{
		Alive:   m.nodes.Count(uint8(swim.StateAlive)),
		Suspect: m.nodes.Count(uint8(swim.StateSuspect)),
		Dead:    m.nodes.Count(uint8(swim.StateDead)),
		Left:    m.nodes.Count(uint8(swim.StateLeft)),
	}
	s.Broadcasts, s.BroadcastBytes = m.mu.core.NumQueued(), m.mu.core.QueuedBytes()
	s.Lateness = m.mu.core.Lateness(time.Now())
	s.Events = len(m.mu.notifications.queued)
	s.Subscriptions, s.EventsLost = len(m.mu.subscriptions.open), m.mu.subscriptions.lost
	return s
}
