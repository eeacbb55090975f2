package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/recorded"
)

func TestLabel(t *testing.T) {
	longest := strings.Repeat("l", MaxLabel)
	tests := []struct{ name, label, hex string }{
		{"none", "", ""},
		{"short", "ab", "f4 02 6162"},
		{"longest", longest, "f4 ff" + strings.Repeat("6c", MaxLabel)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header, err := AppendLabel([]byte("before"), tt.label)
			if err != nil {
				t.Fatal(err)
			}
			header = header[len("before"):]
			if want := unhex(t, tt.hex); !bytes.Equal(header, want) {
				t.Fatalf("got %x, want %x", header, want)
			}
			if got := LabelOverhead(tt.label); got != len(header) {
				t.Errorf("LabelOverhead = %d, want %d", got, len(header))
			}
			label, rest, err := CutLabel(append(bytes.Clone(header), 0, 1))
			_ = append(label, "overwritten"...)
			if err != nil || string(label) != tt.label || !bytes.Equal(rest, []byte{0, 1}) {
				t.Errorf("CutLabel: %q, %x, %v", label, rest, err)
			}
			if (label == nil) != (tt.label == "") {
				t.Errorf("label is nil: %v", label == nil)
			}
			for n := 1; n < len(header); n++ {
				if _, _, err := CutLabel(header[:n]); !errors.Is(err, ErrLabel) || !errors.Is(err, ErrTruncated) {
					t.Errorf("the first %d bytes: %v", n, err)
				}
			}
		})
	}
}

func TestLabelRefused(t *testing.T) {
	if dst, err := AppendLabel([]byte{1}, strings.Repeat("l", MaxLabel+1)); !errors.Is(err, ErrLabel) || len(dst) != 1 {
		t.Errorf("too long: %x, %v", dst, err)
	}
	if _, _, err := CutLabel([]byte{byte(TypeLabel), 0, 1}); !errors.Is(err, ErrLabel) {
		t.Errorf("empty: %v", err)
	}
}

func TestLabelTwice(t *testing.T) {
	packet, _ := AppendLabel(nil, "a")
	packet, _ = AppendLabel(packet, "b")
	label, rest, err := CutLabel(packet)
	if err != nil || string(label) != "a" || !HasLabel(rest) {
		t.Errorf("%q, %x, %v", label, rest, err)
	}
	if HasLabel(nil) || HasLabel([]byte{0}) {
		t.Error("a label where there is none")
	}
}

func FuzzCutLabel(f *testing.F) {
	f.Add([]byte("\xf4\x02ab\x00"))
	f.Add([]byte("\xf4\x00"))
	f.Add([]byte("\xf4"))
	all, err := recorded.All()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range all {
		if c.Label != "" {
			f.Add(c.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		label, rest, err := CutLabel(b)
		if err != nil {
			if !errors.Is(err, ErrLabel) {
				t.Fatal(err)
			}
			return
		}
		again, err := AppendLabel(nil, string(label))
		if err != nil {
			t.Fatal(err)
		}
		if again = append(again, rest...); !bytes.Equal(again, b) {
			t.Fatalf("got %x, want %x", again, b)
		}
	})
}
