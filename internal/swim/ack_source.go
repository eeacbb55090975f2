package swim

import "slices"

// ackSources holds the addresses from which members that are behind a NAT, or have several addresses, send their acks: the
// first one that was seen. One without an IP address means that the next one counts. A member without an entry that has
// answered sends them from its own host.
type ackSources map[ID]address

// isFrom reports whether an ack, with the right sequence number, is that of a member: it comes from the IP address of the member,
// or the address from which its acks come. The first ack of a member may come from anywhere, as it may be behind a NAT. A sender
// on a transport without IP addresses is believed. If the transport has verified the name of the sender, that decides.
//
// Compat: the reference accepts an ack from anywhere.
func (s ackSources) isFrom(t *Turn, m *member, from *Endpoint) bool {
	if from.Name != "" {
		return from.Name == m.Name
	}
	if !from.AddrPort.IsValid() {
		return true
	}
	at := addressOf(from.AddrPort)
	if t.table.address(m).sameHost(at) {
		delete(s, m.ID) // a transport that sends packets on connections has another port for each
		return true
	}
	known, elsewhere := s[m.ID]
	if known.size == 0 && (elsewhere || !m.answered) {
		s[m.ID] = at
		return true
	}
	return elsewhere && known.same(at)
}

// anyFrom reports whether an ack is that of one of the helpers that were asked to ping.
func (s ackSources) anyFrom(t *Turn, helpers []ID, from *Endpoint) bool {
	return slices.ContainsFunc(helpers, func(id ID) bool {
		m := t.table.at(id)
		return m.Name != "" && s.isFrom(t, m, from)
	})
}

// answeredOnStream notes that a member answered on a stream, which does not tell where its acks come from.
func (s ackSources) answeredOnStream(m *member) {
	if !m.answered {
		m.answered = true
		s[m.ID] = address{}
	}
}

// relearn makes the next ack of a member tell where its acks come from: it has another address, or its NAT another port for it.
func (s ackSources) relearn(m *member) { s[m.ID] = address{} }

// isFromHost reports whether an ack is from the IP address that was pinged, which is that of no known member.
func isFromHost(to address, from *Endpoint) bool {
	return !from.AddrPort.IsValid() || to.sameHost(addressOf(from.AddrPort))
}
