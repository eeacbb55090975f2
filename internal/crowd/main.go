//go:build unix

// Command crowd runs many members of this library in one process, over the loopback sockets of this machine, and makes the process busy.
// No member fails, so every failure that one declares is false.
//
//	go run ./internal/crowd                                  1,000 members join
//	go run ./internal/crowd -stop 5s                         then the process is stopped once
//	go run ./internal/crowd -members 300 -quarter 1m         then it runs for 25 ms of each 100 ms
//
// The exit status is 1 if a bound is exceeded: all know all, after the joins and after the stop, within the CPU time that two cores have
// in 30 s, and nobody fails. It is 2 if the crowd cannot be run.
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
	ours := func() crowds.Library { return crowds.Ours{} }
	os.Exit(crowds.Main(flag.NewFlagSet("crowd", flag.ContinueOnError), os.Args[1:], ours, os.Stdout, os.Stderr))
}
