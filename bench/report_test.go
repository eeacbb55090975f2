package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// output is the output of a test binary.
const output = `goos: linux
BenchmarkPing/plain-2   	  116218	       932.0 ns/op	       900.0 cpu-ns/op	      40 B/op	       2 allocs/op
BenchmarkPing/plain-2   	  116218	       932.0 ns/op	       100.0 cpu-ns/op	      40 B/op	       2 allocs/op
BenchmarkPing/plain-2   	  116218	       932.0 ns/op	       500.0 cpu-ns/op	      40 B/op	       2 allocs/op
BenchmarkUpdatesUnderReaders-2   	     96	   4202735 ns/op	      1000 updates/s
BenchmarkMemory/known-2   	     1	   4202735 ns/op	      246.0 B/member
BenchmarkCreate/memory-2   	     1	   4202735 ns/op	      500.0 cpu-ns/op
BenchmarkBareCreate-2   	     1	   4202735 ns/op	      250.0 cpu-ns/op
PASS
`

// TestTable checks medians, ratios and goals.
func TestTable(t *testing.T) {
	ours, reference := make(results), make(results)
	if err := ours.add(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	slower := strings.NewReplacer("500.0", "4100.0", "900.0", "9000.0", "1000 updates/s", "200 updates/s", " 2 allocs", " 41 allocs")
	if err := reference.add(strings.NewReader(slower.Replace(output))); err != nil {
		t.Fatal(err)
	}
	table := markdown(rows, ours, reference)
	for _, want := range []string{
		"| ping to ack, plain | 4.1 us | 500 ns | 8.2x | 4x | 41 to 2 | 3 | yes |\n",
		"| updates a second while readers loop over Members() | 200 updates | 1000 updates | 5x | 10x |  |  | no |\n",
		"| heap per known member of 50,000 | 246 B | 246 B | 1x | at most 245 B |  |  | no |\n",
		"\n1 of 3 goals are met.\n",
		"\n| Create and Shutdown, in memory | 250 ns | 16.4x | 2x |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
	if strings.Contains(table, "LocalNode") {
		t.Errorf("a row without results in\n%s", table)
	}
}

// TestWriteTable checks that the text around the table is kept.
func TestWriteTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	for _, table := range []string{"| a |\n", "| b |\n"} {
		if _, err := os.Stat(path); err != nil {
			if err := os.WriteFile(path, []byte("before\n"+tableBegin+tableEnd+"after\n"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeTable(path, table); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "before\n" + tableBegin + "\n" + table + "\n" + tableEnd + "after\n"; string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestResultsAreKept checks that several runs add to one file.
func TestResultsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	for range 2 {
		s := session{file: file}
		if err := s.load(); err != nil {
			t.Fatal(err)
		}
		if err := s.ours.add(strings.NewReader(output)); err != nil {
			t.Fatal(err)
		}
		if err := s.save(); err != nil {
			t.Fatal(err)
		}
	}
	s := session{file: file}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	if got := len(s.ours["Ping/plain"][cpuPerOp]); got != 6 {
		t.Errorf("%d values are kept, want 6", got)
	}
}
