package printable

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that texts depend on nothing else.
func TestWalls(t *testing.T) {
	walls.Walls{Imports: []string{walls.Standard}, Sequential: true, Total: true, Variables: []string{}}.Check(t, ".")
}
