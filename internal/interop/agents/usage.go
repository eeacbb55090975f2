package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is the CPU time and context switches of a process since its start.
type usage struct {
	cpu      time.Duration
	switches int // voluntary context switches
}

// usageOf returns the sum over the threads of a process, as Linux counts them. Threads that have ended are missing,
// but Go's do not end.
func usageOf(pid int) (usage, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return usage{}, err
	}
	if len(threads) == 0 {
		return usage{}, fmt.Errorf("nothing in /proc of process %d", pid)
	}
	var sum usage
	for _, thread := range threads {
		times, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil {
			return usage{}, err
		}
		status, err := os.ReadFile(filepath.Join(thread, "status"))
		if err != nil {
			return usage{}, err
		}
		u, err := parseUsage(string(times), string(status))
		if err != nil {
			return usage{}, fmt.Errorf("%s: %w", thread, err)
		}
		sum.cpu += u.cpu
		sum.switches += u.switches
	}
	return sum, nil
}

// parseUsage parses the files of a thread. The first number in schedstat is its CPU time in nanoseconds.
func parseUsage(schedstat, status string) (usage, error) {
	first, _, _ := strings.Cut(schedstat, " ")
	cpu, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return usage{}, fmt.Errorf("schedstat: %w", err)
	}
	for line := range strings.Lines(status) {
		if number, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			switches, err := strconv.Atoi(strings.TrimSpace(number))
			return usage{cpu: time.Duration(cpu), switches: switches}, err
		}
	}
	return usage{}, fmt.Errorf("status has no voluntary_ctxt_switches")
}
