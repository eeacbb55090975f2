package attacks

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"sync"
	"text/tabwriter"
	"time"
)

var errExceeded = errors.New("a bound is exceeded")

// Main runs the attacks that the flags choose, and writes a table of the figures. It adds its flags to those that are there, and calls
// library once they are parsed. It returns the exit status: 1 if a bound is exceeded, 2 if an attack cannot be run.
func Main(ctx context.Context, flags *flag.FlagSet, args []string, library func() Library, out, errOut io.Writer) int {
	list := flags.Bool("list", false, "list the attacks and run none")
	pattern := flags.String("run", "", "run the attacks whose names match this `regexp`")
	again := flags.Int("again", 0, "run an attack that exceeds a bound again, up to `n` times and alone, as on a machine that is busy with other work")
	flags.SetOutput(errOut)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	err := command(ctx, library(), *pattern, *list, *again, out)
	switch {
	case err == nil:
		return 0
	case err == errExceeded:
		return 1
	}
	fmt.Fprintln(errOut, "attack:", err)
	return 2
}

// command lists or runs the attacks whose names match a pattern. The error is errExceeded if all were run and a bound is exceeded.
func command(ctx context.Context, library Library, pattern string, list bool, again int, out io.Writer) error {
	chosen, err := matching(pattern)
	if err != nil {
		return err
	}
	if list {
		return writeList(out, chosen)
	}
	fmt.Fprintf(out, "%s\n\n", library.Name())
	begin := time.Now()
	results := runAll(ctx, library, false, chosen)
	runAgain(ctx, library, results, again, out)
	err = writeTable(out, results)
	fmt.Fprintf(out, "\n%.0f s\n", time.Since(begin).Seconds())
	return err
}

func matching(pattern string) ([]Attack, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var chosen []Attack
	for _, a := range All() {
		if re.MatchString(a.Name) {
			chosen = append(chosen, a)
		}
	}
	return chosen, nil
}

func writeList(out io.Writer, attacks []Attack) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, a := range attacks {
		fmt.Fprintf(w, "%s\t%s\n", a.Name, a.Does)
		for _, f := range a.Figures {
			fmt.Fprintf(w, "\t  %s: %s\n", f.What, f.bound())
		}
	}
	return w.Flush()
}

// result is the outcome of an attack.
type result struct {
	attack Attack
	values []float64
	err    error
}

// runAgain runs the attacks that exceed a bound again, up to n times each and alone, and replaces their results.
func runAgain(ctx context.Context, library Library, results []result, n int, out io.Writer) {
	for i := range results {
		for range n {
			if r := &results[i]; r.exceeds() {
				fmt.Fprintf(out, "%s: %v; again\n", r.attack.Name, r.values)
				*r = runAll(ctx, library, false, []Attack{r.attack})[0]
			}
		}
	}
}

// exceeds reports whether a figure exceeds its bound.
func (r *result) exceeds() bool {
	for i, value := range r.values {
		if !r.attack.Figures[i].Holds(value) {
			return true
		}
	}
	return false
}

// runAll runs the attacks, first all at once that do not disturb others, then the rest one after the other.
func runAll(ctx context.Context, library Library, short bool, attacks []Attack) []result {
	results := make([]result, len(attacks))
	run := func(i int) {
		r := Run{Library: library, Short: short}
		values, err := attacks[i].Run(ctx, &r)
		results[i] = result{attacks[i], values, cmp.Or(err, r.Close())}
	}
	var together sync.WaitGroup
	for i, a := range attacks {
		if !a.Alone {
			together.Go(func() { run(i) })
		}
	}
	together.Wait()
	for i, a := range attacks {
		if a.Alone {
			run(i)
		}
	}
	return results
}

// writeTable writes the figures and their bounds. The error is those of the attacks that could not be run, or errExceeded.
func writeTable(out io.Writer, results []result) error {
	var failed []error
	var exceeded error
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "attack\twhat\tfigure\tbound\t")
	for _, r := range results {
		if r.err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", r.attack.Name, r.err))
			continue
		}
		for i, f := range r.attack.Figures {
			verdict := "ok"
			if !f.Holds(r.values[i]) {
				verdict, exceeded = "exceeded", errExceeded
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.attack.Name, f.What, f.value(r.values[i]), f.bound(), verdict)
		}
	}
	return cmp.Or(w.Flush(), errors.Join(failed...), exceeded)
}
