package memberlist

import (
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
			h := newHandoff(tt.depth, tt.limit, func() {})
			messages := func() (m []handedOff) {
				for _, n := range tt.sizes {
					m = append(m, handedOff{kind: wire.TypeUser, body: make([]byte, n)})
				}
				return m
			}
			into := make([]handedOff, 10)
			for range 3 { // each time as the first: what was taken has made room
				if refused := h.put(messages()); refused != len(tt.sizes)-tt.waiting || h.waiting() != tt.waiting {
					t.Errorf("%d refused, %d wait, want %d to wait", refused, h.waiting(), tt.waiting)
				}
				if n := h.take(into); n != tt.waiting || h.waiting() != 0 {
					t.Errorf("%d taken, %d wait, want %d and 0", n, h.waiting(), tt.waiting)
				}
				for i := range tt.waiting {
					if len(into[i].body) != tt.sizes[i] {
						t.Errorf("message %d has %d bytes, want %d", i, len(into[i].body), tt.sizes[i])
					}
				}
			}
		})
	}
}
