package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are all values of each metric of each benchmark.
type results map[string]map[string][]float64

var procs = regexp.MustCompile(`-\d+$`)

// add reads the output of a test binary.
func (r results) add(output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := procs.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if r[name] == nil {
			r[name] = make(map[string][]float64)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("read %q: %w", lines.Text(), err)
			}
			r[name][fields[i+1]] = append(r[name][fields[i+1]], value)
		}
	}
	return lines.Err()
}

// median returns the median, or false if there are no values.
func (r results) median(bench, metric string) (float64, bool) {
	values := slices.Sorted(slices.Values(r[bench][metric]))
	if len(values) == 0 {
		return 0, false
	}
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2, true
	}
	return values[middle], true
}
