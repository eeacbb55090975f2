package prometheus

import (
	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/e3431adc/memberlist"
)

// stat is a metric whose values are fields of Stats.
type stat struct {
	name  string
	help  string
	kind  prom.ValueType
	label string // of each value, if there are several
	value []value
}

// value is one series of a stat.
type value struct {
	label string
	field string // of Stats, for the test that none is missing
	read  func(*memberlist.Stats) float64
}

// number returns a reader of a field that is a number.
func number[T int | uint64](field func(*memberlist.Stats) T) func(*memberlist.Stats) float64 {
	return func(s *memberlist.Stats) float64 { return float64(field(s)) }
}

func one[T int | uint64](field string, read func(*memberlist.Stats) T) []value {
	return []value{{field: field, read: number(read)}}
}

type stats = memberlist.Stats

// allStats are the metrics that are read from Stats.
var allStats = []stat{
	{"members", "Known members by state, this one included.", prom.GaugeValue, "state", []value{
		{"alive", "Members.Alive", number(func(s *stats) int { return s.Members.Alive })},
		{"suspect", "Members.Suspect", number(func(s *stats) int { return s.Members.Suspect })},
		{"dead", "Members.Dead", number(func(s *stats) int { return s.Members.Dead })},
		{"left", "Members.Left", number(func(s *stats) int { return s.Members.Left })},
	}},
	{"health_score", "Local health score of Lifeguard: 0 is healthy, higher values stretch this member's timeouts.", prom.GaugeValue, "",
		one("Health", func(s *stats) int { return s.Health })},

	{"lateness_seconds", "How late this member is: it suspects nobody on the evidence of that time.", prom.GaugeValue, "", []value{
		{"", "Lateness", func(s *stats) float64 { return s.Lateness.Seconds() }}}},

	{"packets_sent_total", "Packets sent.", prom.CounterValue, "", one("PacketsSent", func(s *stats) uint64 { return s.PacketsSent })},
	{"packets_received_total", "Packets received.", prom.CounterValue, "", one("PacketsReceived", func(s *stats) uint64 { return s.PacketsReceived })},
	{"packet_sent_bytes_total", "Bytes sent in packets.", prom.CounterValue, "", one("BytesSent", func(s *stats) uint64 { return s.BytesSent })},
	{"packet_received_bytes_total", "Bytes received in packets.", prom.CounterValue, "", one("BytesReceived", func(s *stats) uint64 { return s.BytesReceived })},

	{"streams_open", "Streams that are open.", prom.GaugeValue, "", one("StreamsOpen", func(s *stats) int { return s.StreamsOpen })},
	{"streams_total", "Streams opened, by the side that opened them.", prom.CounterValue, "opened_by", []value{
		{"peer", "StreamsAccepted", number(func(s *stats) uint64 { return s.StreamsAccepted })},
		{"this_member", "StreamsDialed", number(func(s *stats) uint64 { return s.StreamsDialed })},
	}},
	{"packet_across_zones_bytes_total", "Bytes sent in packets to members that are not in this member's zone.", prom.CounterValue, "",
		one("BytesAcross", func(s *stats) uint64 { return s.BytesAcross })},
	{"stream_across_zones_bytes_total", "Bytes sent and received on streams that this member opened to members that are not in its zone.", prom.CounterValue, "",
		one("StreamBytesAcross", func(s *stats) uint64 { return s.StreamBytesAcross })},
	{"stream_sent_bytes_total", "Bytes sent on streams.", prom.CounterValue, "", one("StreamBytesSent", func(s *stats) uint64 { return s.StreamBytesSent })},

	{"transitions_total", "Transitions of members to a state, or to a newer incarnation in it.", prom.CounterValue, "state", []value{
		{"alive", "Alive", number(func(s *stats) uint64 { return s.Alive })},
		{"suspect", "Suspected", number(func(s *stats) uint64 { return s.Suspected })},
		{"dead_or_left", "Dead", number(func(s *stats) uint64 { return s.Dead })},
	}},
	{"degraded_probes_total", "Probes with an interval stretched by the local health score.", prom.CounterValue, "",
		one("DegradedProbes", func(s *stats) uint64 { return s.DegradedProbes })},
	{"degraded_timeouts_total", "Suspicions that ended with fewer confirmations than expected.", prom.CounterValue, "",
		one("DegradedTimeouts", func(s *stats) uint64 { return s.DegradedTimeouts })},
	{"degraded_late_total", "Deadlines of probes and suspicions that were postponed because this member was late.", prom.CounterValue, "",
		one("DegradedLate", func(s *stats) uint64 { return s.DegradedLate })},
	{"pings_from_other_port_total", "Pings from another port than their sender advertises, as behind a NAT.", prom.CounterValue, "",
		one("PingsFromOtherPort", func(s *stats) uint64 { return s.PingsFromOtherPort })},

	{"broadcasts_queued", "Broadcasts of the protocol that are queued.", prom.GaugeValue, "", one("Broadcasts", func(s *stats) int { return s.Broadcasts })},
	{"broadcasts_queued_bytes", "Bytes of the queued broadcasts of the protocol.", prom.GaugeValue, "", one("BroadcastBytes", func(s *stats) int { return s.BroadcastBytes })},
	{"messages_queued", "Received messages that are not handled yet.", prom.GaugeValue, "kind", []value{
		{"membership", "MembershipMessages", number(func(s *stats) int { return s.MembershipMessages })},
		{"user", "UserMessages", number(func(s *stats) int { return s.UserMessages })},
	}},
	{"events_queued", "Events that are not delivered to delegates yet.", prom.GaugeValue, "", one("Events", func(s *stats) int { return s.Events })},
	{"subscriptions_open", "Open subscriptions.", prom.GaugeValue, "", one("Subscriptions", func(s *stats) int { return s.Subscriptions })},
	{"events_lost_total", "Events that subscriptions lost because their buffers were full.", prom.CounterValue, "",
		one("EventsLost", func(s *stats) uint64 { return s.EventsLost })},

	{"dropped_total", "Packets, streams and messages dropped, by reason.", prom.CounterValue, "reason", []value{
		{"label", "Dropped.Label", number(func(s *stats) uint64 { return s.Dropped.Label })},
		{"decrypt", "Dropped.Decrypt", number(func(s *stats) uint64 { return s.Dropped.Decrypt })},
		{"checksum", "Dropped.Checksum", number(func(s *stats) uint64 { return s.Dropped.Checksum })},
		{"decode", "Dropped.Decode", number(func(s *stats) uint64 { return s.Dropped.Decode })},
		{"cidr", "Dropped.CIDR", number(func(s *stats) uint64 { return s.Dropped.CIDR })},
		{"queue_full", "Dropped.QueueFull", number(func(s *stats) uint64 { return s.Dropped.QueueFull })},
		{"oversize", "Dropped.Oversize", number(func(s *stats) uint64 { return s.Dropped.Oversize })},
		{"overload", "Dropped.Overload", number(func(s *stats) uint64 { return s.Dropped.Overload })},
		{"unconfirmed", "Dropped.Unconfirmed", number(func(s *stats) uint64 { return s.Dropped.Unconfirmed })},
		{"stranger", "Dropped.Stranger", number(func(s *stats) uint64 { return s.Dropped.Stranger })},
	}},
}

// labels returns the names of the labels.
func (s *stat) labels() []string {
	if s.label == "" {
		return nil
	}
	return []string{s.label}
}
