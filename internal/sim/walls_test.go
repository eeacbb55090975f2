package sim

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls checks the conditions under which a seed yields one history: no clock but the virtual one, and no
// randomness but the seed's.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:    []string{walls.Standard, "internal/swim", "internal/wire"},
		Never:      walls.Impure,
		Sequential: true,
		Concurrent: []string{"sweep.go"}, // runs several seeds at the same time
	}.Check(t, ".")
}
