// Command memberlist looks at a running cluster from outside, as a process that is no member. It understands every cluster of
// this wire protocol, whichever library its members use: also those of Serf, Consul, Nomad, Alertmanager and Loki.
//
//	memberlist members ADDR    what the member at ADDR sees
//	memberlist watch ADDR      how that changes
//	memberlist doctor ADDR     what is wrong with the cluster, and what to do
//	memberlist replay FILE     what a member did, from a recording of its flight recorder
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

	"github.com/e3431adc/memberlist/internal/printable"
)

// The exit statuses.
const (
	exitOK       = 0
	exitFindings = 1 // of doctor
	exitFailed   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is one of the tool's commands.
type command struct {
	name    string
	of      string // its argument
	summary string // for the usage text
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int, err error)
}

func commands() []command {
	return []command{
		{"members", "ADDR", "print what the member at an address sees", runMembers},
		{"watch", "ADDR", "print what changes there, until interrupted", runWatch},
		{"doctor", "ADDR", "ask all members, and report what is wrong", runDoctor},
		{"replay", "FILE", "replay the recording of a flight recorder", runReplay},
	}
}

// run runs a command and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitFailed
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		usage(stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		status, err := c.run(ctx, args[1:], stdout, stderr)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.Is(err, context.Canceled) && ctx.Err() != nil: // interrupted
			return exitFailed
		case err != nil:
			fmt.Fprintf(stderr, "memberlist %s: %s\n", c.name, printable.Text(err.Error()))
			return exitFailed
		}
		return status
	}
	fmt.Fprintf(stderr, "memberlist: no command %q\n\n", args[0])
	usage(stderr)
	return exitFailed
}

func usage(w io.Writer) {
	fmt.Fprint(w, "memberlist looks at a running cluster from outside, as a process that is no member.\n\nUsage:\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  memberlist %-8s [flags] %s   %s\n", c.name, c.of, c.summary)
	}
	fmt.Fprint(w, `
ADDR is that of any member, as "host", "host:port" or "srv+service". The default port is 7946.

The exit status is 0 if all went well; 1 if doctor has findings; 2 if the command failed.
"memberlist COMMAND -h" lists the flags of a command.
`)
}
