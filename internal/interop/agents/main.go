// Command agents measures real agents of Serf, each a process on loopback, built once with the reference and once
// with this library in its place. The two clusters run at the same time, so that other load of the machine slows
// both.
//
//	go run ./agents                       all experiments, with both libraries: half an hour
//	go run ./agents -fast                 a few rounds of each, in half a minute after Serf is built
//	go run ./agents -only leave -ours     one experiment, with this library alone
//
// leave: 9 agents with -rejoin and a snapshot; one leaves gracefully, is started again and rejoins, then the next.
// Each of the others should report it as left, without first reporting it as failed.
//
// restart: an agent is killed, and started again at once under the same name at another port. It should keep running,
// as no other process has its name, and soon all should list it as alive at the new address.
//
// idle: 5 agents with nothing to do. It needs Linux, for /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/e3431adc/memberlist/internal/interop/source"
)

func main() {
	s := settings{libraries: both}
	flag.StringVar(&s.only, "only", "", "leave, restart or idle, and no other experiment")
	reference := flag.Bool("reference", false, "with the reference alone")
	ours := flag.Bool("ours", false, "with this library alone")
	flag.IntVar(&s.rounds, "rounds", 0, "how many `leaves`, restarts, or minutes at rest (default 500, 20, 1)")
	flag.BoolVar(&s.fast, "fast", false, "few rounds, to see that all works; the figures mean little")
	flag.Parse()
	if flag.NArg() > 0 || s.rounds < 0 {
		flag.Usage()
		os.Exit(2)
	}
	switch {
	case *ours == *reference: // both
	case *ours:
		s.libraries = both[1:]
	default:
		s.libraries = both[:1]
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
		os.Exit(1)
	}
}

// run builds the agents, runs the experiments and prints a table of each.
func run(ctx context.Context, s settings) error {
	chosen, err := s.chosen()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "memberlist-agents-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, l := range s.libraries {
		if err := l.build(ctx, dir); err != nil {
			return fmt.Errorf("build Serf with %s: %w", l.title, err)
		}
	}
	fmt.Printf("Serf %s\n", source.Serf.Version)
	for _, e := range chosen {
		columns, err := s.measure(ctx, e, dir)
		fmt.Printf("\n%s\n", e.title)
		printTable(os.Stdout, s.libraries, columns)
		if err != nil {
			return err
		}
	}
	return nil
}

// measure runs an experiment with the libraries at the same time and returns the figures of each. After an error or
// an interrupt it returns the figures up to then.
func (s settings) measure(ctx context.Context, e experiment, dir string) ([][]figure, error) {
	columns := make([][]figure, len(s.libraries))
	errs := make([]error, len(s.libraries))
	var wg sync.WaitGroup
	for i, l := range s.libraries {
		wg.Go(func() {
			var err error
			if columns[i], err = e.run(ctx, s.bench(e, l, dir)); err != nil {
				errs[i] = fmt.Errorf("%s, %s: %w", e.name, l.title, err)
			}
		})
	}
	wg.Wait()
	return columns, errors.Join(errs...)
}
