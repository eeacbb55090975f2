package main

import (
	"testing"
	"time"
)

func TestParseUsage(t *testing.T) {
	got, err := parseUsage("1236721 88 5\n",
		"Name:\tserf\nvoluntary_ctxt_switches:\t41\nnonvoluntary_ctxt_switches:\t7\n")
	if want := (usage{cpu: 1236721 * time.Nanosecond, switches: 41}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, tc := range []struct{ name, schedstat, status string }{
		{"no time", "\n", "voluntary_ctxt_switches:\t41\n"},
		{"no switches", "1 2 3\n", "nonvoluntary_ctxt_switches:\t7\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := parseUsage(tc.schedstat, tc.status); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
