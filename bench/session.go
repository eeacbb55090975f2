package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// session runs the two suites.
type session struct {
	rounds            int
	benchtime, window string
	long              bool
	file              string // file for results of several runs; empty: none

	ours, reference results
}

// group is the benchmarks of one function, which one run of a binary measures.
type group struct {
	function string
	parts    []string // of the rows, after the function's name; empty: none
	bare     bool     // without a library: run for one side
}

// once are the functions whose single operation takes long.
var once = []string{"Idle", "BareIdle", "IdleProcess", "Memory", "JoinAtOnce", "Crowd", "Overload"}

// longest are those of them that take minutes, and are run in one round only.
var longest = []string{"Crowd", "Overload"}

// measure runs the benchmarks of the rows. In each round, each function is run for the one library, then for the
// other, in alternating order, so that a machine that is slow for a while slows both.
func (s *session) measure(rows []row) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sides := []side{
		{"suite", filepath.Join(dir, "ours.test"), s.ours},
		{"reference", filepath.Join(dir, "reference.test"), s.reference},
	}
	for _, side := range sides {
		build := exec.Command("go", "test", "-c", "-o", side.binary, "./"+side.pkg)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build the suite: %w", err)
		}
	}
	groups := groupsOf(rows)
	for round := range s.rounds {
		for _, g := range groups {
			if slices.Contains(longest, g.function) && (round > 0 || !s.long) {
				continue
			}
			for _, side := range sides {
				if g.bare && side.pkg != "suite" {
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %s\n", round+1, s.rounds, g.function, side.pkg)
				if err := s.run(side, g); err != nil {
					return err
				}
				if err := s.save(); err != nil {
					return err
				}
			}
		}
		slices.Reverse(sides)
	}
	return nil
}

// kept is the content of a file of results.
type kept struct{ Ours, Reference results }

// load reads the results of earlier runs.
func (s *session) load() error {
	s.ours, s.reference = make(results), make(results)
	content, err := os.ReadFile(s.file)
	if s.file == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(content, &kept{s.ours, s.reference})
}

func (s *session) save() error {
	if s.file == "" {
		return nil
	}
	content, err := json.Marshal(kept{s.ours, s.reference})
	if err != nil {
		return err
	}
	return os.WriteFile(s.file, content, 0o666)
}

// side is one of the two libraries.
type side struct {
	pkg    string
	binary string
	into   results
}

func groupsOf(rows []row) []group {
	var groups []group
	for _, r := range rows {
		function, part, _ := strings.Cut(r.bench, "/")
		i := slices.IndexFunc(groups, func(g group) bool { return g.function == function })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{function: function})
		}
		if part != "" && !slices.Contains(groups[i].parts, part) {
			groups[i].parts = append(groups[i].parts, part)
		}
		if r.bare != "" {
			groups = append(groups, group{function: r.bare, bare: true})
		}
	}
	return groups
}

// run adds the results of one run of a binary.
func (s *session) run(side side, g group) error {
	patterns := []string{"^Benchmark" + g.function + "$"}
	if len(g.parts) > 0 {
		patterns = slices.Concat(patterns, partPatterns(g.parts))
	}
	benchtime := s.benchtime
	if slices.Contains(once, g.function) {
		benchtime = "1x"
	}
	cmd := exec.Command(side.binary, "-test.run=^$", "-test.bench="+strings.Join(patterns, "/"),
		"-test.benchtime="+benchtime, "-test.timeout=30m", "-window="+s.window, fmt.Sprintf("-long=%v", s.long))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s of %s: %w\n%s", g.function, side.pkg, err, out.Bytes())
	}
	return side.into.add(&out)
}

// partPatterns returns a pattern for each level of sub-benchmarks, which may match more than the parts.
func partPatterns(parts []string) []string {
	var levels [][]string
	for _, part := range parts {
		for i, name := range strings.Split(part, "/") {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			if !slices.Contains(levels[i], name) {
				levels[i] = append(levels[i], name)
			}
		}
	}
	var patterns []string
	for _, names := range levels {
		patterns = append(patterns, "^("+strings.Join(names, "|")+")$")
	}
	return patterns
}
