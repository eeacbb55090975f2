// Command programs runs the tests of programs that use github.com/hashicorp/memberlist, as they are and with this
// library in its place, and compares the results test by test. It fails if a test passes with the reference and not
// with this library.
//
//	go run ./programs                     all tests, with both libraries
//	go run ./programs -fast               a part of them with this library; failures are run with both
//	go run ./programs -program serf       one program
//
// The programs come from the module proxy and are copied to a temporary directory. Their tests run in real time and
// some fail now and then, with either library: failed tests are run again, up to -runs times.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	only := flag.String("program", "", "serf, alertmanager, alertmanager-0.34 or dskit, and no other")
	fast := flag.Bool("fast", false, "run a part, with this library; what fails there with both")
	runs := flag.Int("runs", 4, "how often a test is run before it has failed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	regressions, err := runAll(ctx, *only, *fast, *runs)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "programs:", err)
		os.Exit(2)
	case regressions > 0:
		fmt.Printf("\n%d tests pass with the reference and not with this library\n", regressions)
		os.Exit(1)
	}
}

// runAll runs the programs, prints the table, and returns how many tests pass with the reference only.
func runAll(ctx context.Context, only string, fast bool, runs int) (regressions int, err error) {
	dir, err := os.MkdirTemp("", "memberlist-programs-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)

	found := false
	for _, p := range programs {
		if only != "" && only != p.name {
			continue
		}
		found = true
		b, err := prepare(ctx, &p, dir)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		c, err := b.compare(ctx, fast, runs)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		regressions += c.report(os.Stdout, &p)
	}
	if !found {
		return 0, fmt.Errorf("no program %q", only)
	}
	return regressions, nil
}
