package sockets

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that sockets do not depend on what is sent over them.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, "github.com/hashicorp/go-sockaddr", "internal/logging", "internal/resolve"},
		Total:   true,
	}.Check(t, ".")
}
