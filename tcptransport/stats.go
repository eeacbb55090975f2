package tcptransport

import "github.com/e3431adc/memberlist/internal/metrics"

// Stats are the counters and gauges of a Transport. Counters start at New. Those in brackets are metrics too.
type Stats struct {
	// Connections for packets that are open now.
	Outgoing int // dialled by this member, those being dialled included; at most Config.MaxConnections
	Incoming int // accepted
	Pending  int // accepted, of either kind, without a complete opening

	PacketsSent     uint64 // written to a connection
	PacketsReceived uint64
	PacketsDropped  uint64 // because a queue was full, or a peer could not be reached [transport.dropped]

	Dialed           uint64 // for packets and streams [transport.dial]
	DialErrors       uint64 // [transport.dial_error]
	Resumed          uint64 // TLS sessions that were resumed, of Dialed
	Refused          uint64 // accepted connections that were refused, or failed [transport.refused]
	ClosedIdle       uint64 // by this member, of those that it dialled [transport.idle]
	ClosedForRoom    uint64 // because of a limit of connections [transport.evicted]
	CertificateError uint64 // failures to read Config.Files [transport.certificate_error]
}

// Stats returns the current values. Each is exact, but they are not taken at the same moment.
func (t *Transport) Stats() Stats {
	return Stats{
		Outgoing:         t.peers.connections(),
		Incoming:         t.incoming.len(),
		Pending:          t.pending.len(),
		PacketsSent:      t.sent.Load(),
		PacketsReceived:  t.received.Load(),
		PacketsDropped:   t.metrics.Count(metrics.TransportDropped),
		Dialed:           t.metrics.Count(metrics.TransportDial),
		DialErrors:       t.metrics.Count(metrics.TransportDialError),
		Resumed:          t.resumed.Load(),
		Refused:          t.metrics.Count(metrics.TransportRefused),
		ClosedIdle:       t.metrics.Count(metrics.TransportIdle),
		ClosedForRoom:    t.metrics.Count(metrics.TransportEvicted),
		CertificateError: t.metrics.Count(metrics.TransportCertificateError),
	}
}
