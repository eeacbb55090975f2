package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRounds(t *testing.T) {
	e := experiment{many: 500, few: 3}
	for _, tc := range []struct {
		name string
		settings
		want int
	}{
		{"default", settings{}, 500},
		{"fast", settings{fast: true}, 3},
		{"as told", settings{rounds: 7}, 7},
		{"fast, as told", settings{rounds: 7, fast: true}, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.bench(e, both[0], "dir").rounds; got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestChosen(t *testing.T) {
	for _, e := range experiments {
		got, err := settings{only: e.name}.chosen()
		if len(got) != 1 || got[0].name != e.name || err != nil {
			t.Errorf("%s: got %d experiments, %v", e.name, len(got), err)
		}
	}
	if got, err := (settings{}).chosen(); len(got) != len(experiments) || err != nil {
		t.Errorf("got %d experiments, %v, want all", len(got), err)
	}
	if _, err := (settings{only: "nap"}).chosen(); err == nil {
		t.Error("no error for an experiment that there is not")
	}
}

// TestPoll: if the condition never holds, poll returns its last error.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, never := 0, errors.New("never")
		err := poll(t.Context(), time.Hour, func() error {
			if calls++; calls < 3 {
				return never
			}
			return nil
		})
		if calls != 3 || err != nil {
			t.Errorf("%d calls, %v, want 3 and nil", calls, err)
		}
		began := time.Now()
		err = poll(t.Context(), time.Hour, func() error { return never })
		if took := time.Since(began); !errors.Is(err, never) || took < time.Hour || took > time.Hour+time.Second {
			t.Errorf("got %v after %v, want the condition's error after an hour", err, took)
		}
	})
}
