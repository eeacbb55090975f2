package envelope

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that the layers of packets and streams depend on their bytes alone.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:    []string{walls.Standard, "internal/wire"},
		Sequential: true,
		Total:      true,
		Variables:  []string{"sealSpace", "checksumSpace", "noKeys", "compressors", "frames"},
	}.Check(t, ".")
}
