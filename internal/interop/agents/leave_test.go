package main

import (
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
		{"heard by both", [][]event{{after(left, 3)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, known: []time.Duration{7}}},
		{"a failure first", [][]event{{after(failed, 2), after(left, 9)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, failedFirst: 1, known: []time.Duration{9}}},
		{"a failure afterwards", [][]event{{after(left, 2), after(failed, 9)}},
			leaves{rounds: 1, observations: 1, known: []time.Duration{2}}},
		{"a failure alone", [][]event{{after(failed, 2)}, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, failedFirst: 1, unheard: 1}},
		{"silence", [][]event{nil, {after(left, 7)}},
			leaves{rounds: 1, observations: 2, unheard: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got leaves
			got.add(began, tc.reports)
			if percentile(got.known, 100) != percentile(tc.want.known, 100) {
				t.Errorf("known after %v, want %v", got.known, tc.want.known)
			}
			got.known, tc.want.known = nil, nil
			if got.rounds != tc.want.rounds || got.observations != tc.want.observations ||
				got.failedFirst != tc.want.failedFirst || got.unheard != tc.want.unheard {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
