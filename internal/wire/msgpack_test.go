package wire

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestAppendUint(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		if got, want := appendUint(nil, v), refEncode(t, v); !bytes.Equal(got, want) {
			t.Errorf("%d: got %x, want %x", v, got, want)
		}
	}
}

func TestAppendInt(t *testing.T) {
	for _, edge := range []int64{0, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, math.MaxInt32, math.MaxInt32 + 1,
		math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64} {
		for _, v := range []int64{edge, -edge, -edge - 1} {
			if got, want := appendInt(nil, v), refEncode(t, v); !bytes.Equal(got, want) {
				t.Errorf("%d: got %x, want %x", v, got, want)
			}
		}
	}
}

func TestAppendRaw(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("a", n)
		if got, want := appendString(nil, s), refEncode(t, s); !bytes.Equal(got, want) {
			t.Errorf("string of %d bytes: got %x..., want %x...", n, got[:min(8, len(got))], want[:min(8, len(want))])
		}
		if got, want := appendBytes(nil, []byte(s)), refEncode(t, []byte(s)); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %x..., want %x...", n, got[:min(8, len(got))], want[:min(8, len(want))])
		}
	}
	if got := appendBytes(nil, nil); !bytes.Equal(got, []byte{mpNil}) {
		t.Errorf("nil: got %x", got)
	}
}

// Bytes after a message are ignored, whatever its shape. (The bodies alone are seeds of the fuzz targets.)
func TestOddBodies(t *testing.T) {
	for i, body := range oddBodies(t, allFields...) {
		body = append(body, 1, 2, 3)
		switch i % 4 {
		case 0:
			agree[IndirectPing, refIndirectPing](t, body, nil)
		case 1:
			agree[Alive, refAlive](t, body, nil)
		case 2:
			agree[PushNodeState, refPushNodeState](t, body, nil)
		case 3:
			agree[Ack, refAck](t, body, nil)
		}
	}
}

// A message without a canonical shape is read in any order, at any width and with unknown keys before the fallback is asked.
func TestFastPathTakes(t *testing.T) {
	tests := []struct{ name, hex string }{
		{"another order", "82 a55365714e6f 07 a44e6f6465 a26e31"},
		{"other widths", "de0002 d905 5365714e6f cf0000000000000007 da0004 4e6f6465 c4026e31"},
		{"32-bit widths", "df00000002 db00000005 5365714e6f d200000007 c600000004 4e6f6465 c500026e31"},
		{"signed widths", "82 a55365714e6f d007 a44e6f6465 db000000026e31"},
		{"nil fields", "85 a55365714e6f d10007 a44e6f6465 a26e31 aa536f7572636541646472 c0 aa536f75726365506f7274 c0 aa536f757263654e6f6465 c0"},
		{"twice", "83 a55365714e6f 08 a44e6f6465 a26e31 a55365714e6f 07"},
		{"unknown keys", `8f a55365714e6f 07 a44e6f6465 a26e31 a161 01 a162 ff a163 c0 a164 c3 a165 cc01 a166 cd0001 a167 ce00000001
			a168 cf0000000000000001 a169 ca00000000 a16a cb0000000000000000 a16b a178 a16c c40178 a16d c2`},
	}
	want := IndirectPing{SeqNo: 7, Node: "n1"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got IndirectPing
			if !got.parse(unhex(t, tt.hex), nil) {
				t.Fatal("left to the fallback")
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			agree[IndirectPing, refIndirectPing](t, unhex(t, tt.hex), nil)
			agree[Ping, refPing](t, unhex(t, tt.hex), nil)
		})
	}
}
