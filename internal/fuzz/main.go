// Command fuzz runs the fuzz targets of this module in turn until each has used its share of CPU time, and prints a
// table of the results.
//
//	go run ./internal/fuzz                       ten minutes of CPU for each target
//	go run ./internal/fuzz -run 'wire.FuzzPing'  some of them, by package and name
//	go run ./internal/fuzz -minutes 0            only print the table so far
//
// The time is the CPU time of a target's processes, not wall-clock time: a target on a busy machine gets as much as
// on an idle one. The totals and the fuzzer's corpus are kept under -dir, so that an interrupted run can be
// continued. A failing input is written to testdata/fuzz of its package, where go test runs it from then on.
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
	minutes := flag.Float64("minutes", 10, "CPU minutes for each target")
	run := flag.String("run", "", "regular expression of targets to run, such as wire.FuzzPing or memberlist.FuzzStream")
	flag.DurationVar(&c.slice, "slice", 2*time.Minute, "time that a target runs before the next one")
	flag.StringVar(&c.dir, "dir", defaultDir(), "directory of the corpus and the totals")
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
