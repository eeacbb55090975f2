package resolve

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that looking up addresses depends on nothing else of this module.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, "github.com/miekg/dns"},
		Never:   walls.Impure,
	}.Check(t, ".")
}
