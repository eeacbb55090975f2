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

// A string handed out stays what it is when its input is overwritten or its slot taken.
func TestNamesOverwritten(t *testing.T) {
	n := NewNames()
	var got []string
	buf := make([]byte, 0, 16)
	for i := range 3 * nameSlots {
		buf = fmt.Appendf(buf[:0], "node-%d", i)
		got = append(got, n.Intern(buf))
	}
	for i, s := range got {
		if want := fmt.Sprintf("node-%d", i); s != want {
			t.Fatalf("got %q, want %q", s, want)
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
