package queue

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls: the package is a data structure and does nothing else.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:    []string{"github.com/google/btree", "math", "slices"},
		Sequential: true,
	}.Check(t, ".")
}
