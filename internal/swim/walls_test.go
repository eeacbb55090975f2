package swim

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls checks that the core is a plain value: no goroutine, channel, clock or global randomness.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{
			"bytes", "cmp", "container/heap", "encoding/binary", "errors", "fmt", "hash/maphash", "io", "iter", "math", "math/bits", "math/rand/v2", "net/netip",
			"reflect", "slices", "strings", "time",
			"internal/index", "internal/queue", "internal/recorder", "internal/wire",
		},
		Only:       map[string][]string{"fmt": {"Errorf", "Sprintf"}, "io": {"EOF"}, "reflect": {"Type", "TypeFor"}},
		Never:      walls.Impure,
		Sequential: true,
	}.Check(t, ".")
}
