package memberlist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxResolved bounds how many addresses one join address may stand for.
	maxResolved = 1024

	// dnsTimeout bounds the question over TCP, so that a server that does not answer leaves time for the resolver.
	dnsTimeout = 3 * time.Second
)

// joinAddress is an address as Join takes it, "[name/]host[:port]", taken apart.
type joinAddress struct {
	name string // of the member, may be empty
	host string // IP address, without brackets, or host name
	port uint16
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

// resolver finds the IP addresses that a join address stands for. Any goroutine may use it.
type resolver struct {
	dnsConfigPath string // empty: no question over TCP
	lookup        func(ctx context.Context, host string) ([]netip.Addr, error)
}

// newResolver gives a resolver that asks the first server of that file, and then the system.
func newResolver(dnsConfigPath string) *resolver {
	return &resolver{dnsConfigPath: dnsConfigPath, lookup: lookupSystem}
}

func lookupSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// resolve gives all places where the join address s may lead: at least one, at most maxResolved, none twice. The error
// wraps ErrInvalidAddress if s can't be read.
func (r *resolver) resolve(ctx context.Context, s string, defaultPort int) ([]Address, error) {
	a, err := parseJoinAddress(s, defaultPort)
	if err != nil {
		return nil, err
	}
	ips, err := r.resolveHost(ctx, a.host)
	if err != nil {
		return nil, err
	}
	seen := make(map[netip.Addr]bool, len(ips))
	var targets []Address
	for _, ip := range ips {
		ip = ip.Unmap()
		if seen[ip] {
			continue
		}
		if len(targets) == maxResolved {
			break
		}
		seen[ip] = true
		targets = append(targets, a.at(ip))
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("no address found for host %q", a.host)
	}
	return targets, nil
}

// resolveHost asks over TCP first, since what answers there, such as Consul, then gives all it has. What fails there
// shows only if the system's resolver fails too.
func (r *resolver) resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	var tcpErr error
	if r.dnsConfigPath != "" && strings.Contains(host, ".") {
		var ips []netip.Addr
		if ips, tcpErr = r.lookupTCP(ctx, host); len(ips) > 0 {
			return ips, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("look up %s: %w", host, err)
		}
		if tcpErr != nil {
			tcpErr = fmt.Errorf("look up %s over TCP: %w", host, tcpErr)
		}
	}
	ips, err := r.lookup(ctx, host)
	if err != nil {
		return nil, errors.Join(err, tcpErr)
	}
	return ips, nil
}

// lookupTCP asks the first server of the configuration file for all it knows of the host.
func (r *resolver) lookupTCP(ctx context.Context, host string) ([]netip.Addr, error) {
	config, err := dns.ClientConfigFromFile(r.dnsConfigPath)
	if err != nil {
		return nil, err
	}
	if len(config.Servers) == 0 {
		return nil, nil
	}
	server := config.Servers[0]
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, config.Port)
	}

	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	question := new(dns.Msg).SetQuestion(dns.Fqdn(host), dns.TypeANY)
	client := &dns.Client{Net: "tcp", Timeout: dnsTimeout}
	answer, _, err := client.ExchangeWithConn(question, &dns.Conn{Conn: conn})
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	for _, record := range answer.Answer {
		var raw net.IP
		switch record := record.(type) {
		case *dns.A:
			raw = record.A
		case *dns.AAAA:
			raw = record.AAAA
		}
		if ip, ok := netip.AddrFromSlice(raw); ok {
			ips = append(ips, ip)
		}
	}
	return ips, nil
}

// resolveHost gives the one address that an IP address or host name stands for, an IPv4 one if there is a choice.
func resolveHost(ctx context.Context, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	if !isHost(host) {
		return netip.Addr{}, fmt.Errorf("%w: %q is neither an IP address nor a host name", ErrInvalidAddress, host)
	}
	ips, err := lookupSystem(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	return preferIPv4(ips, host)
}

// resolveHostPort does the same for "host:port". It allocates nothing for an IP address.
func resolveHostPort(ctx context.Context, addr string) (netip.AddrPort, error) {
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
	ip, err := resolveHost(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

func preferIPv4(ips []netip.Addr, host string) (netip.Addr, error) {
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			return ip, nil
		}
	}
	if len(ips) == 0 {
		return netip.Addr{}, fmt.Errorf("no address found for host %q", host)
	}
	return ips[0], nil
}
