package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestParseJoinAddress(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Address // zero: refused
	}{
		{"10.0.0.1", Address{"", "10.0.0.1", 7946, false}},
		{"10.0.0.1:80", Address{"", "10.0.0.1", 80, false}},
		{"10.0.0.1:65535", Address{"", "10.0.0.1", 65535, false}},
		{"a/10.0.0.1", Address{"a", "10.0.0.1", 7946, false}},
		{"a/10.0.0.1:80", Address{"a", "10.0.0.1", 80, false}},
		{"::1", Address{"", "::1", 7946, false}},
		{"[::1]", Address{"", "::1", 7946, false}},
		{"[::1]:80", Address{"", "::1", 80, false}},
		{"a/[fd00::1]:40000", Address{"a", "fd00::1", 40000, false}},
		{"fe80::1%eth0", Address{"", "fe80::1%eth0", 7946, false}},
		{"host", Address{"", "host", 7946, false}},
		{"a.b/host.example.com:80", Address{"a.b", "host.example.com", 80, false}},
		{"host.example.com.", Address{"", "host.example.com.", 7946, false}},
		{"under_score", Address{"", "under_score", 7946, false}},
		{"srv+_memberlist._tcp.example.com", Address{"", "_memberlist._tcp.example.com", 0, true}},
		{"a/srv+service", Address{"a", "service", 0, true}},
		{in: "srv+"},
		{in: "srv+service:80"},
		{in: "srv+10.0.0.1"},
		{in: "srv+[::1]"},
		{in: ""},
		{in: ":80"},
		{in: "/host"},
		{in: "a/"},
		{in: "a/:80"},
		{in: "a/b/c"},
		{in: "host:"},
		{in: "host:http"},
		{in: "host:-1"},
		{in: "host:65536"},
		{in: "[::1"},
		{in: "[::1]80"},
		{in: "[::1]:"},
		{in: "a:b:c"},
		{in: "10.0.0.256"},
		{in: "fe80::1%]0"}, // as found by FuzzJoinAddress
		{in: "ho st"},
		{in: "host..com"},
		{in: strings.Repeat("h", 64)},
		{in: strings.Repeat("h.", 128)},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := Parse(tt.in, 7946)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if refused := tt.want == (Address{}); refused != errors.Is(err, ErrInvalidAddress) || refused != (err != nil) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// dnsServer answers questions over TCP on the loopback interface.
type dnsServer struct {
	config    string // a file that names it
	questions chan dns.Question
}

func newDNSServer(t *testing.T, answer func(*dns.Msg)) *dnsServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dnsServer{
		config:    filepath.Join(t.TempDir(), "resolv.conf"),
		questions: make(chan dns.Question, 16),
	}
	if err := os.WriteFile(s.config, fmt.Appendf(nil, "nameserver %s\n", listener.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{
		Listener:          listener,
		NotifyStartedFunc: func() { close(started) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
			s.questions <- question.Question[0]
			reply := new(dns.Msg).SetReply(question)
			answer(reply)
			w.WriteMsg(reply)
		}),
	}
	served := make(chan struct{})
	go func() { // ends with the test
		defer close(served)
		server.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() {
		server.Shutdown()
		<-served
	})
	return s
}

// record reads a record as in a zone file.
func record(t *testing.T, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lookupFunc is a Resolver that knows hosts alone.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f lookupFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

func (f lookupFunc) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no services here")
}

// system stands in for the system's resolver, and notes what it is asked.
type system struct {
	ips      []netip.Addr
	services []*net.SRV
	err      error

	mu    sync.Mutex
	asked []string // "network host"
}

func (s *system) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	s.note(network + " " + host)
	return s.ips, s.err
}

func (s *system) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	s.note("srv " + service + proto + name)
	return "", s.services, s.err
}

func (s *system) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func parseIPs(texts ...string) (ips []netip.Addr) {
	for _, text := range texts {
		ips = append(ips, netip.MustParseAddr(text))
	}
	return ips
}

// newTCPFirst returns the resolver of a member without a Resolver of its own.
func newTCPFirst(path string, sys *system) Resolver {
	return New(TCPFirst(path, sys), Any)
}

func TestResolveIPAddressAsksNobody(t *testing.T) {
	var sys system
	r := newTCPFirst("/does/not/exist", &sys)
	for in, want := range map[string]Target{
		"10.0.0.1":               {Addr: addrPort("10.0.0.1:7946")},
		"a/[fd00::1]:80":         {Name: "a", Addr: addrPort("[fd00::1]:80")},
		"[::ffff:10.0.0.1]:80":   {Addr: addrPort("10.0.0.1:80")},
		"[fe80::1%eth0]:40000":   {Addr: addrPort("[fe80::1%eth0]:40000")},
		"b/127.0.0.1:65535":      {Name: "b", Addr: addrPort("127.0.0.1:65535")},
		"0:0:0:0:0:0:0:1":        {Addr: addrPort("[::1]:7946")},
		"name.with.dots/8.8.8.8": {Name: "name.with.dots", Addr: addrPort("8.8.8.8:7946")},
	} {
		got, err := r.Resolve(t.Context(), in, 7946)
		if err != nil || !slices.Equal(got, []Target{want}) {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	if len(sys.asked) > 0 {
		t.Errorf("asked the system for %v", sys.asked)
	}
}

func TestResolveOverTCPFirst(t *testing.T) {
	server := newDNSServer(t, func(reply *dns.Msg) {
		for _, text := range []string{
			"join.example.com. 0 IN CNAME other.example.com.",
			"join.example.com. 0 IN A 10.0.0.1",
			"join.example.com. 0 IN AAAA fd00::1",
			"join.example.com. 0 IN TXT nothing",
			"join.example.com. 0 IN A 10.0.0.1",
			"join.example.com. 0 IN A 10.0.0.2",
		} {
			reply.Answer = append(reply.Answer, record(t, text))
		}
	})
	var sys system
	r := newTCPFirst(server.config, &sys)
	got, err := r.Resolve(t.Context(), "a/join.example.com:80", 7946)
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{
		{Name: "a", Addr: addrPort("10.0.0.1:80")}, {Name: "a", Addr: addrPort("[fd00::1]:80")}, {Name: "a", Addr: addrPort("10.0.0.2:80")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if q := <-server.questions; q.Name != "join.example.com." || q.Qtype != dns.TypeANY {
		t.Errorf("asked for %v", q)
	}
	if len(sys.asked) > 0 {
		t.Errorf("asked the system too, for %v", sys.asked)
	}
}

func TestResolveAsksTheSystem(t *testing.T) {
	empty := newDNSServer(t, func(reply *dns.Msg) { reply.Rcode = dns.RcodeNameError })
	noServer := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(noServer, []byte("search example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, config, host string
	}{
		{"no dot", empty.config, "host"},
		{"nothing over TCP", empty.config, "host.example.com"},
		{"no server", noServer, "host.example.com"},
		{"no file", "/does/not/exist", "host.example.com"},
		{"no path", "", "host.example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sys := system{ips: parseIPs("::ffff:10.0.0.9")}
			r := newTCPFirst(tt.config, &sys)
			got, err := r.Resolve(t.Context(), tt.host, 7946)
			if want := []Target{{Addr: addrPort("10.0.0.9:7946")}}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
			if !slices.Equal(sys.asked, []string{"ip " + tt.host}) {
				t.Errorf("asked the system for %v", sys.asked)
			}
		})
	}
	if n := len(empty.questions); n != 1 {
		t.Errorf("%d questions over TCP, want the one for a host with a dot", n)
	}
}

func TestResolveFails(t *testing.T) {
	broken := errors.New("broken")
	sys := system{err: broken}
	r := newTCPFirst("/does/not/exist", &sys)
	if _, err := r.Resolve(t.Context(), "host.example.com", 1); !errors.Is(err, broken) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want both causes", err)
	}
	sys.err = nil
	if got, err := r.Resolve(t.Context(), "host", 1); err == nil {
		t.Errorf("nothing found: got %v without an error", got)
	}
	if _, err := r.Resolve(t.Context(), "", 1); !errors.Is(err, ErrInvalidAddress) {
		t.Errorf("empty: got error %v, want %v", err, ErrInvalidAddress)
	}
}

func TestResolveGivesBoundedResults(t *testing.T) {
	var sys system
	for i := range 2 * maxResolved {
		sys.ips = append(sys.ips, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	r := New(&sys, Any)
	got, err := r.Resolve(t.Context(), "host", 1)
	if err != nil || len(got) != maxResolved {
		t.Errorf("got %d results, %v, want %d", len(got), err, maxResolved)
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	server := newDNSServer(t, func(*dns.Msg) { <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	var sys system
	r := newTCPFirst(server.config, &sys)
	done := make(chan error)
	go func() {
		_, err := r.Resolve(ctx, "host.example.com", 1)
		done <- err
	}()
	<-server.questions // the resolver waits for the answer now
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if len(sys.asked) > 0 {
		t.Errorf("went on to ask the system for %v", sys.asked)
	}
}

func TestResolveHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:80":    "10.0.0.1:80",
		"[::1]:65535":    "[::1]:65535",
		"localhost:7946": "127.0.0.1:7946",
	} {
		got, err := New(nil, Any).AddrPort(t.Context(), in)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "10.0.0.1", "10.0.0.1:x y", ":80", "10.0.0.256:80", "[::1]80"} {
		if got, err := New(nil, Any).AddrPort(t.Context(), in); !errors.Is(err, ErrInvalidAddress) {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, ErrInvalidAddress)
		}
	}
	r := New(nil, Any)
	if n := testing.AllocsPerRun(100, func() { r.AddrPort(context.Background(), "10.0.0.1:80") }); n != 0 {
		t.Errorf("%v allocations for an IP address", n)
	}
}

func TestAddressFamily(t *testing.T) {
	mixed := parseIPs("fd00::1", "10.0.0.1", "::ffff:10.0.0.2", "fd00::2", "10.0.0.1")
	for _, tt := range []struct {
		family  Family
		network string
		want    []netip.Addr
		one     string
	}{
		{Any, "ip", parseIPs("fd00::1", "10.0.0.1", "10.0.0.2", "fd00::2"), "10.0.0.1"},
		{PreferIPv4, "ip", parseIPs("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"), "10.0.0.1"},
		{PreferIPv6, "ip", parseIPs("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2"), "fd00::1"},
		{OnlyIPv4, "ip4", parseIPs("10.0.0.1", "10.0.0.2"), "10.0.0.1"},
		{OnlyIPv6, "ip6", parseIPs("fd00::1", "fd00::2"), "fd00::1"},
	} {
		sys := system{ips: mixed}
		r := New(&sys, tt.family)
		if got, err := r.Addrs(t.Context(), "host"); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%d: got %v, %v, want %v", tt.family, got, err, tt.want)
		}
		if got, err := r.Addr(t.Context(), "host"); err != nil || got.String() != tt.one {
			t.Errorf("%d: got %v, %v as the one, want %s", tt.family, got, err, tt.one)
		}
		if want := tt.network + " host"; sys.asked[0] != want {
			t.Errorf("%d: asked for %q, want %q", tt.family, sys.asked[0], want)
		}
		if got, err := r.Addrs(t.Context(), "::ffff:10.0.0.3"); err != nil || !slices.Equal(got, parseIPs("10.0.0.3")) {
			t.Errorf("%d: got %v, %v for an IPv4 address written as IPv6", tt.family, got, err)
		}
		// An address that is given as such is used whatever the family.
		for _, ip := range []string{"10.0.0.1", "fd00::1"} {
			if got, err := r.Addr(t.Context(), ip); err != nil || got.String() != ip {
				t.Errorf("%d: got %v, %v for %s", tt.family, got, err, ip)
			}
		}
	}
	sys := system{ips: parseIPs("fd00::1")}
	if got, err := New(&sys, OnlyIPv4).Addrs(t.Context(), "host"); err == nil {
		t.Errorf("none of the family: got %v without an error", got)
	}
}

func TestResolveService(t *testing.T) {
	hosts := map[string][]netip.Addr{
		"one.example.com": parseIPs("10.0.0.1", "fd00::1"),
		"two.example.com": parseIPs("10.0.0.2"),
	}
	for _, tt := range []struct {
		name    string
		records []*net.SRV
		want    []Target // nil: an error
	}{
		{"hosts with ports", []*net.SRV{{Target: "two.example.com.", Port: 2}, {Target: "one.example.com.", Port: 1}},
			[]Target{{Name: "a", Addr: addrPort("10.0.0.2:2")}, {Name: "a", Addr: addrPort("10.0.0.1:1")}, {Name: "a", Addr: addrPort("[fd00::1]:1")}}},
		{"one host twice", []*net.SRV{{Target: "two.example.com.", Port: 1}, {Target: "two.example.com.", Port: 2}, {Target: "two.example.com", Port: 1}},
			[]Target{{Name: "a", Addr: addrPort("10.0.0.2:1")}, {Name: "a", Addr: addrPort("10.0.0.2:2")}}},
		{"a host that is not known", []*net.SRV{{Target: "three.example.com.", Port: 3}, {Target: "two.example.com.", Port: 2}},
			[]Target{{Name: "a", Addr: addrPort("10.0.0.2:2")}}},
		{"an IP address", []*net.SRV{{Target: "10.0.0.9.", Port: 9}}, []Target{{Name: "a", Addr: addrPort("10.0.0.9:9")}}},
		{"no host that is known", []*net.SRV{{Target: "three.example.com.", Port: 3}}, nil},
		{"not available", []*net.SRV{{Target: "."}}, nil},
		{"none", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unknown := errors.New("unknown")
			r := New(services{records: tt.records, lookupFunc: func(_ context.Context, host string) ([]netip.Addr, error) {
				if ips := hosts[host]; ips != nil {
					return ips, nil
				}
				return nil, unknown
			}}, Any)
			got, err := r.Resolve(t.Context(), "a/srv+_memberlist._tcp.example.com", 7946)
			if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// services is a Resolver that knows one service.
type services struct {
	lookupFunc
	records []*net.SRV
}

func (s services) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service+proto+name != "_memberlist._tcp.example.com" {
		return "", nil, errors.New("another service: " + service + proto + name)
	}
	return name, s.records, nil
}

// TestHostsOfAServiceAreLookedUpAtTheSameTime, but not all of a thousand.
func TestHostsOfAServiceAreLookedUpAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var records []*net.SRV
		for i := range 2 * 8 {
			records = append(records, &net.SRV{Target: fmt.Sprintf("host%d.", i), Port: 1})
		}
		r := New(services{records: records, lookupFunc: func(context.Context, string) ([]netip.Addr, error) {
			time.Sleep(time.Second)
			return parseIPs("10.0.0.1"), nil
		}}, Any)
		start := time.Now()
		if got, err := r.Resolve(t.Context(), "srv+_memberlist._tcp.example.com", 0); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v, want 2s", took)
		}
	})
}

// TestServicesAreBounded: of a service with very many records, so many hosts are looked up and so many addresses returned.
func TestServicesAreBounded(t *testing.T) {
	var records []*net.SRV
	for i := range 2 * maxResolved {
		records = append(records, &net.SRV{Target: fmt.Sprintf("host%d.", i), Port: 1})
	}
	var lookups, last atomic.Uint32
	r := New(services{records: records, lookupFunc: func(context.Context, string) ([]netip.Addr, error) {
		lookups.Add(1)
		ip := func() netip.Addr {
			n := last.Add(1)
			return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		}
		return []netip.Addr{ip(), ip()}, nil
	}}, Any)
	got, err := r.Resolve(t.Context(), "srv+_memberlist._tcp.example.com", 0)
	if err != nil || len(got) != maxResolved {
		t.Errorf("got %d targets, %v, want %d", len(got), err, maxResolved)
	}
	if lookups.Load() != maxResolved {
		t.Errorf("%d look-ups, want %d", lookups.Load(), maxResolved)
	}
}

// TestServersThatDoNotAnswerANY: they are asked for the addresses.
func TestServersThatDoNotAnswerANY(t *testing.T) {
	for name, answerANY := range map[string]func(*dns.Msg){
		"refused":         func(reply *dns.Msg) { reply.Rcode = dns.RcodeRefused },
		"not implemented": func(reply *dns.Msg) { reply.Rcode = dns.RcodeNotImplemented },
		"nothing":         func(*dns.Msg) {},
		"HINFO": func(reply *dns.Msg) {
			reply.Answer = append(reply.Answer, &dns.HINFO{Hdr: dns.RR_Header{Name: "join.example.com.", Rrtype: dns.TypeHINFO,
				Class: dns.ClassINET}, Cpu: "RFC8482"})
		},
		"an alias": func(reply *dns.Msg) {
			cname, _ := dns.NewRR("join.example.com. 0 IN CNAME other.example.com.")
			reply.Answer = append(reply.Answer, cname)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newDNSServer(t, func(reply *dns.Msg) {
				switch reply.Question[0].Qtype {
				case dns.TypeA:
					reply.Answer = append(reply.Answer, record(t, "join.example.com. 0 IN CNAME other.example.com."),
						record(t, "other.example.com. 0 IN A 10.0.0.1"))
				case dns.TypeAAAA:
					reply.Answer = append(reply.Answer, record(t, "join.example.com. 0 IN AAAA fd00::1"))
				default:
					answerANY(reply)
				}
			})
			var sys system
			for family, want := range map[Family][]Target{
				Any:      {{Addr: addrPort("10.0.0.1:80")}, {Addr: addrPort("[fd00::1]:80")}},
				OnlyIPv4: {{Addr: addrPort("10.0.0.1:80")}},
				OnlyIPv6: {{Addr: addrPort("[fd00::1]:80")}},
			} {
				r := New(TCPFirst(server.config, &sys), family)
				got, err := r.Resolve(t.Context(), "join.example.com:80", 7946)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("family %d: got %v, %v, want %v", family, got, err, want)
				}
			}
			if len(sys.asked) > 0 {
				t.Errorf("asked the system too, for %v", sys.asked)
			}
			// ANY each time, both families once, one of them twice.
			if n := len(server.questions); n != 3+2+2 {
				t.Errorf("%d questions, want 7", n)
			}
		})
	}
}
