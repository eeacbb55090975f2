package swim

import "net/netip"

// Meant is the member that an exchange of states is meant for, which is no join.
// By now its address may be that of a member of another cluster, and the two must
// not become one: so neither side merges what the other says if that has another
// name at the address, and not the one that is meant. The zero value means anybody.
//
// Compat: the reference merges what anybody says.
type Recipient struct {
	Name string
	At   netip.AddrPort

	known bool   // by that name
	other string // who else is said to be there
}

// Hear takes note of a member that is said to be alive at an address.
func (m *Recipient) Observe(name []byte, at netip.AddrPort) {
	switch {
	case m.Name == "":
	case string(name) == m.Name:
		m.known = true
	case at == m.At:
		m.other = string(name)
	}
}

// Mistaken reports whether another is there, and who.
func (m *Recipient) Mistaken() (other string, mistaken bool) {
	return m.other, m.other != "" && !m.known
}
