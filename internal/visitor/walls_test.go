package visitor

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that a visitor needs the bytes of the protocol only.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:    []string{walls.Standard, "internal/envelope", "internal/wire"},
		Concurrent: []string{"pinger.go"},
		Sequential: true,
		Total:      true,
		Variables:  []string{},
	}.Check(t, ".")
}
