package streamset

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/walls"
)

func TestWalls(t *testing.T) {
	walls.Walls{Imports: []string{walls.Standard}}.Check(t, ".")
}

// conn is a stream that notes when it is closed.
type conn struct {
	net.Conn
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

func (c *conn) Read(b []byte) (int, error) { return len(b), nil }

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// TestVictim: a stream above the limit replaces one of the source that has the most.
func TestVictim(t *testing.T) {
	type group struct { // streams of one source, opened one after another
		source, n int
		spoke     bool
	}
	start := time.Unix(0, 0)
	for _, tt := range []struct {
		name    string
		open    []group
		from    int // the source of one more
		age     time.Duration
		evicted int // index; -1: none
	}{
		{"there is room", []group{{0, MaxInbound - 1, false}}, 0, time.Hour, -1},
		{"one source, all unread", []group{{0, MaxInbound, false}}, 1, 0, 0},
		{"one source, all read", []group{{0, MaxInbound, true}}, 1, 0, 0},
		{"its own source has most", []group{{0, 200, false}, {1, 312, false}}, 1, 0, 200},
		{"it makes its source the one with the most streams", []group{{0, 256, false}, {1, 256, false}}, 1, 0, 256},
		{"old ones of another source", []group{{0, 200, false}, {1, 312, false}}, 0, time.Hour, 200},
		{"unread ones of another source", []group{{0, 255, false}, {1, 257, true}}, 2, time.Hour, 255},
		{"read ones go last", []group{{0, 256, true}, {0, 256, false}}, 1, 0, 256},
		{"unless most have been read", []group{{0, 257, true}, {0, 255, false}}, 1, silentAfter - 1, 0},
		{"and the unread ones are young", []group{{0, 511, true}, {0, 1, false}}, 1, silentAfter, 511},
		{"equal sources, of which one is silent", []group{{0, 256, true}, {1, 256, false}}, 2, 0, 256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Set
			var inbound []*Inbound
			var conns []*conn
			for _, g := range tt.open {
				for range g.n {
					c := new(conn)
					in, evicted, err := s.Accept(c, address(g.source), start)
					if err != nil || evicted != nil {
						t.Fatalf("stream %d: %v, %v", len(conns), evicted, err)
					}
					if g.spoke {
						in.Read(make([]byte, 1))
					}
					inbound, conns = append(inbound, in), append(conns, c)
				}
			}
			in, evicted, err := s.Accept(new(conn), address(tt.from), start.Add(tt.age))
			if err != nil {
				t.Fatal(err)
			}
			got := -1
			if evicted != nil {
				got = slices.Index(inbound, evicted)
			}
			if got != tt.evicted {
				t.Errorf("evicted %d, want %d", got, tt.evicted)
			}
			for i, c := range conns {
				if c.closed != (i == tt.evicted) {
					t.Errorf("stream %d: closed %v", i, c.closed)
				}
			}
			if n := s.NumInbound(); n != MaxInbound {
				t.Errorf("%d streams, want %d", n, MaxInbound)
			}
			for _, in := range append(inbound, in) { // the evicted one, too
				in.Read(make([]byte, 1))
				in.Close()
			}
			if s.NumInbound() != 0 || s.Len() != 0 || len(s.mu.sources) != 0 {
				t.Errorf("%d inbound, %d open, %d sources are left", s.NumInbound(), s.Len(), len(s.mu.sources))
			}
		})
	}
}

// TestSources: a source is an IPv4 address, or an IPv6 network in which one peer can have all addresses.
func TestSources(t *testing.T) {
	var s Set
	for _, tt := range []struct {
		addr string
		open int // of the same source, with this one
	}{
		{"10.0.0.1", 1}, {"10.0.0.2", 1}, {"::ffff:10.0.0.1", 2}, {"2001:db8::1", 1}, {"2001:db8::2:1", 2}, {"2001:db8:0:1::1", 1},
		{"fe80::1%eth0", 1}, {"fe80::2%eth1", 2}, {"", 1},
	} {
		addr, _ := netip.ParseAddr(tt.addr)
		in, _, err := s.Accept(new(conn), addr, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if in.source.open != tt.open {
			t.Errorf("%q: %d streams of its source, want %d", tt.addr, in.source.open, tt.open)
		}
	}
}

// TestCloseAll closes the streams of both directions, and those that are opened later.
func TestCloseAll(t *testing.T) {
	var s Set
	var conns [4]conn
	if _, _, err := s.Accept(&conns[0], address(0), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(&conns[1]); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 2 {
		t.Errorf("%d open, want 2", s.Len())
	}
	s.CloseAll()
	if _, _, err := s.Accept(&conns[2], address(0), time.Time{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if err := s.Open(&conns[3]); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	for i := range conns {
		if !conns[i].closed {
			t.Errorf("stream %d is open", i)
		}
	}
	if s.NumInbound() != 1 { // its goroutine calls Close
		t.Errorf("%d inbound, want 1", s.NumInbound())
	}
}

func TestReservations(t *testing.T) {
	var s Set
	var a, b Reservation
	if err := s.Reserve(&a, MaxBytes-1); err != nil {
		t.Error(err)
	}
	if err := s.Reserve(&b, 2); !errors.Is(err, ErrMemory) {
		t.Errorf("got %v, want ErrMemory", err)
	}
	if err := s.Reserve(&b, 1); err != nil || s.Bytes() != MaxBytes {
		t.Errorf("got %v, %d bytes", err, s.Bytes())
	}
	s.Release(&a)
	s.Release(&a)
	if s.Bytes() != 1 {
		t.Errorf("%d bytes, want those of b", s.Bytes())
	}
	s.Release(&b)
	if s.Bytes() != 0 {
		t.Errorf("%d bytes are left", s.Bytes())
	}
}
