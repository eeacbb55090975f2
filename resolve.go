package memberlist

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// maxResolved bounds how many addresses one join address may stand for.
	maxResolved = 1024

	// targetsAtOnce is how many hosts of one service are looked up at the same time.
	targetsAtOnce = 8

	// srvPrefix is before the name of a service, in place of a host.
	srvPrefix = "srv+"
)

// Resolver finds the addresses of hosts, and the hosts of services. A *net.Resolver is one. Several goroutines may call it
// at the same time. It returns when the context ends, as far as it can.
type Resolver interface {
	// LookupNetIP gives the addresses of a host: for the network "ip" all, for "ip4" and "ip6" those of the one family.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)

	// LookupSRV gives the records of a service. Service and proto are empty: name is the whole of the name to look up. The
	// order of the records is kept; a *net.Resolver gives them by priority and weight (RFC 2782).
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// AddressFamily says which of a host's addresses are used, and which first. It is about names, and about addresses that
// this machine has; an address that is given as such is used in any case.
type AddressFamily int

const (
	// AnyFamily is all addresses, in the order of the Resolver. Where one alone is needed, it is an IPv4 one if there is a
	// choice.
	AnyFamily AddressFamily = iota

	// PreferIPv4 is all addresses, those of IPv4 first.
	PreferIPv4

	// PreferIPv6 is all addresses, those of IPv6 first.
	PreferIPv6

	// OnlyIPv4 is the IPv4 addresses.
	OnlyIPv4

	// OnlyIPv6 is the IPv6 addresses.
	OnlyIPv6
)

// network is what a Resolver is asked for.
func (f AddressFamily) network() string {
	switch f {
	case OnlyIPv4:
		return "ip4"
	case OnlyIPv6:
		return "ip6"
	default:
		return "ip"
	}
}

// order gives the addresses that may be used, each once, the preferred family first.
func (f AddressFamily) order(ips []netip.Addr) []netip.Addr {
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
	if f != AnyFamily {
		f.prefer(usable)
	}
	return usable
}

// prefer sorts the preferred family to the front: IPv6 if that is what f says, else IPv4.
func (f AddressFamily) prefer(ips []netip.Addr) {
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

// joinAddress is an address as Join takes it, "[name/]host[:port]" or "[name/]srv+service", taken apart.
type joinAddress struct {
	name string // of the member, may be empty
	host string // IP address, without brackets, or host name, or name of a service
	port uint16 // not of a service, whose records have the ports
	srv  bool
}

// parseJoinAddress takes an address apart. An IPv6 address needs brackets only if a port follows.
func parseJoinAddress(s string, defaultPort int) (joinAddress, error) {
	a := joinAddress{host: s, port: uint16(defaultPort)}
	invalid := func(why string) (joinAddress, error) {
		return joinAddress{}, fmt.Errorf("%w: %q: %s", ErrInvalidAddress, s, why)
	}
	if name, rest, found := strings.Cut(s, "/"); found {
		if name == "" {
			return invalid("empty node name")
		}
		a.name, a.host = name, rest
	}
	if service, found := strings.CutPrefix(a.host, srvPrefix); found {
		if _, err := netip.ParseAddr(service); err == nil || !isHost(service) {
			return invalid("not the name of a service")
		}
		a.host, a.port, a.srv = service, 0, true
		return a, nil
	}
	if inner, found := strings.CutPrefix(a.host, "["); found {
		host, rest, found := strings.Cut(inner, "]")
		if !found {
			return invalid("missing bracket")
		}
		a.host = host
		if rest != "" {
			port, found := strings.CutPrefix(rest, ":")
			if !found {
				return invalid("something other than a port after the bracket")
			}
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return invalid("no port between 0 and 65535")
			}
			a.port = uint16(n)
		}
	} else if strings.Count(a.host, ":") == 1 {
		host, port, _ := strings.Cut(a.host, ":")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return invalid("no port between 0 and 65535")
		}
		a.host, a.port = host, uint16(n)
	}
	if a.host == "" {
		return invalid("empty host")
	}
	if !isHost(a.host) {
		return invalid("neither an IP address nor a host name")
	}
	return a, nil
}

// literal gives the address if the host is an IP address, so that nobody need be asked.
func (a joinAddress) literal() (Address, bool) {
	ip, err := netip.ParseAddr(a.host)
	if err != nil {
		return Address{}, false
	}
	return a.at(ip), true
}

// at is the address at an IP address of the host.
func (a joinAddress) at(ip netip.Addr) Address {
	return Address{Addr: joinHostPort(ip.Unmap().String(), a.port), Name: a.name}
}

// resolver finds the IP addresses that names stand for. Any goroutine may use it.
type resolver struct {
	from   Resolver
	family AddressFamily
}

// newResolver gives a resolver that asks from, or the system if that is nil.
func newResolver(from Resolver, family AddressFamily) resolver {
	if from == nil {
		from = net.DefaultResolver
	}
	return resolver{from: from, family: family}
}

// resolve gives all places where the join address s may lead: at least one, at most maxResolved, none twice. The error
// wraps ErrInvalidAddress if s can't be read.
func (r resolver) resolve(ctx context.Context, s string, defaultPort int) ([]Address, error) {
	a, err := parseJoinAddress(s, defaultPort)
	if err != nil {
		return nil, err
	}
	if a.srv {
		return r.resolveService(ctx, a)
	}
	ips, err := r.addrs(ctx, a.host)
	if err != nil {
		return nil, err
	}
	targets := make([]Address, 0, len(ips))
	for _, ip := range ips {
		targets = append(targets, a.at(ip))
	}
	return targets, nil
}

// resolveService gives the places of a service, in the order of its records. A host among them that can't be looked up is
// left out as long as there is another.
func (r resolver) resolveService(ctx context.Context, a joinAddress) ([]Address, error) {
	_, records, err := r.from.LookupSRV(ctx, "", "", a.host)
	if err != nil {
		return nil, fmt.Errorf("look up service: %w", err)
	}
	records = slices.DeleteFunc(slices.Clone(records), func(record *net.SRV) bool {
		return record.Target == "." || record.Target == "" // not available, as RFC 2782 has it
	})
	records = records[:min(len(records), maxResolved)]
	ips := make([][]netip.Addr, len(records))
	errs := make([]error, len(records))
	var lookups sync.WaitGroup
	slots := make(chan struct{}, targetsAtOnce)
	for i, record := range records {
		slots <- struct{}{}
		lookups.Go(func() { // ends with ctx, and before this returns
			ips[i], errs[i] = r.addrs(ctx, strings.TrimSuffix(record.Target, "."))
			<-slots
		})
	}
	lookups.Wait()

	seen := make(map[Address]bool)
	var targets []Address
	for i, record := range records {
		a.port = record.Port
		for _, ip := range ips[i] {
			if target := a.at(ip); !seen[target] && len(targets) < maxResolved {
				seen[target] = true
				targets = append(targets, target)
			}
		}
	}
	if len(targets) == 0 {
		return nil, oneLine(append(errs, fmt.Errorf("no address found for service %q", a.host))...)
	}
	return targets, nil
}

// addrs gives the addresses that an IP address or host name stands for: at least one, at most maxResolved, those to use
// first at the front.
func (r resolver) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	if !isHost(host) {
		return nil, fmt.Errorf("%w: %q is neither an IP address nor a host name", ErrInvalidAddress, host)
	}
	ips, err := r.from.LookupNetIP(ctx, r.family.network(), host)
	if err != nil {
		return nil, err
	}
	ips = r.family.order(ips)
	if len(ips) == 0 {
		return nil, fmt.Errorf("no address found for host %q", host)
	}
	return ips[:min(len(ips), maxResolved)], nil
}

// addr gives the one address that an IP address or host name stands for: of the preferred family if there is a choice.
func (r resolver) addr(ctx context.Context, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	ips, err := r.addrs(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	r.family.prefer(ips)
	return ips[0], nil
}

// addrPort does the same for "host:port". It allocates nothing for an IP address.
func (r resolver) addrPort(ctx context.Context, addr string) (netip.AddrPort, error) {
	if to, err := netip.ParseAddrPort(addr); err == nil {
		return to, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrInvalidAddress, err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrInvalidAddress, err)
	}
	ip, err := r.addr(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}
