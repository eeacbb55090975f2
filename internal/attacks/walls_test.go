package attacks

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that attacks see a library from outside only, and its wire.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, walls.Module, "internal/wire"},
		Total:   true,
	}.Check(t, ".")
}
