// Cluster starts a few members in one process, each with its own UDP and TCP port on loopback, and tells a short story
// with them: they find each other, one is killed and found out, comes back, another changes its metadata, a last one
// leaves.
//
//	go run ./examples/cluster
//
// On a terminal it shows live who sees whom in which state; elsewhere it prints lines. The exit status is 0 only if
// everything was seen that should happen.
//
// To learn the package from it, read member.go first: one member with its delegates, as your program would have it.
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
	"time"
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
	// The first signal makes the members leave; a second one ends the process even if they can't.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdout *os.File, stderr io.Writer) int {
	s, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // the flag package has said why
	}
	return tell(ctx, s, newView(stdout), stdout)
}

// parseFlags makes settings of the command line. What is wrong with it is written to stderr.
func parseFlags(args []string, stderr io.Writer) (settings, error) {
	s := defaultSettings()
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.members, "n", s.members, "how many `members` to start, 3 to 99")
	flags.BoolVar(&s.encrypt, "encrypt", s.encrypt, "encrypt all traffic with a random key")
	flags.StringVar(&s.label, "label", s.label, "put the cluster's `name` on all traffic")
	flags.DurationVar(&s.keep, "for", s.keep, "keep the cluster running for this `time` after the story")
	flags.StringVar(&s.bind, "bind", s.bind, "loopback `address` to listen on, such as ::1")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	err := s.validate()
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "cluster:", err)
	}
	return s, err
}

// tell runs the story, ends all members, and closes with one line.
func tell(ctx context.Context, s settings, v view, out io.Writer) int {
	c := newCluster(s, v)
	took, err := c.play(ctx)
	if err == nil && s.keep > 0 {
		err = c.keepRunning(ctx)
	}
	interrupted := err != nil && ctx.Err() != nil
	if interrupted {
		c.say("interrupted: all members leave")
	}
	v.close()
	c.end()

	switch {
	case err == nil:
		fmt.Fprintln(out, took.summary(s.members))
		return exitOK
	case interrupted:
		fmt.Fprintln(out, "interrupted")
		return exitInterrupted
	default:
		c.printLogs(out)
		fmt.Fprintln(out, "failed:", err)
		return exitFailed
	}
}

// settings say what to run, and how fast.
type settings struct {
	members int
	encrypt bool
	label   string
	bind    string
	keep    time.Duration // how long to go on after the story

	probeInterval time.Duration // all other intervals of the protocol follow from it
	pause         time.Duration // between two steps, for whoever watches
	limits        limits
}

// limits are how long each step may take.
type limits struct {
	converge, detect, rejoin, metadata, leave time.Duration
}

// defaultSettings take some 10 seconds when all goes well, and less than 60 when it does not: that is the sum of the
// limits, of the pauses, and of the last members' leaving.
func defaultSettings() settings {
	return settings{
		members:       5,
		bind:          "127.0.0.1",
		probeInterval: 200 * time.Millisecond,
		pause:         2 * time.Second,
		limits: limits{
			converge: 10 * time.Second,
			detect:   16 * time.Second,
			rejoin:   8 * time.Second,
			metadata: 6 * time.Second,
			leave:    6 * time.Second,
		},
	}
}

func (s *settings) validate() error {
	if s.members < 3 || s.members > 99 {
		return fmt.Errorf("-n %d: the story needs 3 to 99 members", s.members)
	}
	if s.keep < 0 {
		return fmt.Errorf("-for %v: must not be negative", s.keep)
	}
	return nil
}
