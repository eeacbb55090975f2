//go:build unix

// Command crowd runs many members in one process, over the loopback sockets of this machine, and makes the process busy: all join at
// once; it gets a quarter of its time; it is stopped for some seconds. No member fails, so every failure that one declares is false.
//
//	go run ./internal/crowd                                  1,000 members join
//	go run ./internal/crowd -stop 5s                         then the process is stopped for 5 s, once
//	go run ./internal/crowd -members 300 -quarter 60s        then it runs 25 ms of each 100 ms, for a minute
//
// The exit status is 1 if a bound is exceeded: all know all within -within of the joins and of a stop, and nobody fails.
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
	flag.IntVar(&joiners, "joiners", 8, "the number of members that join at a time")
	flag.DurationVar(&c.within, "within", 30*time.Second, "the time after which all must know all")
	flag.DurationVar(&c.rest, "rest", time.Minute, "the time for which nobody may fail afterwards")
	flag.DurationVar(&c.stop, "stop", 0, "stop the process once, for this time")
	flag.DurationVar(&c.quarter, "quarter", 0, "let the process run 25 ms of each 100 ms, for this time")
	flag.StringVar(&c.profile, "profile", "", "write a CPU profile to this file")
	stopped := flag.String("stopper", "", "internal: stop and continue the parent")
	flag.Parse()
	if *stopped != "" {
		if err := stopParent(*stopped); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
