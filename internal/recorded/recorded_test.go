package recorded

import (
	"strings"
	"testing"
)

// TestLines: parsing a line and printing it again returns the same line.
func TestLines(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(traffic) {
		if got := all[i].String() + "\n"; got != line {
			t.Errorf("got  %s\nwant %s", got, line)
		}
		i++
	}
	if i < 100 {
		t.Errorf("%d lines", i)
	}
}

func TestLinesThatAreNone(t *testing.T) {
	for _, line := range []string{"", "packet ours - ping", "packet ours - ping \"\" xx 00", "packet ours - ping \"\" - 0"} {
		if _, err := parse(strings.Fields(line)); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}
