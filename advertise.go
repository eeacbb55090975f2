package memberlist

import (
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

// findAdvertiseAddr picks an address under which others can reach a member that listens on all interfaces: a private one,
// as the reference does, else a global IPv4 one, else a global IPv6 one. It says why, for the log.
func findAdvertiseAddr(from interfaces) (addr netip.Addr, reason string, err error) {
	// An error here, as on systems without a routing table to ask, is no reason not to look further.
	if private, err := from.private(); err == nil && private != "" {
		if ip, err := netip.ParseAddr(private); err == nil {
			return ip.Unmap(), "private address of an interface", nil
		}
	}
	addrs, err := from.all()
	if err != nil {
		return netip.Addr{}, "", err
	}
	var v6 netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch ip := prefix.Addr().Unmap(); {
		case !ip.IsGlobalUnicast():
		case ip.Is4():
			return ip, "no private address; first global IPv4 address of an interface", nil
		case !v6.IsValid():
			v6 = ip
		}
	}
	if v6.IsValid() {
		return v6, "no private and no IPv4 address; first global IPv6 address of an interface", nil
	}
	return netip.Addr{}, "", ErrNoAdvertiseAddress
}
