package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestAppendCompound(t *testing.T) {
	tests := []struct {
		name  string
		parts [][]byte
		want  string
		rest  int
	}{
		{"none", nil, "", 0},
		{"one", [][]byte{{1}}, "07 01 0001 01", 0},
		{"several, one empty", [][]byte{{1, 2}, {}, {3}}, "07 03 0002 0000 0001 0102 03", 0},
		{"first too large", [][]byte{make([]byte, MaxCompoundPart+1), {1}}, "", 2},
		{"second too large", [][]byte{{1}, make([]byte, MaxCompoundPart+1), {2}}, "07 01 0001 01", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rest := AppendCompound([]byte("before"), tt.parts)
			if want := append([]byte("before"), unhex(t, tt.want)...); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
			if len(rest) != tt.rest {
				t.Errorf("%d parts are left, want %d", len(rest), tt.rest)
			}
		})
	}
}

// The count is one byte: the 256th message goes into the next compound (hashicorp/memberlist#239).
func TestAppendCompoundMany(t *testing.T) {
	parts := make([][]byte, 600)
	for i := range parts {
		parts[i] = []byte{byte(TypeUser), byte(i >> 8), byte(i)}
	}
	rest, got := parts, 0
	for compounds := 1; len(rest) > 0; compounds++ {
		var packet []byte
		before := len(rest)
		packet, rest = AppendCompound(nil, rest)
		if n := before - len(rest); n != min(before, MaxCompoundParts) {
			t.Fatalf("compound %d has %d parts", compounds, n)
		}
		var u Unpacker
		dropped, err := u.Unpack(packet, func(_ Type, body []byte) {
			if !bytes.Equal(body, parts[got][1:]) {
				t.Fatalf("part %d is %x", got, body)
			}
			got++
		})
		if dropped != 0 || err != nil {
			t.Fatal(dropped, err)
		}
	}
	if got != len(parts) {
		t.Errorf("%d parts, want %d", got, len(parts))
	}
}

func TestAppendCompoundLargestPart(t *testing.T) {
	packet, rest := AppendCompound(nil, [][]byte{make([]byte, MaxCompoundPart)})
	if len(rest) != 0 || len(packet) != CompoundHeaderSize+CompoundPartOverhead+MaxCompoundPart {
		t.Fatalf("%d bytes, %d left", len(packet), len(rest))
	}
	c, err := parseCompound(packet[1:])
	if err != nil {
		t.Fatal(err)
	}
	if part, ok := c.next(); !ok || len(part) != MaxCompoundPart {
		t.Errorf("%d bytes, %v", len(part), ok)
	}
}

// A count of 0x80 and more overflowed where it was doubled in a byte (hashicorp/memberlist#236).
func TestCompoundCounts(t *testing.T) {
	for count := range 256 {
		var u Unpacker
		dropped, err := u.Unpack([]byte{byte(TypeCompound), byte(count)}, func(Type, []byte) { t.Error("visited") })
		if count == 0 {
			if dropped != 0 || err != nil {
				t.Errorf("empty compound: %d dropped, %v", dropped, err)
			}
			continue
		}
		if dropped != 1 || !errors.Is(err, ErrTruncated) {
			t.Errorf("count %d: %d dropped, %v", count, dropped, err)
		}
	}
}

func TestCompoundCutOff(t *testing.T) {
	packet, _ := AppendCompound(nil, [][]byte{{8, 'a'}, {8, 'b', 'b'}, {8}})
	headers := CompoundHeaderSize + 3*CompoundPartOverhead
	for n := range len(packet) + 1 {
		var got []byte
		var u Unpacker
		dropped, err := u.Unpack(packet[:n], func(_ Type, body []byte) { got = append(got, body...) })
		want, wantDropped := "", 1
		switch {
		case n == len(packet):
			want, wantDropped = "abb", 0
		case n >= headers+5:
			want, wantDropped = "abb", 1
		case n >= headers+2:
			want, wantDropped = "a", 2
		case n >= headers:
			wantDropped = 3
		}
		if string(got) != want || dropped != wantDropped || (err != nil) != (dropped > 0) {
			t.Errorf("%d bytes: %q, %d dropped, %v; want %q, %d", n, got, dropped, err, want, wantDropped)
		}
		if err != nil && !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// Splitting returns the joined parts.
func FuzzCompound(f *testing.F) {
	f.Add([]byte("\x03\x01\x00\x02abc"), 2)
	f.Add(bytes.Repeat([]byte{1}, 1000), 3)
	for _, p := range loadTraffic(f).packets {
		if rest := withoutChecksum(p); Type(rest[0]) == TypeCompound {
			f.Add(rest[1:], 20)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if c, err := parseCompound(b); err == nil {
			total := 0
			for c.left() > 0 {
				part, ok := c.next()
				if !ok {
					break
				}
				total += len(part)
			}
			if total > len(b) {
				t.Fatalf("%d bytes of parts in %d", total, len(b))
			}
		}
		if size <= 0 {
			return
		}
		var parts [][]byte
		for rest := b; len(rest) > 0; {
			n := min(size, len(rest))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		var got []byte
		for len(parts) > 0 {
			packet, rest := AppendCompound(nil, parts)
			if len(rest) == len(parts) {
				return // a part too large
			}
			parts = rest
			c, err := parseCompound(packet[1:])
			if err != nil {
				t.Fatal(err)
			}
			for c.left() > 0 {
				part, ok := c.next()
				if !ok {
					t.Fatal("cut off")
				}
				got = append(got, part...)
			}
		}
		if !bytes.Equal(got, b) {
			t.Fatalf("got %x, want %x", got, b)
		}
	})
}

func BenchmarkAppendCompound(b *testing.B) {
	parts := [][]byte{make([]byte, 60), make([]byte, 90), make([]byte, 90)}
	buf, _ := AppendCompound(nil, parts)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = AppendCompound(buf[:0], parts)
	}
}
