package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

func TestScan(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		want int // bytes of the value
	}{
		{"fixint", "05", 1},
		{"negative", "e0", 1},
		{"nil", "c0", 1},
		{"fixmap", "82 01 02 a161 90", 6},
		{"map16", "de0001 01 02", 5},
		{"map32", "df00000001 01 02", 7},
		{"fixarray", "92 01 91 c3", 4},
		{"array16", "dc0001 01", 4},
		{"array32", "dd00000001 01", 6},
		{"empty containers", "93 80 90 de0000", 6},
		{"raw", "a3616263", 4},
		{"raw8", "d9 01 61", 3},
		{"raw16", "da 0001 61", 4},
		{"raw32", "db 00000001 61", 6},
		{"bin8", "c4 01 61", 3},
		{"bin16", "c5 0001 61", 4},
		{"bin32", "c6 00000001 61", 6},
		{"integers", "98 cc00 cd0000 ce00000000 cf0000000000000000 d000 d10000 d200000000 d30000000000000000", 39},
		{"floats", "92 ca00000000 cb0000000000000000", 15},
		{"fixext", "95 d40000 d500 0000 d600 00000000 d700 0000000000000000 d800 00000000000000000000000000000000", 42},
		{"ext", "93 c7 01 00 61 c8 0001 00 61 c9 00000001 00 61", 17},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			var s scanner
			if done, err := s.scan(append(b, 0xc1), math.MaxInt); !done || err != nil || s.off != tt.want {
				t.Fatalf("done %v at %d, %v, want %d", done, s.off, err, tt.want)
			}
			// Byte by byte it ends at the same place, and not before.
			s = scanner{}
			for n := range len(b) {
				if done, err := s.scan(b[:n], math.MaxInt); done || err != nil {
					t.Fatalf("after %d bytes: done %v, %v", n, done, err)
				}
			}
			if done, err := s.scan(b, math.MaxInt); !done || err != nil || s.off != tt.want {
				t.Errorf("byte by byte: done %v at %d, %v", done, s.off, err)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		want error
	}{
		{"unused descriptor", "c1", ErrMalformed},
		{"unused descriptor inside", "92 01 c1", ErrMalformed},
		{"beyond the limit", "a9 000000000000000000", ErrTooLarge},
		{"beyond the limit, of which nothing has arrived", "db ffffffff", ErrTooLarge},
		{"many small ones", "98 01 01 01 01 01 01 01 01", ErrTooLarge},
		{"huge extension", "c9 ffffffff 01", ErrTooLarge},
		{"an empty map at each level", strings.Repeat("91", maxValueDepth), ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := 8
			if tt.want == ErrTooDeep {
				limit = 1000
			}
			var s scanner
			if done, err := s.scan(unhex(t, tt.hex), limit); done || !errors.Is(err, tt.want) {
				t.Errorf("done %v, %v, want %v", done, err, tt.want)
			}
		})
	}
}

// The end of a value is where go-msgpack finds it when it skips the value.
func FuzzScan(f *testing.F) {
	for _, s := range oddBodies(f, allFields...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scanner
		done, err := s.scan(b, math.MaxInt)
		if done != (err == nil && s.off > 0 && s.depth == 0) && err == nil && done {
			t.Fatalf("done at %d, depth %d", s.off, s.depth)
		}
		var bytewise scanner
		for n := range len(b) + 1 {
			stepDone, stepErr := bytewise.scan(b[:n], math.MaxInt)
			if stepDone || stepErr != nil || n == len(b) {
				if stepDone != done || (stepErr != nil) != (err != nil) || bytewise.off != s.off {
					t.Fatalf("%x: at once %v, %v at %d; byte by byte %v, %v at %d", b, done, err, s.off, stepDone, stepErr,
						bytewise.off)
				}
				break
			}
		}
		if !done || len(b) > maxFallback {
			return
		}
		// As the value of an unknown key, which go-msgpack skips.
		body := append([]byte{mpFixMap | 1, mpFixRaw | 1, 'x'}, b...)
		reader := bytes.NewReader(body)
		var m struct{ Known int }
		if err := codec.NewDecoder(reader, &codec.MsgpackHandle{}).Decode(&m); err != nil {
			return // a malformed time
		}
		if got := len(body) - reader.Len() - 3; got != s.off {
			t.Fatalf("%x: the value ends at %d, go-msgpack says %d", b, s.off, got)
		}
	})
}
