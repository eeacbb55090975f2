package wire

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestSizes: Size is the number of bytes that Append appends, on both sides of each length at which a descriptor
// grows.
func TestSizes(t *testing.T) {
	type sized interface {
		Message
		Size() int
	}
	lengths := []int{-1, 0, 1, 30, 31, 32, 33, 255, 256, math.MaxUint16, math.MaxUint16 + 1}
	numbers := []uint32{0, 127, 128, math.MaxUint8, math.MaxUint8 + 1, math.MaxUint16, math.MaxUint16 + 1, math.MaxUint32}
	raw := func(n int) []byte {
		if n < 0 {
			return nil
		}
		return make([]byte, n)
	}
	var messages []sized
	for _, n := range lengths {
		name := strings.Repeat("n", max(n, 0))
		messages = append(messages,
			&Alive{Node: name}, &Alive{Addr: raw(n)}, &Alive{Meta: raw(n)}, &Alive{Vsn: raw(n)},
			&Suspect{Node: name}, &Suspect{From: name}, &Dead{Node: name}, &Dead{From: name})
	}
	for _, n := range numbers {
		messages = append(messages, &Alive{Incarnation: n}, &Alive{Port: uint16(n)}, &Suspect{Incarnation: n}, &Dead{Incarnation: n})
	}
	for _, m := range messages {
		if got, want := m.Size(), len(m.Append(nil)); got != want {
			t.Errorf("%s: got %d, want %d", strings.Trim(fmt.Sprintf("%T %.80v", m, m), "\n"), got, want)
		}
	}
}
