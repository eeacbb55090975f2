package main

import (
	"reflect"
	"testing"
	"time"
)

func TestLeaves(t *testing.T) {
	began := time.Now()
	after := func(k kind, d time.Duration) event { return event{kind: k, name: "a", at: began.Add(d)} }
	for _, tc := range []struct {
		name    string
		reports [][]event
		want    leaves
	}{
		{"reported by both", [][]event{{after(left, 3)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, gone: []time.Duration{7}}},
		{"a failure first", [][]event{{after(failed, 2), after(left, 9)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, failedFirst: 1, gone: []time.Duration{7}}},
		{"a failure alone", [][]event{{after(failed, 2)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, failedFirst: 1, failedLast: 1, gone: []time.Duration{7}}},
		{"silence", [][]event{nil, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, unseen: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got leaves
			got.add(began, tc.reports)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
