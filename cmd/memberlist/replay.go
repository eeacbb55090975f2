package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/e3431adc/memberlist/internal/explain"
	"github.com/e3431adc/memberlist/internal/flaps"
	"github.com/e3431adc/memberlist/internal/printable"
	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/swim"
)

// runReplay replays a recording of Memberlist.WriteRecording, and prints what happened to a member.
func runReplay(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("memberlist replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	member := flags.String("member", "", "print what the recorded member learnt and decided about the member with this `name`")
	test := flags.Bool("test", false, "write a Go test that fails as long as -member is declared dead, for a file of internal/flaps")
	if err := flags.Parse(args); err != nil {
		return exitFailed, err
	}
	if flags.NArg() != 1 {
		return exitFailed, errors.New("one FILE is needed")
	}
	if *test && *member == "" {
		return exitFailed, errors.New("-test needs the -member that must not be declared dead")
	}
	b, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return exitFailed, err
	}
	file, err := recorder.Read(b)
	if err != nil {
		return exitFailed, err
	}
	if *test {
		source, err := flaps.Test(*member, b)
		if err != nil {
			return exitFailed, err
		}
		_, err = io.WriteString(stdout, source)
		return exitOK, err
	}
	replay, err := swim.NewReplay(file, true)
	if err != nil {
		return exitFailed, err
	}
	return exitOK, printReplay(ctx, replay, *member, stdout)
}

// printReplay replays all turns, prints the lines about a member, if it is named, and a summary.
func printReplay(ctx context.Context, replay *swim.Replay, member string, stdout io.Writer) error {
	var first, last *swim.ReplayedTurn
	for ctx.Err() == nil {
		turn, err := replay.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if turn != nil {
			if first == nil {
				first = turn
			}
			last = turn
			if member != "" {
				for _, line := range turn.About(member, explain.Evidence) {
					fmt.Fprintf(stdout, "%s %s\n", turn.At.Format(timeFormat), printable.Text(line))
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if last == nil {
		fmt.Fprintln(stdout, "the recording is empty")
		return nil
	}
	fmt.Fprintf(stdout, "%s, recorded by %s: %d turns from %s to %s, replayed with the same outputs\n", printable.Text(replay.Config().Name),
		printable.Text(replay.Program()), last.Number, first.At.Format(timeFormat), last.At.Format(timeFormat))
	return nil
}

const timeFormat = "2006-01-02 15:04:05.000"
