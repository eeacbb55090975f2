package memberlist

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// system is a fake of the system's resolver that records its queries.
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

func parseIPs(texts ...string) (ips []netip.Addr) {
	for _, text := range texts {
		ips = append(ips, netip.MustParseAddr(text))
	}
	return ips
}

// TestAddressFamilies: the families have the values of package resolve.
func TestAddressFamilies(t *testing.T) {
	for ours, theirs := range map[AddressFamily]resolve.Family{
		AnyFamily: resolve.Any, PreferIPv4: resolve.PreferIPv4, PreferIPv6: resolve.PreferIPv6,
		OnlyIPv4: resolve.OnlyIPv4, OnlyIPv6: resolve.OnlyIPv6,
	} {
		if resolve.Family(ours) != theirs {
			t.Errorf("%d is %d", ours, theirs)
		}
	}
}

// TestConfiguredResolver: a configured resolver receives all queries, and no other does.
func TestConfiguredResolver(t *testing.T) {
	sys := &system{ips: parseIPs("fd00::1", "127.0.0.1")}
	config := loopbackConfig("a")
	config.Resolver, config.AddressFamily = sys, OnlyIPv4
	config.BindAddr, config.AdvertiseAddr = "bind.example.com", "advertise.example.com"
	m, err := Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Shutdown()
	if got := m.LocalNode().Addr.String(); got != "127.0.0.1" {
		t.Errorf("advertises %s", got)
	}
	if n, err := m.Join([]string{"seed.example.com"}); n != 1 || err != nil {
		t.Errorf("joined %d, %v; want itself", n, err)
	}
	want := []string{"ip4 bind.example.com", "ip4 advertise.example.com", "ip4 seed.example.com"}
	if !slices.Equal(sys.asked, want) {
		t.Errorf("asked for %v, want %v", sys.asked, want)
	}
}
