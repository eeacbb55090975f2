package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// dnsTimeout bounds the questions over TCP, so that a server that does not answer leaves time for the system's resolver.
const dnsTimeout = 3 * time.Second

// TCPFirst returns a source that asks one server over TCP before the system: servers such as Consul return all addresses of a
// name there, and only some over UDP. The server is the first one of the file, which has the format of resolv.conf.
func TCPFirst(path string, system Source) Source {
	return &tcpFirst{path: path, system: system}
}

type tcpFirst struct {
	path   string
	system Source // asked if the server has no address, and for services
}

// LookupNetIP asks over TCP for names with a dot in them. An error there is returned only if the system fails too.
func (r *tcpFirst) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	var tcpErr error
	if strings.Contains(host, ".") {
		var ips []netip.Addr
		if ips, tcpErr = r.lookupTCP(ctx, network, host); len(ips) > 0 {
			return ips, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look up %s: %w", host, contextError(ctx))
		}
		if tcpErr != nil {
			tcpErr = fmt.Errorf("look up %s over TCP: %w", host, tcpErr)
		}
	}
	ips, err := r.system.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, join(err, tcpErr)
	}
	return ips, nil
}

// LookupSRV asks the system, which changes to TCP for a large answer.
func (r *tcpFirst) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	return r.system.LookupSRV(ctx, service, proto, name)
}

// lookupTCP asks the first server of the file for all records of the host. Many servers do not answer that (RFC 8482), or only
// with an alias: then it asks for the addresses of both families, at the same time.
func (r *tcpFirst) lookupTCP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	config, err := dns.ClientConfigFromFile(r.path)
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

	any := askTCP(ctx, server, host, dns.TypeANY)
	if ips := any.addrs(network); len(ips) > 0 || any.final {
		return ips, any.err
	}
	v6 := make(chan dnsAnswer, 1)
	if network == "ip4" {
		v6 <- dnsAnswer{}
	} else {
		go func() { v6 <- askTCP(ctx, server, host, dns.TypeAAAA) }() // ends with ctx, and before this returns
	}
	var four dnsAnswer
	if network != "ip6" {
		four = askTCP(ctx, server, host, dns.TypeA)
	}
	six := <-v6
	return append(four.addrs(network), six.addrs(network)...), join(any.err, four.err, six.err)
}

// dnsAnswer is a server's answer to one question.
type dnsAnswer struct {
	records []dns.RR
	err     error
	final   bool // other questions have no answer either: no such name, or no server
}

// addrs returns the addresses of a network: "ip", "ip4" or "ip6".
func (a dnsAnswer) addrs(network string) (ips []netip.Addr) {
	for _, record := range a.records {
		var raw net.IP
		switch record := record.(type) {
		case *dns.A:
			raw = record.A
		case *dns.AAAA:
			raw = record.AAAA
		}
		ip, ok := netip.AddrFromSlice(raw)
		if ip = ip.Unmap(); ok && (network == "ip" || (network == "ip4") == ip.Is4()) {
			ips = append(ips, ip)
		}
	}
	return ips
}

// askTCP asks one question on a connection of its own.
func askTCP(ctx context.Context, server, host string, kind uint16) dnsAnswer {
	failed := func(err error) error { return fmt.Errorf("ask for %s: %w", dns.TypeToString[kind], err) }
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return dnsAnswer{err: failed(err), final: true}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	question := new(dns.Msg).SetQuestion(dns.Fqdn(host), kind)
	client := &dns.Client{Net: "tcp", Timeout: dnsTimeout}
	answer, _, err := client.ExchangeWithConn(question, &dns.Conn{Conn: conn})
	if err != nil {
		return dnsAnswer{err: failed(err), final: ctx.Err() != nil}
	}
	return dnsAnswer{records: answer.Answer, final: answer.Rcode == dns.RcodeNameError}
}

// contextError returns the reason why a context ended: the error of its kind, and the cause if it has another.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
