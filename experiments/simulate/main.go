// Simulate predicts the behaviour of a configuration: the time until a crash is detected, how often a healthy member
// is declared dead, how fast news spreads, and the traffic. It runs whole clusters of this library's protocol in
// virtual time, one history for each seed, on all cores.
//
//	go run ./simulate -n 200 -loss 2 -slow 5 -suspicion-mult 5 -plot detection.svg
//
// Every seed is two runs. The first starts with members that know each other. For -for, traffic and false deaths are
// counted; then one member changes its metadata; 10 s later -crash members crash at once. In the second run all
// members start at the same time and join the first of them.
//
// With -zones the members are in zones (Config.Zone), and the traffic between these is counted too; -zoneless shows what it
// would be without:
//
//	go run ./simulate -n 300 -zones 3
//
// With much loss, a member may be declared dead before it crashes. Then there is no detection time, and the report
// counts these cases.
//
// The same flags produce the same figures on every machine. The exit status is 0 on success, whatever the figures, 1
// on failure, 2 for an invalid command line, 130 if it was interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells report SIGINT
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the current runs; a second one ends the process immediately.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, isTerminal(os.Stderr)))
}

// isTerminal reports whether a file is a terminal, on which a line can be overwritten.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// run is main with its environment as arguments. live is set if stderr is a terminal.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, live bool) int {
	s, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // the error has been printed
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "simulate:", err)
		return exitFailed
	}
	var chart *os.File
	if s.plot != "" { // now, rather than after a long run
		if chart, err = os.OpenFile(s.plot, os.O_WRONLY|os.O_CREATE, 0o644); err != nil {
			return fail(err)
		}
		defer chart.Close()
	}

	var p progress = newLogLines(stderr, s.seeds)
	if live {
		p = newLine(stderr, s.seeds)
	}
	trials, err := runAll(ctx, s, p)
	p.close()
	if err != nil {
		return fail(err)
	}
	if len(trials) > 0 {
		r := summarize(s, trials)
		if s.json {
			err = r.writeJSON(stdout)
		} else {
			err = r.writeTable(stdout)
		}
		if chart != nil {
			err = errors.Join(err, r.writeChart(chart))
		}
		if err != nil {
			return fail(err)
		}
	}
	if len(trials) < s.seeds {
		fmt.Fprintf(stderr, "simulate: interrupted after %d of %d seeds\n", len(trials), s.seeds)
		return exitInterrupted
	}
	return exitOK
}
