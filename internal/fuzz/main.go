// Command fuzz runs the fuzz targets of this module in turn until each has had its share of CPU time, and prints a table of
// what they have spent and found.
//
//	go run ./internal/fuzz                       ten minutes of CPU for each target
//	go run ./internal/fuzz -run 'wire.FuzzPing'  some of them, by package and name
//	go run ./internal/fuzz -minutes 0            what was spent so far, and nothing more
//
// The time is what the processes of a target have used, as the system counts it, and no time on the wall: a target on a
// busy machine gets as much as on an idle one. What was spent, and the corpus that the fuzzer has found, are kept under
// -dir, so that a run that is interrupted goes on where it was. An input that makes a target fail is written to
// testdata/fuzz of its package, where go test runs it ever after.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	var c campaign
	minutes := flag.Float64("minutes", 10, "CPU minutes that each target is to have had")
	run := flag.String("run", "", "only the targets that match, as wire.FuzzPing or memberlist.FuzzStream")
	flag.DurationVar(&c.slice, "slice", 2*time.Minute, "how long a target runs before the next has its turn")
	flag.StringVar(&c.dir, "dir", defaultDir(), "where the corpus and what was spent are kept")
	flag.Parse()
	c.share = time.Duration(*minutes * float64(time.Minute))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	findings, err := 0, error(nil)
	if c.only, err = regexp.Compile(*run); err == nil {
		findings, err = c.run(ctx)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(2)
	case findings > 0:
		os.Exit(1)
	}
}

func defaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "memberlist-fuzz")
}
