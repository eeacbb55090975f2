package main

import (
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := 100; i > 0; i-- {
		hundred = append(hundred, time.Duration(i))
	}
	for _, tc := range []struct {
		name      string
		durations []time.Duration
		p         int
		want      time.Duration
	}{
		{"none", nil, 50, -1},
		{"one", []time.Duration{7}, 99, 7},
		{"least", hundred, 0, 1},
		{"half", hundred, 50, 50},
		{"99", hundred, 99, 99},
		{"most", hundred, 100, 100},
		{"half of three", []time.Duration{9, 1, 5}, 50, 5},
		{"99 of three", []time.Duration{9, 1, 5}, 99, 9},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := percentile(tc.durations, tc.p); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestTable: after an error of one library, the table has the other's figures, under its name.
func TestTable(t *testing.T) {
	var b strings.Builder
	figures := []figure{{"leaves", "3"}, {"known to all, p50", milliseconds(1_500 * time.Microsecond)}}
	printTable(&b, both, [][]figure{nil, figures})
	want := "                   reference  this library\n" +
		"leaves             -          3\n" +
		"known to all, p50  -          2 ms\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestShare(t *testing.T) {
	for _, tc := range []struct {
		name      string
		part, all int
		want      string
	}{
		{"some", 18, 800, "18 of 800 (2.2 %)"},
		{"of none", 0, 0, "-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := share(tc.part, tc.all); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
