// Command bench measures this library and the reference with one suite, in turn, and prints the results, their ratio,
// and whether it meets the goal. Run it in the directory of this module:
//
//	go run .                        # five minutes or so
//	go run . -run 'Ping|Alives'     # a part of it
//	go run . -long -write           # all of it, into ../docs/performance.md
//
// With -results FILE, several runs add to one file.
package main

//go:generate go run ./generate

import (
	"flag"
	"fmt"
	"os"
	"regexp"
)

const document = "../docs/performance.md"

func main() {
	var s session
	var write bool
	flag.IntVar(&s.rounds, "rounds", 3, "how often each benchmark is run; the table has the medians")
	flag.StringVar(&s.benchtime, "benchtime", "200ms", "how long each run of most benchmarks is, as for go test")
	flag.StringVar(&s.window, "window", "20s", "how long an idle cluster is watched")
	flag.BoolVar(&s.long, "long", false, "include what takes minutes: 300 and 600 members who join at once, overload")
	flag.StringVar(&s.file, "results", "", "a file that results are added to, so that a table can be made in several runs")
	flag.BoolVar(&write, "write", false, "write the table into "+document)
	only := flag.String("run", "", "a regular expression: only benchmarks whose names, such as Ping/plain, match")
	flag.Parse()
	if err := run(&s, *only, write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(s *session, only string, write bool) error {
	matching, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var chosen []row
	for _, r := range rows {
		if matching.MatchString(r.bench) {
			chosen = append(chosen, r)
		}
	}
	if err := s.load(); err != nil {
		return err
	}
	if err := s.measure(chosen); err != nil {
		return err
	}
	if s.file != "" {
		chosen = rows // all with results
	}
	table := markdown(chosen, s.ours, s.reference)
	fmt.Print(table)
	if write {
		return writeTable(document, table)
	}
	return nil
}
