// Cluster starts five members in one process, each with its own UDP and TCP port on loopback, and plays a short
// story: they find each other, one is killed and its failure is detected, it comes back, another changes its
// metadata, a last one leaves.
//
//	go run ./examples/cluster
//	go run ./examples/cluster -tls   # TCP alone, with certificates that it makes, and no UDP
//
// On a terminal it shows live how the members see each other; elsewhere it prints lines. The exit status is 0 only if
// everything happened as expected.
//
// To learn the package, read member.go first: one member with its delegates, as in your program.
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
	exitInterrupted = 130 // as shells report SIGINT
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal makes the members leave; a second one ends the process immediately.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its environment as arguments.
func run(ctx context.Context, args []string, stdout *os.File, stderr io.Writer) int {
	s, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // the flag package has printed the error
	}
	return tell(ctx, s, newView(stdout), stdout)
}

// parseFlags parses the command line. Errors are written to stderr.
func parseFlags(args []string, stderr io.Writer) (settings, error) {
	s := defaultSettings()
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.members, "n", s.members, "number of `members`, 3 to 99")
	flags.BoolVar(&s.encrypt, "encrypt", s.encrypt, "encrypt all traffic with a random key")
	flags.BoolVar(&s.tls, "tls", s.tls, "use TCP alone, with TLS and a certificate for each member")
	flags.StringVar(&s.label, "label", s.label, "label all traffic with this `name`")
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

// tell plays the story, ends all members, and prints one final line.
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

// settings are the options and the pace of the story.
type settings struct {
	members int
	encrypt bool
	tls     bool
	label   string
	bind    string
	keep    time.Duration // time that the cluster runs after the story

	probeInterval time.Duration // all other intervals of the protocol are proportional
	pause         time.Duration // between two steps, for viewers
	limits        limits
}

// limits are the time limits of the steps.
type limits struct {
	converge, detect, rejoin, metadata, leave time.Duration
}

// defaultSettings take some 10 seconds on success, and less than 60 on failure: the sum of the limits, the pauses,
// and the time in which the last members leave.
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
