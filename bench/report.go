package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// markdown returns the table. A row without results, such as a long one that was not run, is omitted.
func markdown(rows []row, ours, reference results) string {
	var b strings.Builder
	b.WriteString("| benchmark | reference | this | ratio | goal | allocations | goal | met |\n")
	b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
	reached, of := 0, 0
	for _, r := range rows {
		l, ok := r.line(ours, reference)
		if !ok {
			continue
		}
		met := ""
		if r.ratio > 0 || r.most.set || r.allocs.set {
			of++
			met = "no"
			if l.met {
				reached++
				met = "yes"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.label, quantity(l.reference, r.metric),
			quantity(l.ours, r.metric), l.ratio, r.goalText(), l.allocs, ceiling(r.allocs), met)
	}
	fmt.Fprintf(&b, "\n%d of %d goals are met.\n", reached, of)
	writeBare(&b, rows, ours, reference)
	return b.String()
}

// writeBare writes a table of upper bounds of the ratio, for the rows that have one.
func writeBare(b *strings.Builder, rows []row, ours, reference results) {
	heading := "\n| the least that has to be done, with no library | takes | reference to that | this to that |\n| --- | ---: | ---: | ---: |\n"
	for _, r := range rows {
		l, ok := r.line(ours, reference)
		bare, measured := ours.median(r.bare, r.metric)
		if !ok || !measured {
			continue
		}
		fmt.Fprintf(b, "%s| %s | %s | %sx | %sx |\n", heading, r.label, quantity(bare, r.metric),
			rounded(l.reference/bare), rounded(l.ours/bare))
		heading = ""
	}
}

// line is the result of a row.
type line struct {
	reference, ours float64
	ratio, allocs   string
	met             bool
}

func (r *row) line(ours, reference results) (line, bool) {
	var l line
	var haveOurs, haveReference bool
	l.ours, haveOurs = ours.median(r.bench, r.metric)
	l.reference, haveReference = reference.median(r.bench, r.metric)
	if !haveOurs || !haveReference {
		return line{}, false
	}
	ratio := l.reference / l.ours
	if r.metric == updates {
		ratio = l.ours / l.reference
	}
	if l.ours > 0 && l.reference > 0 {
		l.ratio = rounded(ratio) + "x"
	}
	l.met = r.most.metBy(l.ours) && ratio >= r.ratio || l.ours == 0 && r.most.metBy(0)
	if a, ok := ours.median(r.bench, allocs); ok {
		before, _ := reference.median(r.bench, allocs)
		l.allocs = fmt.Sprintf("%.0f to %.0f", before, a)
		l.met = l.met && r.allocs.metBy(a)
	}
	return l, true
}

// goalText formats the goal of a row, but for allocations.
func (r *row) goalText() string {
	switch {
	case r.most.set:
		return "at most " + quantity(r.most.most, r.metric)
	case r.ratio > 0:
		return rounded(r.ratio) + "x"
	default:
		return ""
	}
}

func ceiling(g goal) string {
	if !g.set {
		return ""
	}
	return strconv.FormatFloat(g.most, 'f', -1, 64)
}

// rounded formats a value with about three digits.
func rounded(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// quantity formats a value of a metric with a suitable unit.
func quantity(v float64, metric string) string {
	if metric == cpuPerOp {
		switch {
		case v >= 1e6:
			return rounded(v/1e6) + " ms"
		case v >= 1e3:
			return rounded(v/1e3) + " us"
		default:
			return rounded(v) + " ns"
		}
	}
	unit, _, _ := strings.Cut(metric, "/")
	if unit == "cpu-us" {
		return rounded(v/1e3) + " ms"
	}
	return rounded(v) + " " + strings.TrimPrefix(unit, "cpu-")
}

const (
	tableBegin = "<!-- the table begins; go run . -long -write in bench makes it -->\n"
	tableEnd   = "<!-- the table ends -->\n"
)

// writeTable replaces the table of a document.
func writeTable(path, table string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, foundBegin := strings.Cut(string(content), tableBegin)
	_, after, foundEnd := strings.Cut(rest, tableEnd)
	if !foundBegin || !foundEnd {
		return errors.New(path + " has no place for the table")
	}
	return os.WriteFile(path, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o666)
}
