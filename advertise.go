package memberlist

import (
	"cmp"
	"net"
	"net/netip"

	"github.com/hashicorp/go-sockaddr"
)

// interfaces is what this machine knows of its own addresses.
type interfaces struct {
	private func() (string, error)     // the best private address, empty if there is none
	all     func() ([]net.Addr, error) // all addresses of all interfaces that are up
}

// systemInterfaces gives the real ones.
func systemInterfaces() interfaces {
	return interfaces{private: sockaddr.GetPrivateIP, all: net.InterfaceAddrs}
}

// findAdvertiseAddr picks an address under which others can reach a member that listens on all interfaces: a private IPv4
// one, as the reference does, else a global IPv4 one, else a global IPv6 one; or that first, if it is preferred. It says
// why, for the log.
func findAdvertiseAddr(from interfaces, family AddressFamily) (addr netip.Addr, reason string, err error) {
	var ips []netip.Addr
	// An error here, as on systems without a routing table to ask, is no reason not to look further.
	private, err := from.private()
	if ip, parseErr := netip.ParseAddr(private); err == nil && parseErr == nil {
		ips = append(ips, ip)
	}
	addrs, err := from.all()
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
			ips = append(ips, prefix.Addr())
		}
	}
	ips = family.order(ips)
	if len(ips) == 0 {
		return netip.Addr{}, "", cmp.Or(err, ErrNoAdvertiseAddress)
	}
	family.prefer(ips)
	switch addr = ips[0]; {
	case addr.String() == private:
		return addr, "private address of an interface", nil
	case addr.Is4():
		return addr, "no private address; first global IPv4 address of an interface", nil
	case family == PreferIPv6 || family == OnlyIPv6:
		return addr, "first global IPv6 address of an interface, as configured", nil
	default:
		return addr, "no private and no IPv4 address; first global IPv6 address of an interface", nil
	}
}
