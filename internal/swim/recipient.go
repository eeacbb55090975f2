package swim

import "net/netip"

// Recipient is the member that a push/pull which is no join is meant for. By now its address may belong to a member of another
// cluster, and the two clusters must not merge. So neither side merges states that have another name at the address and do not
// have the intended name. The zero value accepts any member.
//
// Compat: the reference merges the states of any peer.
type Recipient struct {
	Name string
	At   netip.AddrPort

	known bool   // the name is among the states
	other string // another name at the address
}

// Observe notes a state that has a member alive at an address.
func (m *Recipient) Observe(name []byte, at netip.AddrPort) {
	switch {
	case m.Name == "":
	case string(name) == m.Name:
		m.known = true
	case at == m.At:
		m.other = string(name)
	}
}

// Mistaken reports whether another member is at the address, and its name.
func (m *Recipient) Mistaken() (other string, mistaken bool) {
	return m.other, m.other != "" && !m.known
}
