package recorder

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls checks that the package knows nothing of what is recorded, and takes no lock: a recording is taken by a goroutine that panics.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{
			"bytes", "cmp", "encoding/binary", "errors", "fmt", "hash/crc32", "hash/fnv", "io", "net/netip", "reflect", "slices", "strconv", "strings",
			"sync/atomic", "time", "unsafe",
		},
		Never:      walls.Impure,
		Sequential: true,
		Total:      true,
		Variables:  []string{"castagnoli", "errAliased"},
	}.Check(t, ".")
}
