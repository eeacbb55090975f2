package wire

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

func TestNames(t *testing.T) {
	n := NewNames()
	a, b := n.Intern([]byte("node")), n.Intern([]byte("node"))
	if a != "node" || unsafe.StringData(a) != unsafe.StringData(b) {
		t.Errorf("%q and %q are not the same string", a, b)
	}
	long := []byte(strings.Repeat("x", maxName+1))
	if a, b := n.Intern(long), n.Intern(long); a != string(long) || unsafe.StringData(a) == unsafe.StringData(b) {
		t.Error("a long string is kept")
	}
	if got := n.Intern(nil); got != "" {
		t.Errorf("nil is %q", got)
	}
}

// A returned string does not change when its input is overwritten or its slot reused.
func TestNamesOverwritten(t *testing.T) {
	n := NewNames()
	var got []string
	buf := make([]byte, 0, 16)
	for i := range 3 * maxNameSlots {
		buf = fmt.Appendf(buf[:0], "node-%d", i)
		got = append(got, n.Intern(buf))
	}
	for i, s := range got {
		if want := fmt.Sprintf("node-%d", i); s != want {
			t.Fatalf("got %q, want %q", s, want)
		}
	}
}

// TestNamesGrow: there is room for the names of a large cluster, and little is taken for those of a small one.
func TestNamesGrow(t *testing.T) {
	for _, tt := range []struct{ names, most int }{{20, 512}, {2000, 8192}} {
		n := NewNames()
		names := make([][]byte, tt.names)
		for i := range names {
			names[i] = fmt.Appendf(nil, "node-%d", i)
		}
		ask := func() {
			for _, name := range names {
				n.Intern(name)
			}
		}
		for range 100 {
			ask()
		}
		if len(n.slots) > tt.most {
			t.Errorf("%d slots for %d names, want at most %d", len(n.slots), tt.names, tt.most)
		}
		if missed := testing.AllocsPerRun(10, ask); missed > float64(tt.names)/3 {
			t.Errorf("of %d names %v are not found", tt.names, missed)
		}
	}
}

func TestNamesUnused(t *testing.T) {
	for _, n := range []*Names{nil, new(Names)} {
		if got := n.Intern([]byte("node")); got != "node" {
			t.Errorf("got %q", got)
		}
	}
}
