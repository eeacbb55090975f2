package statuspage

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that the page uses what any program can.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:    []string{walls.Standard, walls.Module, "internal/printable"},
		Sequential: true,
		Concurrent: []string{"history.go"},
		Total:      true,
		Variables:  []string{"files", "assets", "assetVersion", "version", "columns", "states", "reasons", "pageTemplate"},
	}.Check(t, ".")
}
