// Simulate tells what a configuration of this library does before production does: how soon a crash is found, how often a
// healthy member is taken for dead, how fast news spreads, what it costs. It runs whole clusters of the library's protocol
// in virtual time, each seed another history, on all cores.
//
//	go run ./simulate -n 200 -loss 2 -slow 5 -suspicion-mult 5 -plot detection.svg
//
// Every seed is two runs. In the first the members have known each other for long: it goes on for -for, in which load and
// wrong deaths are counted; then one member changes its metadata; 10 s later -crash members crash at once. In the second
// all members start at the same time and join the first of them.
//
// With much loss, a member may be taken for dead before it crashes: then there is no time from the crash, and the report says
// how often that was so.
//
// The same flags give the same figures, on every machine. The exit status is 0 if all went well, whatever the figures, 1
// if not, 2 if the command line makes no sense, 130 if it was interrupted.
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
	exitInterrupted = 130 // what shells give for SIGINT
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the runs that are under way; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, isTerminal(os.Stderr)))
}

// isTerminal reports whether a file is a terminal on which a line can be written over.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// run is main with its surroundings as arguments. live says that stderr is a terminal.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, live bool) int {
	s, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // what is wrong has been said
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "simulate:", err)
		return exitFailed
	}
	var chart *os.File
	if s.plot != "" { // now, rather than after a long wait
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
