package main

import (
	"context"
	"fmt"
	"time"
)

// patience bounds each wait for something that happens by itself. It is twice the interval between two push/pulls,
// for a machine that is busy.
const patience = time.Minute

// experiment measures a cluster of one library.
type experiment struct {
	name      string
	title     string
	many, few int // rounds: by default, and with -fast
	run       func(context.Context, bench) ([]figure, error)
}

var experiments = []experiment{
	{"leave", "leave: one of 9 agents, gracefully", 500, 3, leave},
	{"restart", "restart: one of 5 agents, killed, at another port", 20, 1, restart},
	{"idle", "idle: 5 agents at rest", 1, 1, idle},
}

// settings are the flags.
type settings struct {
	only      string // empty: all
	libraries []library
	rounds    int // of each experiment; 0: its default
	fast      bool
}

// bench is the environment of an experiment.
type bench struct {
	binary string // Serf's
	dir    string
	rounds int
	fast   bool
}

// chosen returns the experiments to run.
func (s settings) chosen() ([]experiment, error) {
	if s.only == "" {
		return experiments, nil
	}
	for _, e := range experiments {
		if e.name == s.only {
			return []experiment{e}, nil
		}
	}
	return nil, fmt.Errorf("no experiment %q", s.only)
}

// bench returns the environment of an experiment with a library.
func (s settings) bench(e experiment, l library, dir string) bench {
	b := bench{binary: l.binary(dir), dir: dir, rounds: e.many, fast: s.fast}
	switch {
	case s.rounds > 0:
		b.rounds = s.rounds
	case s.fast:
		b.rounds = e.few
	}
	return b
}

// poll waits until the condition returns nil. If it does not within the given time, poll returns its last error.
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
