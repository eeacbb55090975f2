package sockets

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// fakeInterfaces returns the interfaces of a machine with these addresses.
func fakeInterfaces(t *testing.T, private string, prefixes ...string) interfaces {
	t.Helper()
	var all []net.Addr
	for _, prefix := range prefixes {
		ip, network, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	return interfaces{
		private: func() (string, error) { return private, nil },
		all:     func() ([]net.Addr, error) { return all, nil },
	}
}

func TestFindAdvertiseAddr(t *testing.T) {
	for _, tt := range []struct {
		name     string
		private  string
		prefixes []string
		family   resolve.Family
		want     string // empty: none
		reason   string
	}{
		{"private", "10.0.0.1", []string{"8.8.8.8/24", "10.0.0.1/8"}, resolve.Any, "10.0.0.1", "private"},
		{"public IPv4", "", []string{"127.0.0.1/8", "2001:db8::1/64", "8.8.8.8/24", "9.9.9.9/24"}, resolve.Any, "8.8.8.8", "IPv4"},
		{"IPv6 alone", "", []string{"::1/128", "fe80::1/64", "2001:db8::1/64"}, resolve.Any, "2001:db8::1", "IPv6"},
		{"private that is no address", "x", []string{"8.8.8.8/24"}, resolve.Any, "8.8.8.8", "IPv4"},
		{"loopback and link-local", "", []string{"127.0.0.1/8", "::1/128", "fe80::1/64", "169.254.0.1/16"}, resolve.Any, "", ""},
		{"none", "", nil, resolve.Any, "", ""},
		{"IPv6 preferred", "10.0.0.1", []string{"10.0.0.1/8", "2001:db8::1/64"}, resolve.PreferIPv6, "2001:db8::1", "IPv6"},
		{"IPv6 preferred, none there", "10.0.0.1", []string{"10.0.0.1/8", "fe80::1/64"}, resolve.PreferIPv6, "10.0.0.1", "private"},
		{"IPv6 only", "10.0.0.1", []string{"10.0.0.1/8"}, resolve.OnlyIPv6, "", ""},
		{"IPv4 only", "", []string{"2001:db8::1/64"}, resolve.OnlyIPv4, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, reason, err := findAdvertiseAddr(fakeInterfaces(t, tt.private, tt.prefixes...), tt.family)
			if tt.want == "" {
				if !errors.Is(err, ErrNoAddress) {
					t.Errorf("got %v, %v, want %v", addr, err, ErrNoAddress)
				}
				return
			}
			if err != nil || addr.String() != tt.want || !strings.Contains(reason, tt.reason) {
				t.Errorf("got %v because %q, %v, want %s because %q", addr, reason, err, tt.want, tt.reason)
			}
		})
	}
}

func TestFindAdvertiseAddrGoesOnAfterAnError(t *testing.T) {
	from := fakeInterfaces(t, "", "8.8.8.8/24")
	from.private = func() (string, error) { return "", errors.New("no routing table") }
	if addr, _, err := findAdvertiseAddr(from, resolve.Any); err != nil || addr.String() != "8.8.8.8" {
		t.Errorf("got %v, %v", addr, err)
	}
	broken := errors.New("broken")
	from.all = func() ([]net.Addr, error) { return nil, broken }
	if _, _, err := findAdvertiseAddr(from, resolve.Any); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

func TestChoiceIsLoggedOnce(t *testing.T) {
	s, out := newBare()
	for range 2 {
		if _, err := s.chooseAdvertiseAddr(fakeInterfaces(t, "10.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.chooseAdvertiseAddr(fakeInterfaces(t, "", "8.8.8.8/24")); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "addr=10.0.0.1 reason=\"private") ||
		!strings.Contains(lines[1], "addr=8.8.8.8 reason=\"no private") {
		t.Errorf("got lines %q", lines)
	}
}
