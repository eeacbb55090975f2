package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// id is a test, or a package if there is no test.
type id struct{ pkg, test string }

// result is the result of all runs of a test.
type result struct {
	passed, failed, skipped int
	output                  []string // of the last run that failed
}

// results are the results of all tests of a program with one library.
type results map[id]*result

func (r results) of(i id) *result {
	if r[i] == nil {
		r[i] = new(result)
	}
	return r[i]
}

// read adds the output of go test -json. A failed package is a result of its own only if none of its tests has
// failed: it does not build, or crashed. A test without an end then has failed.
func (r results) read(from io.Reader) error {
	began := make(map[id]bool)
	failed := make(map[string]bool) // packages with a failed test
	output := make(map[id][]string)
	events := json.NewDecoder(bufio.NewReader(from))
	for {
		var e struct{ Action, Package, Test, Output string }
		if err := events.Decode(&e); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read go test -json: %w", err)
		}
		i := id{e.Package, e.Test}
		switch e.Action {
		case "run":
			began[i] = true
		case "output":
			output[i] = append(output[i], e.Output)
		case "pass", "skip", "fail":
			delete(began, i)
			if e.Action == "fail" && e.Test == "" {
				r.failPackage(i, began, failed, output)
			} else if e.Test != "" {
				r.add(i, e.Action, output[i])
				failed[e.Package] = failed[e.Package] || e.Action == "fail"
			}
			delete(output, i)
		}
	}
}

func (r results) add(i id, action string, output []string) {
	switch of := r.of(i); action {
	case "pass":
		of.passed++
	case "skip":
		of.skipped++
	default:
		of.failed++
		of.output = output
	}
}

func (r results) failPackage(pkg id, began map[id]bool, failed map[string]bool, output map[id][]string) {
	for i := range began {
		if i.pkg == pkg.pkg {
			r.add(i, "fail", append(output[i], output[pkg]...))
			failed[i.pkg] = true
		}
	}
	if !failed[pkg.pkg] {
		r.add(pkg, "fail", output[pkg])
	}
}

// comparison has the results of a program's tests with both libraries.
type comparison struct{ reference, ours results }

// undecided selects the tests that have not passed with this library and have runs left.
func (c *comparison) undecided() []selection {
	tests := make(map[string]map[string]bool) // names by package
	for _, i := range c.all() {
		if c.passesWithOurs(i) {
			continue
		}
		if tests[i.pkg] == nil {
			tests[i.pkg] = make(map[string]bool)
		}
		top, _, _ := strings.Cut(i.test, "/")
		tests[i.pkg][top] = true
	}
	var list []selection
	for _, pkg := range slices.Sorted(maps.Keys(tests)) {
		s := selection{packages: []string{pkg}}
		if !tests[pkg][""] {
			s.run = "^(" + strings.Join(slices.Sorted(maps.Keys(tests[pkg])), "|") + ")$"
		}
		list = append(list, s)
	}
	return list
}

// passesWithOurs reports whether a test passed once with this library, or was skipped as with the reference.
func (c *comparison) passesWithOurs(i id) bool {
	ours, reference := c.ours[i], c.reference[i]
	switch {
	case ours == nil: // run with the reference only
		return reference.passed == 0
	case ours.passed > 0:
		return true
	case ours.skipped > 0:
		return reference == nil || reference.passed == 0
	default:
		return false
	}
}

// regressions returns the tests that have passed with the reference and never with this library.
func (c *comparison) regressions() []id {
	var list []id
	for _, i := range c.all() {
		if reference := c.reference[i]; reference != nil && reference.passed > 0 && !c.passesWithOurs(i) {
			list = append(list, i)
		}
	}
	return list
}

// all returns the tests that ran with either library, sorted.
func (c *comparison) all() []id {
	ids := maps.Clone(c.ours)
	maps.Copy(ids, c.reference)
	return slices.SortedFunc(maps.Keys(ids), func(a, b id) int {
		if n := strings.Compare(a.pkg, b.pkg); n != 0 {
			return n
		}
		return strings.Compare(a.test, b.test)
	})
}

// counts are the tests of a package.
type counts struct{ tests, reference, ours, skipped int }

// report prints the table and all tests that did not pass at once, and returns the number of regressions.
func (c *comparison) report(to io.Writer, p *program) int {
	byPackage := make(map[string]*counts)
	for _, i := range c.all() {
		n := byPackage[i.pkg]
		if n == nil {
			n = new(counts)
			byPackage[i.pkg] = n
		}
		n.tests++
		if r := c.reference[i]; r != nil && r.passed > 0 {
			n.reference++
		}
		if r := c.ours[i]; r != nil && r.passed > 0 {
			n.ours++
		} else if r != nil && r.skipped > 0 {
			n.skipped++
		}
	}
	fmt.Fprintf(to, "\n%s %s\n", p.name, p.Version)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "package\ttests\tpass with the reference\tpass with ours\tskipped")
	for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
		n, reference := byPackage[pkg], "not run"
		if n.reference > 0 {
			reference = fmt.Sprint(n.reference)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\n", pkg, n.tests, reference, n.ours, n.skipped)
	}
	w.Flush()

	for _, i := range c.all() {
		reference, ours := c.reference.of(i), c.ours.of(i)
		if ours.failed > 0 || reference.failed > 0 {
			fmt.Fprintf(to, "%s %s: with ours passed %d, failed %d; with the reference passed %d, failed %d\n",
				i.pkg, i.test, ours.passed, ours.failed, reference.passed, reference.failed)
		}
	}
	regressions := c.regressions()
	for _, i := range regressions {
		fmt.Fprintf(to, "\nFAIL %s %s passes with the reference only:\n%s", i.pkg, i.test,
			strings.Join(c.ours.of(i).output, ""))
	}
	return len(regressions)
}
