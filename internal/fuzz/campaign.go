package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// campaign runs fuzz targets.
type campaign struct {
	only  *regexp.Regexp // targets to run
	share time.Duration  // CPU time for each
	slice time.Duration  // wall-clock time of one run
	dir   string
}

// target is one fuzz target, in a test binary that is instrumented for fuzzing.
type target struct {
	pkg    string // its import path
	source string // directory of the package
	binary string
	fuzz   string // the function
}

// name returns the target's name in the table and for -run.
func (t target) name() string { return t.pkg[strings.LastIndexByte(t.pkg, '/')+1:] + "." + t.fuzz }

// run repeatedly runs the target with the least CPU time until each has had its share, and returns the number of
// failing inputs. A target that fails is not run again: it would fail until the cause is fixed.
func (c *campaign) run(ctx context.Context) (findings int, err error) {
	spent, err := openLedger(filepath.Join(c.dir, "spent.json"))
	if err != nil {
		return 0, err
	}
	targets, err := c.build(ctx)
	if err != nil {
		return 0, err
	}
	for open := slices.Clone(targets); len(open) > 0 && ctx.Err() == nil; {
		t := slices.MinFunc(open, func(a, b target) int { return cmp.Compare(spent.cpu(a.name()), spent.cpu(b.name())) })
		if spent.cpu(t.name()) >= c.share {
			break
		}
		done, err := c.turn(ctx, t)
		if err != nil {
			return findings, fmt.Errorf("%s: %w", t.name(), err)
		}
		if done.Findings > 0 {
			findings += done.Findings
			open = slices.DeleteFunc(open, func(o target) bool { return o == t })
		}
		if err := spent.add(t.name(), done); err != nil {
			return findings, err
		}
	}
	return findings, spent.table(os.Stdout, targets)
}

// build compiles the packages that have fuzz targets and lists these.
func (c *campaign) build(ctx context.Context) ([]target, error) {
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.ImportPath}} {{.Dir}}", "./...")
	list.Stderr = os.Stderr
	packages, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var targets []target
	for line := range strings.Lines(string(packages)) {
		pkg, source, _ := strings.Cut(strings.TrimSpace(line), " ")
		fuzzes, err := fuzzFunctions(source)
		if err != nil {
			return nil, err
		}
		found := len(targets)
		binary := filepath.Join(c.dir, strings.ReplaceAll(pkg, "/", "_")+".test")
		for _, fuzz := range fuzzes {
			if t := (target{pkg, source, binary, fuzz}); c.only.MatchString(t.name()) {
				targets = append(targets, t)
			}
		}
		if len(targets) == found || c.share == 0 {
			continue
		}
		compile := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", ".", "-o", binary, pkg)
		compile.Stderr = os.Stderr
		if err := compile.Run(); err != nil {
			return nil, fmt.Errorf("compiling %s: %w", pkg, err)
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no such target")
	}
	return targets, nil
}

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// fuzzFunctions returns the fuzz targets in a directory.
func fuzzFunctions(dir string) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, match := range fuzzFunction.FindAllSubmatch(source, -1) {
			names = append(names, string(match[1]))
		}
	}
	return names, nil
}

// turn runs a target for a slice. A failing input is a finding; a target that does not start is an error.
func (c *campaign) turn(ctx context.Context, t target) (turn, error) {
	cmd := exec.CommandContext(ctx, t.binary,
		"-test.run=^$", "-test.fuzz=^"+t.fuzz+"$", "-test.fuzzcachedir="+filepath.Join(c.dir, "corpus", t.pkg),
		"-test.fuzztime="+c.slice.String(), "-test.fuzzminimizetime=10s", "-test.parallel=1")
	cmd.Dir = t.source // findings are written to testdata there
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output strings.Builder
	cmd.Stdout = io.MultiWriter(&output, newPrefixer(os.Stderr, t.name()))
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return turn{}, err
	}
	done := readOutput(output.String())
	// Of the process and of all its workers, which have ended.
	done.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil && done.Findings == 0 && ctx.Err() == nil && !endedLate(output.String()) {
		return done, err
	}
	return done, nil
}
