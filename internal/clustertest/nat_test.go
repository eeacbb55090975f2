package clustertest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// nattedTransport sends its packets from the address of a NAT.
type nattedTransport struct {
	*simTransport
	nat *simnet.Endpoint
}

func (n *nattedTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now(), n.nat.Send(b, to)
}

func (n *nattedTransport) Shutdown() error {
	n.nat.Close()
	return n.simTransport.Shutdown()
}

// TestPortsThatANATRewrites: a member whose port a NAT rewrites is logged once by each member that it pings, and counted.
// Another address with the same port is not.
func TestPortsThatANATRewrites(t *testing.T) {
	for _, tt := range []struct {
		name string
		from netip.AddrPort
		told bool
	}{
		{"another port", netip.MustParseAddrPort("10.0.0.2:40000"), true},
		{"another address and port", netip.MustParseAddrPort("203.0.113.1:40000"), true},
		{"another address", netip.MustParseAddrPort("203.0.113.1:7946"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs [3]lineBuffer
				c := newSimCluster(t)
				defer c.stop()
				for i := range 2 {
					c.grow(1, func(config *memberlist.Config) { config.LogOutput = &logs[i] })
				}
				m := c.add(func(config *memberlist.Config) {
					nat, err := c.network.Listen(tt.from)
					if err != nil {
						t.Fatal(err)
					}
					config.Transport = &nattedTransport{config.Transport.(*simTransport), nat}
					config.LogOutput = &logs[2]
				})
				if _, err := m.Join(seedsAt(0)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				if !c.agree(3) || len(c.deaths()) > 0 {
					t.Error("the members do not reach each other")
				}
				for i := range 2 {
					lines := logs[i].containing("another port")
					pings := c.members[i].Stats().PingsFromOtherPort
					if !tt.told {
						if len(lines) > 0 || pings > 0 {
							t.Errorf("member %d counts %d pings and warns: %q", i, pings, lines)
						}
						continue
					}
					if len(lines) != 1 || pings < 100 {
						t.Fatalf("member %d warns %d times and counts %d pings, want once, and more than 100", i, len(lines), pings)
					}
					for _, want := range []string{"[WARN]", "node=m2", "advertised=10.0.0.2:7946", "from=" + tt.from.String()} {
						if !strings.Contains(lines[0], want) {
							t.Errorf("member %d warns without %q: %q", i, want, lines[0])
						}
					}
				}
				if lines := logs[2].containing("another port"); len(lines) > 0 {
					t.Errorf("the member behind the NAT warns of others: %q", lines)
				}
			})
		})
	}
}

// maxPortWarnings is the number of members for which the rewriting of ports is logged.
const maxPortWarnings = 16

// TestPortsThatAnyoneClaims: a sender that is no member, or not at the address that it names, causes no warning, and a
// thousand members behind NATs cause few.
func TestPortsThatAnyoneClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lineBuffer
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { config.LogOutput = &log })
		end := c.outsider(100)
		defer end.Close()
		ping := func(name string, at netip.AddrPort) {
			t.Helper()
			p := wire.Ping{SeqNo: 1, Node: "m0", SourceNode: name, SourceAddr: at.Addr().AsSlice(), SourcePort: at.Port()}
			if err := end.Send(p.Append(nil), simAddr(0)); err != nil {
				t.Fatal(err)
			}
		}
		known := func(i int) (string, netip.AddrPort) {
			return fmt.Sprintf("far%d", i), netip.AddrPortFrom(simAddr(1000+i).Addr(), 7000)
		}
		for i := range 3 * maxPortWarnings {
			name, at := known(i)
			alive := wire.Alive{Incarnation: 1, Node: name, Addr: at.Addr().AsSlice(), Port: at.Port(), Vsn: []byte{1, 5, 2, 0, 0, 0}}
			if err := c.believed().Send(alive.Append(nil), simAddr(0)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
		if m.NumMembers() != 3*maxPortWarnings+1 {
			t.Fatalf("%d members", m.NumMembers())
		}
		name, at := known(0)
		ping("nobody", at)
		ping(name, netip.AddrPortFrom(at.Addr(), 7001))
		ping(name, netip.AddrPortFrom(simAddr(3).Addr(), at.Port()))
		ping(name, netip.AddrPort{})
		time.Sleep(100 * time.Millisecond)
		if lines, n := log.containing("another port"), m.Stats().PingsFromOtherPort; len(lines) > 0 || n > 0 {
			t.Errorf("counts %d and warns %q", n, lines)
		}
		for range 2 {
			for i := range 3 * maxPortWarnings {
				ping(known(i))
			}
		}
		time.Sleep(100 * time.Millisecond)
		if lines, n := log.containing("another port"), m.Stats().PingsFromOtherPort; len(lines) != maxPortWarnings || n != 6*maxPortWarnings {
			t.Errorf("counts %d and warns %d times, want %d and %d", n, len(lines), 6*maxPortWarnings, maxPortWarnings)
		}
	})
}

// relabelledTransport gives packets another source address.
type relabelledTransport struct {
	*simTransport
	packets chan *memberlist.Packet
}

func relabelled(t *simTransport, from net.Addr) *relabelledTransport {
	r := &relabelledTransport{t, make(chan *memberlist.Packet)}
	go func() {
		defer close(r.packets)
		for {
			select {
			case p := <-t.packets:
				p.From = from
				r.packets <- p
			case <-t.ctx.Done():
				return
			}
		}
	}()
	return r
}

func (r *relabelledTransport) PacketCh() <-chan *memberlist.Packet { return r.packets }

// textAddr is an address of no network that is known.
type textAddr string

func (textAddr) Network() string { return "text" }

func (a textAddr) String() string { return string(a) }

// TestPortsThatAreNotUDPs: the ports of TCP addresses, of addresses in text form and of none do not count as rewritten.
func TestPortsThatAreNotUDPs(t *testing.T) {
	ip := net.IPv4(10, 0, 0, 0)
	for _, from := range []net.Addr{
		nil,
		textAddr("10.0.0.0:40000"),
		textAddr("@"),
		&net.TCPAddr{IP: ip, Port: 40000},
		&net.UDPAddr{IP: ip},
		&net.UDPAddr{IP: net.IPv6unspecified, Port: 40000},
	} {
		t.Run(fmt.Sprintf("%T %v", from, from), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lineBuffer
				c := newSimCluster(t)
				defer c.stop()
				c.grow(3, func(config *memberlist.Config) {
					config.Transport = relabelled(config.Transport.(*simTransport), from)
					config.LogOutput = &log
				})
				time.Sleep(10 * time.Minute)
				if lines, n := log.containing("another port"), c.members[0].Stats().PingsFromOtherPort; len(lines) > 0 || n > 0 {
					t.Errorf("counts %d pings and warns %q", n, lines)
				}
				if !c.agree(3) || len(c.deaths()) > 0 {
					t.Error("the members do not reach each other")
				}
			})
		})
	}
}
