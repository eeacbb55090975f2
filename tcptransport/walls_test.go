package tcptransport

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that the transport needs no more than the standard library beside this module, and knows nothing of the protocol.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, walls.Module, "internal/lifecycle", "internal/logging", "internal/metrics", "internal/resolve",
			"internal/sockets"},
		Total: true,
	}.Check(t, ".")
}
