package main

import (
	"context"
	"fmt"
	"time"
)

// patience bounds every wait for something that happens by itself: twice the interval between two push/pulls, on a machine
// that has other things to do.
const patience = time.Minute

// experiment measures a cluster of one library.
type experiment struct {
	name   string
	title  string
	rounds int
	fast   bool
	run    func(context.Context, bench) ([]figure, error)
}

// bench is what an experiment is given to work with.
type bench struct {
	binary string // Serf's
	dir    string
	rounds int
	fast   bool
}

// choose returns the experiments to run, with their numbers of rounds: the default ones, those of -fast, or as told.
func choose(only string, rounds int, fast bool) []experiment {
	all := []struct {
		experiment
		many, few int
	}{
		{experiment{name: "leave", title: "leave: one of 9 agents, gracefully", run: leave}, 500, 3},
		{experiment{name: "restart", title: "restart: one of 5 agents, killed, at another port", run: restart}, 20, 1},
		{experiment{name: "idle", title: "idle: 5 agents at rest", run: idle}, 1, 1},
	}
	var chosen []experiment
	for _, e := range all {
		if only != "" && only != e.name {
			continue
		}
		switch {
		case rounds > 0:
			e.rounds = rounds
		case fast:
			e.rounds = e.few
		default:
			e.rounds = e.many
		}
		e.fast = fast
		chosen = append(chosen, e.experiment)
	}
	return chosen
}

// poll waits until the condition holds, and fails after the given time with the condition's last error.
func poll(ctx context.Context, within time.Duration, condition func() error) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(within)
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", within, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
