package resolve

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// servicePrefix is before the name of a service, in place of a host.
const servicePrefix = "srv+"

// Address is an address of Join, parsed.
type Address struct {
	Name    string // of the member; may be empty
	Host    string // an IP address without brackets, a host name, or the name of a service
	Port    uint16 // 0 for a service: its records have the ports
	Service bool
}

// Parse parses an address of Join. The error wraps ErrInvalidAddress.
func Parse(s string, defaultPort int) (Address, error) {
	a := Address{Host: s, Port: uint16(defaultPort)}
	if name, rest, found := strings.Cut(s, "/"); found {
		if name == "" {
			return invalid(s, "empty node name")
		}
		a.Name, a.Host = name, rest
	}
	if service, found := strings.CutPrefix(a.Host, servicePrefix); found {
		if _, err := netip.ParseAddr(service); err == nil || !IsHost(service) {
			return invalid(s, "not the name of a service")
		}
		a.Host, a.Port, a.Service = service, 0, true
		return a, nil
	}
	host, port, problem := splitPort(a.Host)
	if problem != "" {
		return invalid(s, problem)
	}
	a.Host = host
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil {
			return invalid(s, "no port between 0 and 65535")
		}
		a.Port = uint16(n)
	}
	if a.Host == "" {
		return invalid(s, "empty host")
	}
	if !IsHost(a.Host) {
		return invalid(s, "neither an IP address nor a host name")
	}
	return a, nil
}

func invalid(s, problem string) (Address, error) {
	return Address{}, fmt.Errorf("%w: %q: %s", ErrInvalidAddress, s, problem)
}

// splitPort splits "host[:port]" into the host without brackets and ":port", which is empty if there is none.
func splitPort(s string) (host, port, problem string) {
	if inner, found := strings.CutPrefix(s, "["); found {
		host, port, found = strings.Cut(inner, "]")
		switch {
		case !found:
			return "", "", "missing bracket"
		case port != "" && port[0] != ':':
			return "", "", "something other than a port after the bracket"
		}
		return host, port, ""
	}
	if colon := strings.IndexByte(s, ':'); colon >= 0 && colon == strings.LastIndexByte(s, ':') {
		return s[:colon], s[colon:], ""
	}
	return s, "", ""
}

// Literal returns the target of an address whose host is an IP address, which takes no look-up.
func (a Address) Literal() (Target, bool) {
	ip, err := netip.ParseAddr(a.Host)
	if err != nil {
		return Target{}, false
	}
	return a.at(ip), true
}

// at returns the target at an IP address of the host.
func (a Address) at(ip netip.Addr) Target {
	return Target{Name: a.Name, Addr: netip.AddrPortFrom(ip.Unmap(), a.Port)}
}

// IsHost reports whether s can be the host part of an address: an IP address, an IPv6 one without brackets, or a host name.
// A name of digits and dots alone is a misspelt IP address.
func IsHost(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return !strings.ContainsAny(ip.Zone(), "[]%/ ") // the end of such a zone could not be found in a longer text
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, r := range []byte(label) {
			letter := r|0x20 >= 'a' && r|0x20 <= 'z'
			if !letter && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}
