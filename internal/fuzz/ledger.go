package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// turn is the result of one or more runs of a target.
type turn struct {
	CPU      time.Duration
	Execs    int64
	Corpus   int // inputs that reach new code, the seeds included
	Findings int
}

var (
	progress = regexp.MustCompile(`(?m)^fuzz: elapsed: .*, execs: (\d+) .*\(total: (\d+)\)`)
	finding  = regexp.MustCompile(`(?m)^\s*Failing input written to `)
	lateEnd  = regexp.MustCompile(`(?m)^--- FAIL: .*\n\s+context deadline exceeded\n`)
)

// endedLate reports whether a target failed for nothing but the end of its time: on a busy machine package testing takes an input that is
// still running then for a failure, and writes none.
func endedLate(output string) bool { return lateEnd.MatchString(output) }

// readOutput parses the output of a fuzzing test binary.
func readOutput(output string) (t turn) {
	if lines := progress.FindAllStringSubmatch(output, -1); len(lines) > 0 {
		last := lines[len(lines)-1]
		t.Execs, _ = strconv.ParseInt(last[1], 10, 64)
		t.Corpus, _ = strconv.Atoi(last[2])
	}
	t.Findings = len(finding.FindAllString(output, -1))
	return t
}

// ledger is a file with the totals of all targets.
type ledger struct {
	path    string
	targets map[string]turn
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{path, make(map[string]turn)}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l.targets)
	}
	return l, err
}

// cpu returns the CPU time of a target so far.
func (l *ledger) cpu(name string) time.Duration { return l.targets[name].CPU }

// add adds a turn and writes the file.
func (l *ledger) add(name string, t turn) error {
	sum := l.targets[name]
	sum.CPU += t.CPU
	sum.Execs += t.Execs
	sum.Corpus = max(sum.Corpus, t.Corpus)
	sum.Findings += t.Findings
	l.targets[name] = sum
	text, err := json.MarshalIndent(l.targets, "", "\t")
	if err != nil {
		return err
	}
	next := l.path + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, l.path)
}

// table prints the totals as a Markdown table.
func (l *ledger) table(w io.Writer, targets []target) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(tw, "| target\t| CPU minutes\t| executions\t| corpus\t| findings\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	for _, t := range targets {
		sum := l.targets[t.name()]
		fmt.Fprintf(tw, "| %s\t| %.1f\t| %d\t| %d\t| %d\t|\n", t.name(), sum.CPU.Minutes(), sum.Execs, sum.Corpus, sum.Findings)
	}
	return tw.Flush()
}

// prefixer writes whole lines with a name before each.
type prefixer struct {
	w      io.Writer
	prefix string
	line   strings.Builder
}

func newPrefixer(w io.Writer, prefix string) *prefixer { return &prefixer{w: w, prefix: prefix} }

func (p *prefixer) Write(b []byte) (int, error) {
	for _, c := range b {
		p.line.WriteByte(c)
		if c == '\n' {
			if _, err := fmt.Fprintf(p.w, "%s: %s", p.prefix, p.line.String()); err != nil {
				return 0, err
			}
			p.line.Reset()
		}
	}
	return len(b), nil
}
