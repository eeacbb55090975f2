package streamset

import (
	"errors"
	"net"
	"net/netip"
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

func source(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }

// TestLimits: at a limit a new stream takes the place of the oldest one of those that the limit is about, if that is slow, and is
// closed otherwise.
func TestLimits(t *testing.T) {
	start := time.Unix(0, 0)
	for _, tt := range []struct {
		name    string
		sources int // each with MaxPerSource streams
		from    int // the source of one more
		age     time.Duration
		evicted int // index; -1: none
		err     error
	}{
		{"below all limits", 1, 1, 0, -1, nil},
		{"one source is full", 2, 1, SlowAfter - 1, -1, ErrFull},
		{"one source is full of slow ones", 2, 1, SlowAfter, MaxPerSource, nil},
		{"all are full", MaxInbound / MaxPerSource, 100, SlowAfter - 1, -1, ErrFull},
		{"all are full of slow ones", MaxInbound / MaxPerSource, 100, SlowAfter, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Set
			var open []*conn
			var inbound []*Inbound
			for i := range tt.sources {
				for range MaxPerSource {
					c := new(conn)
					in, evicted, err := s.Accept(c, source(i), start)
					if err != nil || evicted != nil {
						t.Fatalf("stream %d of source %d: %v, %v", len(open), i, evicted, err)
					}
					open, inbound = append(open, c), append(inbound, in)
				}
			}
			more := new(conn)
			in, evicted, err := s.Accept(more, source(tt.from), start.Add(tt.age))
			if !errors.Is(err, tt.err) || more.closed != (tt.err != nil) {
				t.Errorf("got %v, closed %v, want %v", err, more.closed, tt.err)
			}
			for i, c := range open {
				if want := i == tt.evicted; c.closed != want || want && evicted != net.Conn(c) {
					t.Errorf("stream %d: closed %v, want %v; evicted %v", i, c.closed, want, evicted)
				}
			}
			if in != nil {
				inbound = append(inbound, in)
			}
			for _, in := range inbound { // the evicted one, too
				in.Close()
			}
			if s.NumInbound() != 0 || s.Len() != 0 || len(s.mu.bySource) != 0 {
				t.Errorf("%d inbound, %d open, %v by source are left", s.NumInbound(), s.Len(), s.mu.bySource)
			}
		})
	}
}

// TestCloseAll closes streams in both directions, and those that come later.
func TestCloseAll(t *testing.T) {
	var s Set
	var conns [4]conn
	if _, _, err := s.Accept(&conns[0], source(0), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(&conns[1]); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 2 {
		t.Errorf("%d open, want 2", s.Len())
	}
	s.CloseAll()
	if _, _, err := s.Accept(&conns[2], source(0), time.Time{}); !errors.Is(err, ErrClosed) {
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
