//go:build unix

package crowds

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that crowds see a library from outside only.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, walls.Module},
		Total:   true,
	}.Check(t, ".")
}
