package wire

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// Bodies that go-msgpack accepts are accepted.
func TestFallback(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		want Ping
	}{
		{"array for a struct", "95 07 a26e31 a47f000001 cd1f0a a26e30",
			Ping{SeqNo: 7, Node: "n1", SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 7946, SourceNode: "n0"}},
		{"short array", "91 07", Ping{SeqNo: 7}},
		{"long array", "98 07 a26e31 c0 c0 c0 c0 80 90", Ping{SeqNo: 7, Node: "n1"}},
		{"nil", "c0", Ping{}},
		{"empty map", "80", Ping{}},
		{"containers behind an unknown key", "82 a178 81 a179 92 01 80 a55365714e6f 07", Ping{SeqNo: 7}},
		{"extension behind an unknown key", "82 a178 d5 01 6162 a55365714e6f 07", Ping{SeqNo: 7}},
		{"array of numbers for bytes", "81 aa536f7572636541646472 94 7f 00 00 01", Ping{SourceAddr: []byte{127, 0, 0, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Ping{SeqNo: 99, Node: "stale", SourceAddr: []byte("stale"), SourcePort: 99, SourceNode: "stale"}
			if err := got.Parse(unhex(t, tt.hex), NewNames()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFallbackRefuses(t *testing.T) {
	deep := strings.Repeat("91", maxValueDepth) + "90"
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, ErrTruncated},
		{"a number", unhex(t, "07"), ErrMalformed},
		{"a string", unhex(t, "a161"), ErrMalformed},
		{"unused descriptor", unhex(t, "c1"), ErrMalformed},
		{"string for a number", unhex(t, "81 a55365714e6f a137"), ErrMalformed},
		{"float for a number", unhex(t, "81 a55365714e6f ca3f800000"), ErrMalformed},
		{"negative number", unhex(t, "81 a55365714e6f ff"), ErrMalformed},
		{"number beyond 32 bits", unhex(t, "81 a55365714e6f cf0000000100000000"), ErrMalformed},
		{"number beyond 63 bits", unhex(t, "81 a55365714e6f cfffffffffffffffff"), ErrMalformed},
		{"port beyond 16 bits", unhex(t, "81 aa536f75726365506f7274 ce00010000"), ErrMalformed},
		{"empty key", unhex(t, "81 a0 01"), ErrMalformed},
		{"half a map", unhex(t, "82 a55365714e6f 07"), ErrTruncated},
		{"a map of 2^32 - 1", unhex(t, "df ffffffff a55365714e6f 07"), ErrTruncated},
		{"deep", unhex(t, "81 a178 "+deep), ErrTooDeep},
		{"deep as a key", unhex(t, "81 "+deep+" 01"), ErrTooDeep},
		{"very deep", bytes.Repeat([]byte{0x91}, maxFallback), ErrTooDeep},
		{"large", append(unhex(t, "81 a178 91 c6 00010000"), make([]byte, 1<<16)...), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Ping{SeqNo: 99}
			if err := got.Parse(tt.body, nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if !reflect.ValueOf(got).IsZero() {
				t.Errorf("left %+v behind", got)
			}
		})
	}
}

// go-msgpack allocates as much as an extension's length says, here 2 GiB, before it finds that the input ends.
func TestFallbackAllocatesWhatArrived(t *testing.T) {
	body := unhex(t, "81 a178 c9 7fffff00 ff 00")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var m Ping
	err := m.Parse(body, nil)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for %d", got, len(body))
	}
}
