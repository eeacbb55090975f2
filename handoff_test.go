package memberlist

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestHandoffIsBounded: by messages and by bytes, but one message always has
// room; what is taken makes room.
func TestHandoffIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name         string
		depth, limit int
		sizes        []int
		waiting      int
	}{
		{"all", 3, 100, []int{10, 10, 10}, 3},
		{"too many", 3, 100, []int{10, 10, 10, 10, 10}, 3},
		{"too many bytes", 10, 100, []int{40, 40, 40}, 2},
		{"as many bytes as may be", 10, 100, []int{50, 50, 1}, 2},
		{"empty ones", 10, 100, []int{100, 0, 0}, 3},
		{"one too large alone", 10, 100, []int{500, 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandoff(tt.depth, tt.limit)
			in, into := new(parcel), make([]parcel, 10)
			for range 3 { // each time as the first: what was taken and begun has made room
				for _, n := range tt.sizes {
					in.add(wire.TypeUser, make([]byte, n))
				}
				if refused := h.offer(in); refused != len(tt.sizes)-tt.waiting || h.waiting() != tt.waiting {
					t.Errorf("%d refused, %d wait, want %d to wait", refused, h.waiting(), tt.waiting)
				}
				if len(in.parts) != 0 {
					t.Errorf("%d messages are left in the parcel", len(in.parts))
				}
				if n := h.take(into); n != 1 || h.waiting() != tt.waiting {
					t.Fatalf("%d parcels taken, %d messages wait, want 1 and %d", n, h.waiting(), tt.waiting)
				}
				messages := slices.Collect(into[0].messages())
				if len(messages) != tt.waiting {
					t.Fatalf("%d messages taken, want %d", len(messages), tt.waiting)
				}
				for i := range messages {
					if len(messages[i].body) != tt.sizes[i] {
						t.Errorf("message %d has %d bytes, want %d", i, len(messages[i].body), tt.sizes[i])
					}
				}
				h.began(messages)
				if h.waiting() != 0 {
					t.Errorf("%d wait that were begun", h.waiting())
				}
			}
		})
	}
}

// TestHandoffKeepsOrder: of parcels and of what is in them, however its ring grows and wraps around.
func TestHandoffKeepsOrder(t *testing.T) {
	h := newHandoff(100, 1<<20)
	in, into := new(parcel), make([]parcel, 7)
	put, got := 0, 0
	for round := range 200 {
		for range 1 + round%5 {
			in.after = uint64(put)
			for range 1 + put%3 {
				in.add(wire.TypeUser, []byte{byte(put), byte(put >> 8)})
				put++
			}
			if refused := h.offer(in); refused != 0 {
				t.Fatalf("%d refused", refused)
			}
		}
		for h.waiting() > 20*(round%2) {
			for _, p := range into[:h.take(into[:1+round%7])] {
				if p.after != uint64(got) {
					t.Fatalf("a parcel says %d, want %d", p.after, got)
				}
				messages := slices.Collect(p.messages())
				for _, m := range messages {
					if want := []byte{byte(got), byte(got >> 8)}; !bytes.Equal(m.body, want) {
						t.Fatalf("got message %x, want %x", m.body, want)
					}
					got++
				}
				h.began(messages)
			}
		}
	}
	if got < 500 || got > put {
		t.Errorf("%d messages of %d", got, put)
	}
}

// TestHandoffWakesOnce: the taker is woken once for what was put since the last time.
func TestHandoffWakesOnce(t *testing.T) {
	h := newHandoff(10, 100)
	h.wake()
	if len(h.ready) != 0 {
		t.Errorf("%d wake-ups with nothing to take", len(h.ready))
	}
	in := new(parcel)
	for range 2 {
		in.add(wire.TypeUser, nil)
		h.offer(in)
		h.wake()
		if len(h.ready) != 1 {
			t.Errorf("%d wake-ups, want one", len(h.ready))
		}
		<-h.ready
		h.wake()
		if len(h.ready) != 0 {
			t.Error("woken again for the same")
		}
	}
}

// TestHandoffUsesFewParcels: one packet at a time moves through the memory of as many parcels as that takes, not of all that
// there may be.
func TestHandoffUsesFewParcels(t *testing.T) {
	h := newHandoff(1024, 1<<20)
	in, into := new(parcel), make([]parcel, drainParcels)
	used := make(map[*byte]bool)
	for range 100 {
		in.add(wire.TypeUser, []byte("message"))
		used[&in.bytes[0]] = true
		h.offer(in)
		if n := h.take(into); n != 1 {
			t.Fatalf("%d parcels taken, want 1", n)
		}
		h.began(slices.Collect(into[0].messages()))
	}
	if want := 3; len(used) > want { // one that is put, one that waits, one that is handled
		t.Errorf("the memory of %d parcels was used, want %d", len(used), want)
	}
}

// TestHandoffGivesBurstsBack: of what many parcels took that waited at the same time, only so much is kept.
func TestHandoffGivesBurstsBack(t *testing.T) {
	const burst = 1024
	h := newHandoff(burst, math.MaxInt)
	in, into := new(parcel), make([]parcel, drainParcels)
	body := make([]byte, parcelKeepBytes)
	for range 3 {
		for range burst {
			in.add(wire.TypeUser, body)
			h.offer(in)
		}
		if h.mu.idle != 0 {
			t.Errorf("%d bytes are kept for nothing while all parcels are in use", h.mu.idle)
		}
		for n := h.take(into); n > 0; n = h.take(into) {
			for i := range into[:n] {
				h.began(slices.Collect(into[i].messages()))
			}
		}
		kept := 0
		for i := range h.mu.ring {
			kept += h.mu.ring[i].memory()
		}
		if kept != h.mu.idle || kept > handoffKeepBytes || kept < handoffKeepBytes/2 {
			t.Errorf("%d bytes are kept, counted as %d, want at most %d and about that", kept, h.mu.idle, handoffKeepBytes)
		}
	}
}
