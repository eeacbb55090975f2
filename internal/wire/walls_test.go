package wire

import (
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls: this package and lzw turn values into bytes and back, and do nothing else.
func TestWalls(t *testing.T) {
	w := walls.Walls{
		Imports: []string{
			"bytes", "crypto/aes", "crypto/cipher", "encoding/binary", "errors", "fmt", "hash/crc32", "hash/maphash", "io", "math",
			"math/bits", "slices", "strconv",
			"github.com/golang/snappy", "github.com/hashicorp/go-msgpack/v2/codec", "internal/lzw",
		},
		Only: map[string][]string{
			"crypto/cipher": {"AEAD", "NewGCM"}, // none that draws nonces of its own
			"fmt":           {"Errorf"},
			"hash/maphash":  {"Seed", "MakeSeed", "Bytes"},
			"io":            {"Reader", "EOF", "ErrUnexpectedEOF", "ErrNoProgress"},
		},
		Sequential: true,
		Total:      true,
		Variables:  []string{"shapes", "fallbackHandle"}, // never written after the start
	}
	w.Check(t, ".")
	w.Check(t, "../lzw")
}
