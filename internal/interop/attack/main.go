// Command attack runs the attacks of internal/attacks against the reference, to compare the figures.
//
//	go run ./attack -reference              all attacks, in less than two minutes
//	go run ./attack -reference -run pings   those whose names match
//	go run ./attack                         the same against this library, as internal/attack does
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"

	"github.com/e3431adc/memberlist/internal/attacks"
)

func main() {
	if attacks.ServeVictim(attacks.Ours{}, theirs{}) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	flags := flag.NewFlagSet("attack", flag.ContinueOnError)
	reference := flags.Bool("reference", false, "attack github.com/hashicorp/memberlist")
	library := func() attacks.Library {
		if *reference {
			return theirs{}
		}
		return attacks.Ours{}
	}
	status := attacks.Main(ctx, flags, os.Args[1:], library, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
