package memberlist

import (
	"context"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// Resolver looks up the addresses of hosts, and the hosts of services. *net.Resolver implements it. It is called
// concurrently. It should return when the context ends.
type Resolver interface {
	// LookupNetIP returns the addresses of a host: all for the network "ip", those of one family for "ip4" and "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)

	// LookupSRV returns the records of a service. Service and proto are empty: name is the whole name to look up. The
	// order of the records is kept; a *net.Resolver sorts them by priority and weight (RFC 2782).
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// AddressFamily selects and orders the addresses of host names and of this machine's interfaces. It does not apply to
// an address that is written as an IP address.
type AddressFamily int

const (
	// AnyFamily selects all addresses, in the order of the Resolver. Where only one is needed, an IPv4 address is
	// preferred.
	AnyFamily AddressFamily = iota

	// PreferIPv4 selects all addresses, IPv4 first.
	PreferIPv4

	// PreferIPv6 selects all addresses, IPv6 first.
	PreferIPv6

	// OnlyIPv4 selects the IPv4 addresses.
	OnlyIPv4

	// OnlyIPv6 selects the IPv6 addresses.
	OnlyIPv6
)

// newResolver returns a resolver over source, or over the system's if that is nil.
func newResolver(source Resolver, family AddressFamily) resolve.Resolver {
	return resolve.New(source, resolve.Family(family))
}

// newSeedResolver returns the resolver for join addresses.
func newSeedResolver(c *Config) resolve.Resolver {
	if c.Resolver == nil && c.DNSConfigPath != "" {
		return newResolver(resolve.TCPFirst(c.DNSConfigPath, net.DefaultResolver), c.AddressFamily)
	}
	return newResolver(c.Resolver, c.AddressFamily)
}

func addressOfTarget(t resolve.Target) Address { return Address{Addr: t.Addr.String(), Name: t.Name} }
