// Command crowd runs a crowd of internal/crowds with members of the reference, to compare the figures.
//
//	go run ./crowd -reference               1,000 members of the reference join
//	go run ./crowd                          the same with this library, as internal/crowd does
package main

import (
	"flag"
	"os"

	"github.com/e3431adc/memberlist/internal/crowds"
)

func main() {
	if crowds.ServeStopper() {
		return
	}
	flags := flag.NewFlagSet("crowd", flag.ContinueOnError)
	reference := flags.Bool("reference", false, "run members of github.com/hashicorp/memberlist")
	library := func() crowds.Library {
		if *reference {
			return theirs{}
		}
		return crowds.Ours{}
	}
	os.Exit(crowds.Main(flags, os.Args[1:], library, os.Stdout, os.Stderr))
}
