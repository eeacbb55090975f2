package wire

import (
	"fmt"
	"testing"
)

// TestStatesCutAndFilter: the parts of States have all of them in order, and a filter keeps the right ones.
func TestStatesCutAndFilter(t *testing.T) {
	all := make([]PushNodeState, 10)
	want := make([]string, len(all))
	for i := range all {
		all[i] = PushNodeState{Name: fmt.Sprint("n", i), Addr: []byte{10, 0, 0, byte(i)}, Port: uint16(i), State: i % 4, Vsn: []byte{1, 2, 3}}
		want[i] = fmt.Sprint(all[i])
	}
	read := StatesOf(all...)
	if parsed, err := ParseStates(read.unread, len(all)); err != nil || fmt.Sprint(parsed) != fmt.Sprint(read) {
		t.Errorf("parsed %v, %v; want %v", parsed, err, read)
	}
	if _, err := ParseStates(read.unread[:len(read.unread)-1], len(all)); err == nil {
		t.Error("a state that ends early is parsed")
	}
	var cut, kept []string
	for read.Len() > 0 {
		part := read.Cut(3)
		odd := part.Filter(func(v *StateView) bool { return v.Port%2 == 1 })
		for _, s := range part.Take(part.Len()) {
			cut = append(cut, fmt.Sprint(s))
		}
		for _, s := range odd.Take(odd.Len()) {
			kept = append(kept, fmt.Sprint(s))
		}
	}
	if fmt.Sprint(cut) != fmt.Sprint(want) {
		t.Errorf("cut %v, want %v", cut, want)
	}
	if wantKept := fmt.Sprint([]string{want[1], want[3], want[5], want[7], want[9]}); fmt.Sprint(kept) != wantKept {
		t.Errorf("kept %v, want %v", kept, wantKept)
	}
}
