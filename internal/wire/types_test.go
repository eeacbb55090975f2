package wire

import "testing"

func TestTypeString(t *testing.T) {
	seen := map[string]Type{}
	for i := range 256 {
		kind := Type(i)
		s := kind.String()
		if s == "" {
			t.Errorf("type %d has no name", i)
		}
		if other, ok := seen[s]; ok {
			t.Errorf("types %d and %d are both %q", other, kind, s)
		}
		seen[s] = kind
	}
	if got := Type(99).String(); got != "type 99" {
		t.Errorf("got %q", got)
	}
}
