//go:build unix

package crowds

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"
)

// errExceeded is wrapped by the error of a crowd that exceeds a bound.
var errExceeded = errors.New("exceeded")

// Main runs a crowd as the flags say, and prints what its members know. It adds its flags to those that are there, and calls library
// once they are parsed. It returns the exit status: 1 if a bound is exceeded, 2 if the crowd cannot be run.
func Main(flags *flag.FlagSet, args []string, library func() Library, out, errOut io.Writer) int {
	c := crowd{out: out, cpu: cpuTime}
	again := flags.Int("again", 0, "run a crowd that exceeds a bound again, up to `n` times, as on a machine that is busy with other work")
	flags.IntVar(&c.size, "members", 1000, "the `number` of members")
	flags.IntVar(&c.joiners, "joiners", 1000, "the `number` of members that join at a time")
	flags.DurationVar(&c.within, "within", 30*time.Second, "the `time` in which all must know all if two cores are free: twice that is the most CPU time")
	flags.DurationVar(&c.rest, "rest", time.Minute, "the `time` for which nobody may fail afterwards")
	flags.DurationVar(&c.stop, "stop", 0, "stop the process once, for this `time`")
	flags.DurationVar(&c.quarter, "quarter", 0, "let the process run for 25 ms of each 100 ms, for this `time`")
	profile := flags.String("profile", "", "write a CPU profile to this `file`")
	flags.SetOutput(errOut)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	c.library = library()
	err := profiled(*profile, c.run)
	for range *again {
		if errors.Is(err, errExceeded) {
			fmt.Fprintf(errOut, "%v; again\n", err)
			err = profiled(*profile, c.run)
		}
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(errOut, err)
	if errors.Is(err, errExceeded) {
		return 1
	}
	return 2
}

// profiled calls run while it writes a CPU profile to a file, if that has a name.
func profiled(name string, run func() error) error {
	if name == "" {
		return run()
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
