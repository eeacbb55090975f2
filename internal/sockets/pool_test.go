package sockets

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
)

func TestPooledPacketsHoldCopies(t *testing.T) {
	var pool pool
	for _, tt := range []struct {
		name string
		from string
		want net.UDPAddr
	}{
		{"IPv4", "10.0.0.1:80", net.UDPAddr{IP: net.IP{10, 0, 0, 1}, Port: 80}},
		{"IPv4 through IPv6", "[::ffff:10.0.0.1]:80", net.UDPAddr{IP: net.IP{10, 0, 0, 1}, Port: 80}},
		{"IPv6", "[fd00::1]:80", net.UDPAddr{IP: net.ParseIP("fd00::1"), Port: 80}},
		{"zone", "[fe80::1%eth0]:80", net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"}},
		{"no zone again", "[fe80::1]:80", net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 80}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{0, 1, 256, 257, 1400, 1536, 1537, 8 << 10, 64 << 10} {
				in := bytes.Repeat([]byte{7}, size)
				at := time.Unix(int64(size), 0)
				p := pool.get(in, netip.MustParseAddrPort(tt.from), at)
				clear(in)
				if len(p.Buf) != size || bytes.Count(p.Buf, []byte{7}) != size {
					t.Errorf("size %d: got %d bytes, or not those", size, len(p.Buf))
				}
				if cap(p.Buf) > 8*max(size, 256) {
					t.Errorf("size %d: holds %d bytes", size, cap(p.Buf))
				}
				from := p.From.(*net.UDPAddr)
				if !from.IP.Equal(tt.want.IP) || from.Port != tt.want.Port || from.Zone != tt.want.Zone {
					t.Errorf("from %v, want %v", from, &tt.want)
				}
				if !p.Timestamp.Equal(at) {
					t.Errorf("at %v, want %v", p.Timestamp, at)
				}
				pool.put(p)
			}
		})
	}
}

func TestPoolLeavesStrangePackets(t *testing.T) {
	var pool pool
	pool.put(&Packet{})
	pool.put(&Packet{Buf: make([]byte, 256), From: &net.TCPAddr{}})
	pool.put(&Packet{Buf: make([]byte, 100), From: &net.UDPAddr{}})
	for class := range pool.classes {
		if p := pool.classes[class].Get(); p != nil {
			t.Errorf("class %d took %v", class, p)
		}
	}
}

func TestPooledPacketsAllocateNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector a pool drops some of what is put there")
	}
	var pool pool
	b := make([]byte, 1400)
	from := netip.MustParseAddrPort("10.0.0.1:80")
	if n := testing.AllocsPerRun(100, func() { pool.put(pool.get(b, from, time.Time{})) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
