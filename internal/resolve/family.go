package resolve

import (
	"net/netip"
	"slices"
)

// Family says which addresses of a host are used, and in what order. Its values are those of memberlist.AddressFamily, which
// documents them.
type Family int

// The families.
const (
	Any Family = iota
	PreferIPv4
	PreferIPv6
	OnlyIPv4
	OnlyIPv6
)

// network returns the name of the family for a Source.
func (f Family) network() string {
	switch f {
	case OnlyIPv4:
		return "ip4"
	case OnlyIPv6:
		return "ip6"
	default:
		return "ip"
	}
}

// Order returns the addresses that may be used, without repetition, the preferred family first.
func (f Family) Order(ips []netip.Addr) []netip.Addr {
	seen := make(map[netip.Addr]bool, len(ips))
	var usable []netip.Addr
	for _, ip := range ips {
		ip = ip.Unmap()
		if seen[ip] || f == OnlyIPv4 && !ip.Is4() || f == OnlyIPv6 && ip.Is4() {
			continue
		}
		seen[ip] = true
		usable = append(usable, ip)
	}
	if f != Any {
		f.Prefer(usable)
	}
	return usable
}

// Prefer sorts the preferred family to the front: IPv6 for PreferIPv6 and OnlyIPv6, IPv4 for the others.
func (f Family) Prefer(ips []netip.Addr) {
	want4 := f != PreferIPv6 && f != OnlyIPv6
	slices.SortStableFunc(ips, func(a, b netip.Addr) int {
		switch {
		case a.Is4() == b.Is4():
			return 0
		case a.Is4() == want4:
			return -1
		default:
			return 1
		}
	})
}
