package memberlist

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/e3431adc/memberlist/internal/resolve"
)

// fakeInterfaces are those of a machine with these addresses.
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
		family   AddressFamily
		want     string // empty: none
		reason   string
	}{
		{"private", "10.0.0.1", []string{"8.8.8.8/24", "10.0.0.1/8"}, AnyFamily, "10.0.0.1", "private"},
		{"public IPv4", "", []string{"127.0.0.1/8", "2001:db8::1/64", "8.8.8.8/24", "9.9.9.9/24"}, AnyFamily, "8.8.8.8", "IPv4"},
		{"IPv6 alone", "", []string{"::1/128", "fe80::1/64", "2001:db8::1/64"}, AnyFamily, "2001:db8::1", "IPv6"},
		{"private that is no address", "x", []string{"8.8.8.8/24"}, AnyFamily, "8.8.8.8", "IPv4"},
		{"loopback and link-local", "", []string{"127.0.0.1/8", "::1/128", "fe80::1/64", "169.254.0.1/16"}, AnyFamily, "", ""},
		{"none", "", nil, AnyFamily, "", ""},
		{"IPv6 preferred", "10.0.0.1", []string{"10.0.0.1/8", "2001:db8::1/64"}, PreferIPv6, "2001:db8::1", "IPv6"},
		{"IPv6 preferred, none there", "10.0.0.1", []string{"10.0.0.1/8", "fe80::1/64"}, PreferIPv6, "10.0.0.1", "private"},
		{"IPv6 only", "10.0.0.1", []string{"10.0.0.1/8"}, OnlyIPv6, "", ""},
		{"IPv4 only", "", []string{"2001:db8::1/64"}, OnlyIPv4, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, reason, err := findAdvertiseAddr(fakeInterfaces(t, tt.private, tt.prefixes...), resolve.Family(tt.family))
			if tt.want == "" {
				if !errors.Is(err, ErrNoAdvertiseAddress) {
					t.Errorf("got %v, %v, want %v", addr, err, ErrNoAdvertiseAddress)
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

// fixedTransport has an address to advertise that is given to it.
type fixedTransport struct {
	Transport
	ip net.IP
}

func (f fixedTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return f.ip, 7946, nil }

// TestUnspecifiedAddressIsNotAdvertised: Create and SetAdvertiseAddr refuse an address that stands for all interfaces, from
// wherever it comes, and name the field.
func TestUnspecifiedAddressIsNotAdvertised(t *testing.T) {
	check := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, ErrInvalidAddress) || !strings.Contains(err.Error(), "AdvertiseAddr") {
			t.Errorf("error %v, want ErrInvalidAddress of AdvertiseAddr", err)
		}
	}
	for _, ip := range []net.IP{net.IPv4zero, net.IPv4zero.To4(), net.IPv6unspecified} {
		t.Run(ip.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				config := c.simConfig(0)
				config.Transport = fixedTransport{config.Transport, ip}
				_, err := Create(config)
				check(t, err)
			})
		})
	}
	t.Run("configured", func(t *testing.T) {
		goroutines(t)
		for _, addr := range []string{"0.0.0.0", "::", "everywhere"} {
			config := loopbackConfig("m0")
			config.AdvertiseAddr = addr
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.IPv4Unspecified()}, nil
			})
			_, err := Create(config)
			check(t, err)
		}
	})
	t.Run("SetAdvertiseAddr", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newSimCluster(t).grow(1, nil)
			defer c.stop()
			check(t, c.members[0].SetAdvertiseAddr(t.Context(), "0.0.0.0", 0))
			check(t, c.members[0].SetAdvertiseAddr(t.Context(), "::", 0))
		})
	})
}
