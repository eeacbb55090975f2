package memberlist

import (
	"context"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// Resolver finds the addresses of hosts, and the hosts of services. A *net.Resolver is one. Several goroutines may call it
// at the same time. It returns when the context ends, as far as it can.
type Resolver interface {
	// LookupNetIP returns the addresses of a host: for the network "ip" all, for "ip4" and "ip6" those of the one family.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)

	// LookupSRV returns the records of a service. Service and proto are empty: name is the whole name to look up. The order of
	// the records is kept; a *net.Resolver returns them by priority and weight (RFC 2782).
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// AddressFamily says which of a host's addresses are used, and in what order. It applies to the addresses of host names and of
// this machine's interfaces; an address that is written as an IP address is used in any case.
type AddressFamily int

const (
	// AnyFamily is all addresses, in the order of the Resolver. Where only one is needed, it is an IPv4 one if there is a
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

// newResolver returns a resolver that asks the source, or the system if that is nil.
func newResolver(source Resolver, family AddressFamily) resolve.Resolver {
	return resolve.New(source, resolve.Family(family))
}

// newSeedResolver returns the resolver of the addresses that Join is given.
func newSeedResolver(c *Config) resolve.Resolver {
	if c.Resolver == nil && c.DNSConfigPath != "" {
		return newResolver(resolve.TCPFirst(c.DNSConfigPath, net.DefaultResolver), c.AddressFamily)
	}
	return newResolver(c.Resolver, c.AddressFamily)
}

// resolveSeed returns the addresses that an address of Join stands for.
func (m *Memberlist) resolveSeed(ctx context.Context, seed string) ([]Address, error) {
	targets, err := m.resolver.Resolve(ctx, seed, m.config.BindPort)
	if err != nil {
		return nil, err
	}
	addrs := make([]Address, len(targets))
	for i, target := range targets {
		addrs[i] = addressOfTarget(target)
	}
	return addrs, nil
}

func addressOfTarget(t resolve.Target) Address { return Address{Addr: t.Addr.String(), Name: t.Name} }
