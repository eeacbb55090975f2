//go:build unix

// Command crowd runs many members in one process, over the loopback sockets of this machine, and makes the process busy: all join at
// once; it gets a quarter of its time; it is stopped for some seconds. No member fails, so every failure that one declares is false.
//
//	go run ./internal/crowd                                  1,000 members join
//	go run ./internal/crowd -stop 5s                         then the process is stopped once
//	go run ./internal/crowd -members 300 -quarter 1m         then it runs for 25 ms of each 100 ms
//
// The exit status is 1 if a bound is exceeded: all know all in time, after the joins and after the stop, and nobody fails.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var c crowd
	flag.IntVar(&c.size, "members", 1000, "the number of members")
	flag.IntVar(&c.joiners, "joiners", 1000, "the number of members that join at a time")
	flag.DurationVar(&c.within, "within", 30*time.Second, "the time in which all must know all")
	flag.DurationVar(&c.rest, "rest", time.Minute, "the time for which nobody may fail afterwards")
	flag.DurationVar(&c.stop, "stop", 0, "stop the process once, for this time")
	flag.DurationVar(&c.quarter, "quarter", 0, "let the process run for 25 ms of each 100 ms, for this time")
	flag.StringVar(&c.profile, "profile", "", "write a CPU profile to this file")
	stopper := flag.Bool("stopper", false, "stop and continue the parent; used by the command itself")
	flag.Parse()
	run := c.run
	if *stopper {
		run = func() error { return stopParent(flag.Args()) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
