// Command agents measures real agents of Serf, each a process on loopback, built once with the reference and once with this
// library in its place. The two clusters run at the same time, so that whatever else the machine does slows both.
//
//	go run ./agents                       all experiments, with both libraries: half an hour
//	go run ./agents -fast                 a few rounds of each, in half a minute after Serf is built
//	go run ./agents -only leave -ours     one experiment, with this library alone
//
// leave: 9 agents with -rejoin and a snapshot; one leaves gracefully, is started again and rejoins, then the next. Each of
// the others should report it as left, and not first as failed.
//
// restart: an agent is killed, and started again at once under the same name at another port. It should stay, as no other
// process has its name, and soon be alive at the new address to all.
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
	only := flag.String("only", "", "leave, restart or idle, and no other experiment")
	reference := flag.Bool("reference", false, "with the reference alone")
	ours := flag.Bool("ours", false, "with this library alone")
	rounds := flag.Int("rounds", 0, "how many `leaves`, restarts or minutes (default 500, 20, 1)")
	fast := flag.Bool("fast", false, "few rounds, to see that all works; the figures mean little")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	libraries := both
	switch {
	case *ours == *reference: // both
	case *ours:
		libraries = both[1:]
	default:
		libraries = both[:1]
	}
	if err := run(ctx, *only, libraries, *rounds, *fast); err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
		os.Exit(1)
	}
}

// run builds the agents, runs the experiments and prints a table of each.
func run(ctx context.Context, only string, libraries []library, rounds int, fast bool) error {
	chosen := choose(only, rounds, fast)
	if len(chosen) == 0 {
		return fmt.Errorf("no experiment %q", only)
	}
	dir, err := os.MkdirTemp("", "memberlist-agents-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, l := range libraries {
		if err := l.build(ctx, dir); err != nil {
			return fmt.Errorf("build Serf with %s: %w", l.title, err)
		}
	}
	fmt.Printf("Serf %s\n", source.Serf.Version)
	for _, e := range chosen {
		columns, err := e.runWith(ctx, libraries, dir)
		fmt.Printf("\n%s\n", e.title)
		printTable(os.Stdout, libraries, columns)
		if err != nil {
			return err
		}
	}
	return nil
}

// runWith runs an experiment with the libraries at the same time and returns the figures of each: after an error, or an
// interrupt, those gathered until then.
func (e experiment) runWith(ctx context.Context, libraries []library, dir string) ([][]figure, error) {
	columns := make([][]figure, len(libraries))
	errs := make([]error, len(libraries))
	var wg sync.WaitGroup
	for i, l := range libraries {
		wg.Go(func() {
			b := bench{binary: l.binary(dir), dir: dir, rounds: e.rounds, fast: e.fast}
			var err error
			if columns[i], err = e.run(ctx, b); err != nil {
				errs[i] = fmt.Errorf("%s, %s: %w", e.name, l.title, err)
			}
		})
	}
	wg.Wait()
	return columns, errors.Join(errs...)
}
