package swim

import "slices"

// ackSources holds the addresses from which members that are behind a NAT, or have several addresses, send their acks: the
// first one that was seen. One without an IP address means that the next one counts. A member without an entry that has
// answered sends them from its own host.
type ackSources struct {
	of map[ID]address
	at map[address]ID
}

func newAckSources() ackSources {
	return ackSources{of: make(map[ID]address), at: make(map[address]ID)}
}

// set notes the address from which the acks of a member come.
func (s *ackSources) set(id ID, from address) {
	s.forget(id)
	s.of[id] = from
	if from.size > 0 {
		s.at[from.key()] = id
	}
}

// forget makes the acks of a member come from its own host.
func (s *ackSources) forget(id ID) {
	if from, ok := s.of[id]; ok && s.at[from.key()] == id {
		delete(s.at, from.key())
	}
	delete(s.of, id)
}

// memberAt returns the member whose acks come from an address that is not its own, or nil.
func (s *ackSources) memberAt(t *table, from address) *member {
	if id, ok := s.at[from.key()]; ok {
		return t.at(id)
	}
	return nil
}

// isFrom reports whether an ack, with the right sequence number, is that of a member: it comes from the IP address of the member,
// or the address from which its acks come. The first ack of a member may come from anywhere, as it may be behind a NAT. A sender
// on a transport without IP addresses is believed. If the transport has verified the name of the sender, that decides.
//
// Compat: the reference accepts an ack from anywhere.
func (s *ackSources) isFrom(t *Turn, m *member, from *Endpoint) bool {
	if from.Name != "" {
		return from.Name == m.Name
	}
	if !from.AddrPort.IsValid() {
		return true
	}
	at := addressOf(from.AddrPort)
	if t.table.address(m).sameHost(at) {
		s.forget(m.ID) // a transport that sends packets on connections has another port for each
		return true
	}
	known, elsewhere := s.of[m.ID]
	if known.size == 0 && (elsewhere || !m.answered) {
		s.set(m.ID, at)
		return true
	}
	return elsewhere && known.same(at)
}

// anyFrom reports whether an ack is that of one of the helpers that were asked to ping.
func (s *ackSources) anyFrom(t *Turn, helpers []ID, from *Endpoint) bool {
	return slices.ContainsFunc(helpers, func(id ID) bool {
		m := t.table.at(id)
		return m.Name != "" && s.isFrom(t, m, from)
	})
}

// whose returns which of the helpers that were asked sent a message, or nil: the one at its address, or from whose other address
// acks come, or the only one at its IP address. If the transport has verified the name of the sender, that decides.
func (s *ackSources) whose(t *Turn, helpers []ID, from *Endpoint) (helper *member) {
	at, hosts := addressOf(from.AddrPort), 0
	for _, id := range helpers {
		m := t.table.at(id)
		known, elsewhere := s.of[id]
		switch {
		case m.Name == "" || m == helper:
		case from.Name != "":
			if m.Name == from.Name {
				return m
			}
		case !from.AddrPort.IsValid():
		case t.table.isAt(m, at), elsewhere && known.same(at):
			return m
		case t.table.address(m).sameHost(at):
			helper = m
			hosts++
		}
	}
	if hosts > 1 {
		return nil
	}
	return helper
}

// answeredOnStream notes that a member answered on a stream, which does not tell where its acks come from.
func (s *ackSources) answeredOnStream(m *member) {
	if !m.answered {
		m.answered = true
		s.set(m.ID, address{})
	}
}

// relearn makes the next ack of a member tell where its acks come from: it has another address, or its NAT another port for it.
func (s *ackSources) relearn(m *member) { s.set(m.ID, address{}) }

// isFromHost reports whether an ack is from the IP address that was pinged, which is that of no known member.
func isFromHost(to address, from *Endpoint) bool {
	return !from.AddrPort.IsValid() || to.sameHost(addressOf(from.AddrPort))
}
