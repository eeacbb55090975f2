package logging

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

func TestWalls(t *testing.T) {
	walls.Walls{Imports: []string{walls.Standard}}.Check(t, ".")
}
