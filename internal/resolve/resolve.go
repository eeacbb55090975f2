// Package resolve turns what users write into addresses: the addresses of Join,
//
//	[name/]host[:port]      an IP address or a host name; an IPv6 address needs brackets only if a port follows
//	[name/]srv+service      the hosts and ports of a service, by its SRV records
//
// and host names alone. What is written as an IP address is taken as it is, without a look-up. Everything else is looked up with a
// Source: the user's, the system's, or TCPFirst.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

const (
	// maxResolved bounds how many addresses one address of Join may stand for.
	maxResolved = 1024

	// lookupsAtOnce is how many hosts of one service are looked up at the same time.
	lookupsAtOnce = 8
)

// ErrInvalidAddress is returned for an address that cannot be parsed: not an IP address where one is needed, no port, no host.
var ErrInvalidAddress = errors.New("invalid address")

// Source looks up hosts and services. It is memberlist.Resolver, which documents it.
type Source interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// Target is one address that an address of Join stands for.
type Target struct {
	Name string // of the member; empty if none was given
	Addr netip.AddrPort
}

// Resolver looks up addresses. It is a plain value; its methods may be called from any goroutine.
type Resolver struct {
	Source Source
	Family Family
}

// New returns a Resolver that asks the source, or the system if that is nil.
func New(source Source, family Family) Resolver {
	if source == nil {
		source = net.DefaultResolver
	}
	return Resolver{Source: source, Family: family}
}

// Resolve returns the targets of an address of Join: at least one, at most maxResolved, none twice. The error wraps
// ErrInvalidAddress if the address cannot be parsed.
func (r Resolver) Resolve(ctx context.Context, address string, defaultPort int) ([]Target, error) {
	a, err := Parse(address, defaultPort)
	if err != nil {
		return nil, err
	}
	if a.Service {
		return r.resolveService(ctx, a)
	}
	ips, err := r.Addrs(ctx, a.Host)
	if err != nil {
		return nil, err
	}
	targets := make([]Target, 0, len(ips))
	for _, ip := range ips {
		targets = append(targets, a.at(ip))
	}
	return targets, nil
}

// resolveService returns the targets of a service, in the order of its records. A host that cannot be looked up is left out
// as long as there is another.
func (r Resolver) resolveService(ctx context.Context, a Address) ([]Target, error) {
	_, records, err := r.Source.LookupSRV(ctx, "", "", a.Host)
	if err != nil {
		return nil, fmt.Errorf("look up service: %w", err)
	}
	records = slices.DeleteFunc(slices.Clone(records), func(record *net.SRV) bool {
		return record.Target == "." || record.Target == "" // the service is not available (RFC 2782)
	})
	records = records[:min(len(records), maxResolved)]
	ips := make([][]netip.Addr, len(records))
	errs := make([]error, len(records))
	var lookups sync.WaitGroup
	slots := make(chan struct{}, lookupsAtOnce)
	for i, record := range records {
		slots <- struct{}{}
		lookups.Go(func() { // ends with ctx, and before this returns
			ips[i], errs[i] = r.Addrs(ctx, strings.TrimSuffix(record.Target, "."))
			<-slots
		})
	}
	lookups.Wait()

	seen := make(map[Target]bool)
	var targets []Target
	for i, record := range records {
		a.Port = record.Port
		for _, ip := range ips[i] {
			if target := a.at(ip); !seen[target] && len(targets) < maxResolved {
				seen[target] = true
				targets = append(targets, target)
			}
		}
	}
	if len(targets) == 0 {
		return nil, join(append(errs, fmt.Errorf("no address found for service %q", a.Host))...)
	}
	return targets, nil
}

// Addrs returns the addresses of an IP address or host name in the order of use: at least one, at most maxResolved.
func (r Resolver) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	if !IsHost(host) {
		return nil, fmt.Errorf("%w: %q is neither an IP address nor a host name", ErrInvalidAddress, host)
	}
	ips, err := r.Source.LookupNetIP(ctx, r.Family.network(), host)
	if err != nil {
		return nil, err
	}
	ips = r.Family.Order(ips)
	if len(ips) == 0 {
		return nil, fmt.Errorf("no address found for host %q", host)
	}
	return ips[:min(len(ips), maxResolved)], nil
}

// Addr returns one address of an IP address or host name: of the preferred family if there is a choice.
func (r Resolver) Addr(ctx context.Context, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	ips, err := r.Addrs(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	r.Family.Prefer(ips)
	return ips[0], nil
}

// AddrPort returns one address of "host:port". It does not allocate for an IP address.
func (r Resolver) AddrPort(ctx context.Context, addr string) (netip.AddrPort, error) {
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
	ip, err := r.Addr(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// errorList is several errors, with their texts on one line.
type errorList []error

func (l errorList) Error() string {
	texts := make([]string, len(l))
	for i, err := range l {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (l errorList) Unwrap() []error { return l }

// join is errors.Join with the texts on one line.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	default:
		return errorList(errs)
	}
}
