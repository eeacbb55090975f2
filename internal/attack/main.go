// Command attack runs attacks against live clusters of this library, over the loopback sockets of this machine, and compares their
// figures with bounds. The exit status is 1 if a bound is exceeded, and 2 if an attack cannot be run.
//
//	go run ./internal/attack              all attacks, in less than two minutes
//	go run ./internal/attack -list        list the attacks
//	go run ./internal/attack -run pings   those whose names match
//	go run ./internal/attack -again 2     those that exceed a bound twice more, as on a busy machine
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"

	"github.com/e3431adc/memberlist/internal/attacks"
)

func main() {
	if attacks.ServeVictim(attacks.Ours{}) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	flags := flag.NewFlagSet("attack", flag.ContinueOnError)
	ours := func() attacks.Library { return attacks.Ours{} }
	status := attacks.Main(ctx, flags, os.Args[1:], ours, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
