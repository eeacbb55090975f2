package memberlist

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
	"testing"

	"github.com/miekg/dns"
)

func TestParseJoinAddress(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want joinAddress // zero: refused
	}{
		{"10.0.0.1", joinAddress{"", "10.0.0.1", 7946}},
		{"10.0.0.1:80", joinAddress{"", "10.0.0.1", 80}},
		{"10.0.0.1:65535", joinAddress{"", "10.0.0.1", 65535}},
		{"a/10.0.0.1", joinAddress{"a", "10.0.0.1", 7946}},
		{"a/10.0.0.1:80", joinAddress{"a", "10.0.0.1", 80}},
		{"::1", joinAddress{"", "::1", 7946}},
		{"[::1]", joinAddress{"", "::1", 7946}},
		{"[::1]:80", joinAddress{"", "::1", 80}},
		{"a/[fd00::1]:40000", joinAddress{"a", "fd00::1", 40000}},
		{"fe80::1%eth0", joinAddress{"", "fe80::1%eth0", 7946}},
		{"host", joinAddress{"", "host", 7946}},
		{"a.b/host.example.com:80", joinAddress{"a.b", "host.example.com", 80}},
		{"host.example.com.", joinAddress{"", "host.example.com.", 7946}},
		{"under_score", joinAddress{"", "under_score", 7946}},
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
		{in: "ho st"},
		{in: "host..com"},
		{in: strings.Repeat("h", 64)},
		{in: strings.Repeat("h.", 128)},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseJoinAddress(tt.in, 7946)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if refused := tt.want == (joinAddress{}); refused != errors.Is(err, ErrInvalidAddress) || refused != (err != nil) {
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

// system stands in for the system's resolver.
type system struct {
	ips   []netip.Addr
	err   error
	asked []string
}

func (s *system) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	s.asked = append(s.asked, host)
	return s.ips, s.err
}

func TestResolveIPAddressAsksNobody(t *testing.T) {
	var sys system
	r := &resolver{dnsConfigPath: "/does/not/exist", lookup: sys.lookup}
	for in, want := range map[string]Address{
		"10.0.0.1":               {Addr: "10.0.0.1:7946"},
		"a/[fd00::1]:80":         {Addr: "[fd00::1]:80", Name: "a"},
		"[::ffff:10.0.0.1]:80":   {Addr: "10.0.0.1:80"},
		"[fe80::1%eth0]:40000":   {Addr: "[fe80::1%eth0]:40000"},
		"b/127.0.0.1:65535":      {Addr: "127.0.0.1:65535", Name: "b"},
		"0:0:0:0:0:0:0:1":        {Addr: "[::1]:7946"},
		"name.with.dots/8.8.8.8": {Addr: "8.8.8.8:7946", Name: "name.with.dots"},
	} {
		got, err := r.resolve(t.Context(), in, 7946)
		if err != nil || !slices.Equal(got, []Address{want}) {
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
	r := &resolver{dnsConfigPath: server.config, lookup: sys.lookup}
	got, err := r.resolve(t.Context(), "a/join.example.com:80", 7946)
	if err != nil {
		t.Fatal(err)
	}
	want := []Address{
		{Addr: "10.0.0.1:80", Name: "a"}, {Addr: "[fd00::1]:80", Name: "a"}, {Addr: "10.0.0.2:80", Name: "a"},
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
			sys := system{ips: []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.9")}}
			r := &resolver{dnsConfigPath: tt.config, lookup: sys.lookup}
			got, err := r.resolve(t.Context(), tt.host, 7946)
			if want := []Address{{Addr: "10.0.0.9:7946"}}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
			if !slices.Equal(sys.asked, []string{tt.host}) {
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
	r := &resolver{dnsConfigPath: "/does/not/exist", lookup: sys.lookup}
	if _, err := r.resolve(t.Context(), "host.example.com", 1); !errors.Is(err, broken) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want both causes", err)
	}
	sys.err = nil
	if got, err := r.resolve(t.Context(), "host", 1); err == nil {
		t.Errorf("nothing found: got %v without an error", got)
	}
	if _, err := r.resolve(t.Context(), "", 1); !errors.Is(err, ErrInvalidAddress) {
		t.Errorf("empty: got error %v, want %v", err, ErrInvalidAddress)
	}
}

func TestResolveGivesBoundedResults(t *testing.T) {
	var sys system
	for i := range 2 * maxResolved {
		sys.ips = append(sys.ips, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	r := &resolver{lookup: sys.lookup}
	got, err := r.resolve(t.Context(), "host", 1)
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
	r := &resolver{dnsConfigPath: server.config, lookup: sys.lookup}
	done := make(chan error)
	go func() {
		_, err := r.resolve(ctx, "host.example.com", 1)
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
		got, err := resolveHostPort(t.Context(), in)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "10.0.0.1", "10.0.0.1:x y", ":80", "10.0.0.256:80", "[::1]80"} {
		if got, err := resolveHostPort(t.Context(), in); !errors.Is(err, ErrInvalidAddress) {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, ErrInvalidAddress)
		}
	}
	if n := testing.AllocsPerRun(100, func() { resolveHostPort(context.Background(), "10.0.0.1:80") }); n != 0 {
		t.Errorf("%v allocations for an IP address", n)
	}
}

func TestPreferIPv4(t *testing.T) {
	v6, v4 := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.0.0.1")
	if got, err := preferIPv4([]netip.Addr{v6, v4}, "h"); err != nil || got != v4 {
		t.Errorf("both: got %v, %v", got, err)
	}
	if got, err := preferIPv4([]netip.Addr{v6}, "h"); err != nil || got != v6 {
		t.Errorf("IPv6 alone: got %v, %v", got, err)
	}
	if _, err := preferIPv4(nil, "h"); err == nil {
		t.Error("none: no error")
	}
}
