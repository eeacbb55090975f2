package printable

import (
	"strings"
	"testing"
)

// TestName: what comes from the network is shown in one line without control characters.
func TestName(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"web-1.example", "web-1.example"},
		{"münchen", "münchen"},
		{"", `""`},
		{"a b", `"a b"`},
		{"a\nb\x1b[2J", `"a\nb\x1b[2J"`},
		{"a\u202eb", `"a\u202eb"`},
		{"\xff", `"\xff"`},
		{strings.Repeat("x", 81), strings.Repeat("x", 80) + "..."},
		{strings.Repeat("ü", 41), strings.Repeat("ü", 40) + "..."},
		{strings.Repeat("\x80", 100), `"` + strings.Repeat(`\x80`, 77) + `..."`},
	} {
		if got := Name(tt.name); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	if got := Text("a\nb\u202ec\xff d"); got != "a?b?c? d" {
		t.Errorf("got %q", got)
	}
	if got := Text(strings.Repeat("x", 400)); got != strings.Repeat("x", 300)+"..." {
		t.Errorf("got %q", got)
	}
}
