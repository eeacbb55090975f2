package sockets

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"github.com/hashicorp/go-sockaddr"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// ErrNoAddress is returned when no interface has an address that other machines could use, and none was given.
var ErrNoAddress = errors.New("no address to advertise found, and none given")

// AdvertiseAddr returns the address to advertise: that of an IP address or host name or, if it is empty, the address listened on; if
// that is all interfaces, the best address that they have.
func (s *Sockets) AdvertiseAddr(host string) (netip.Addr, error) {
	if host != "" {
		return s.resolver.Addr(s.ctx, host)
	}
	if s.bindIP.IsUnspecified() {
		return s.chooseAdvertiseAddr(systemInterfaces())
	}
	return s.bindIP, nil
}

// chooseAdvertiseAddr returns an address of the interfaces, and logs it if it is not that of the last call.
func (s *Sockets) chooseAdvertiseAddr(from interfaces) (netip.Addr, error) {
	addr, reason, err := findAdvertiseAddr(from, s.resolver.Family)
	if err != nil {
		return netip.Addr{}, err
	}
	if before := s.chosen.Swap(&addr); before == nil || *before != addr {
		s.log.Info("listening on all interfaces, advertising one address", slog.String("addr", addr.String()),
			slog.String("reason", reason))
	}
	return addr, nil
}

// interfaces returns the addresses of this machine.
type interfaces struct {
	private func() (string, error)     // the best private address, empty if there is none
	all     func() ([]net.Addr, error) // all addresses of all interfaces that are up
}

func systemInterfaces() interfaces {
	return interfaces{private: sockaddr.GetPrivateIP, all: net.InterfaceAddrs}
}

// FindAdvertiseAddr returns an address at which others can reach this machine, and why, for a component that listens on all of its
// interfaces.
func FindAdvertiseAddr() (addr netip.Addr, reason string, err error) {
	return findAdvertiseAddr(systemInterfaces(), resolve.Any)
}

// findAdvertiseAddr returns an address at which others can reach this machine: a private IPv4 one, as the reference does, else a
// global IPv4 one, else a global IPv6 one; or that first, if it is preferred. The reason is for the log.
func findAdvertiseAddr(from interfaces, family resolve.Family) (addr netip.Addr, reason string, err error) {
	var ips []netip.Addr
	// On an error here, as on systems without a routing table, the other addresses can still be found.
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
	ips = family.Order(ips)
	if len(ips) == 0 {
		return netip.Addr{}, "", cmp.Or(err, ErrNoAddress)
	}
	family.Prefer(ips)
	switch addr = ips[0]; {
	case addr.String() == private:
		return addr, "private address of an interface", nil
	case addr.Is4():
		return addr, "no private address; first global IPv4 address of an interface", nil
	case family == resolve.PreferIPv6 || family == resolve.OnlyIPv6:
		return addr, "first global IPv6 address of an interface, as configured", nil
	default:
		return addr, "no private and no IPv4 address; first global IPv6 address of an interface", nil
	}
}
