package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	quietOutput = `fuzz: elapsed: 0s, gathering baseline coverage: 0/35 completed
fuzz: elapsed: 0s, gathering baseline coverage: 35/35 completed, now fuzzing with 1 workers
fuzz: elapsed: 3s, execs: 40015 (13336/sec), new interesting: 11 (total: 46)
fuzz: elapsed: 6s, execs: 90031 (16671/sec), new interesting: 15 (total: 50)
PASS
`
	findingOutput = `fuzz: elapsed: 0s, gathering baseline coverage: 35/35 completed, now fuzzing with 1 workers
fuzz: elapsed: 2s, execs: 703 (351/sec), new interesting: 1 (total: 36)
--- FAIL: FuzzPing (2.01s)
    --- FAIL: FuzzPing (0.00s)
        ping_test.go:60: wrong

    Failing input written to testdata/fuzz/FuzzPing/0123456789abcdef
    To re-run:
    go test -run=FuzzPing/0123456789abcdef
FAIL
`
)

func TestReadOutput(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		want         turn
	}{
		{"no progress", "testing: warning: no fuzz tests to fuzz\nPASS\n", turn{}},
		{"the last line counts", quietOutput, turn{Execs: 90031, Corpus: 50}},
		{"a finding", findingOutput, turn{Execs: 703, Corpus: 36, Findings: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := readOutput(tt.output); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestEndedLate: a target whose time ends while an input runs has not failed. Any other failure without an input has.
func TestEndedLate(t *testing.T) {
	const began = "fuzz: elapsed: 2m0s, execs: 703 (351/sec), new interesting: 1 (total: 36)\n--- FAIL: FuzzPing (120.35s)\n"
	for output, want := range map[string]bool{
		began + "    context deadline exceeded\nFAIL\n":                                      true,
		began + "    fuzzing process hung or terminated unexpectedly: exit status 2\nFAIL\n": false,
		quietOutput:                          false,
		"panic: context deadline exceeded\n": false,
	} {
		if got := endedLate(output); got != want {
			t.Errorf("%q: got %v, want %v", output, got, want)
		}
	}
}

// TestLedger: times survive a restart, and add up.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some", "spent.json")
	for range 2 {
		l, err := openLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.add("wire.FuzzPing", turn{CPU: 90 * time.Second, Execs: 1000, Corpus: 7, Findings: 1}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.cpu("wire.FuzzPing"); got != 3*time.Minute {
		t.Errorf("spent %v, want 3m", got)
	}
	var out strings.Builder
	if err := l.table(&out, []target{{pkg: "m/internal/wire", fuzz: "FuzzPing"}, {pkg: "m/internal/wire", fuzz: "FuzzAck"}}); err != nil {
		t.Fatal(err)
	}
	want := `| target        | CPU minutes | executions | corpus | findings |
| ---           | ---         | ---        | ---    | ---      |
| wire.FuzzPing | 3.0         | 2000       | 7      | 2        |
| wire.FuzzAck  | 0.0         | 0          | 0      | 0        |
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestFuzzFunctions: targets are found in any form of declaration.
func TestFuzzFunctions(t *testing.T) {
	names, err := fuzzFunctions("../wire")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FuzzPing", "FuzzAck", "FuzzUnpack"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+want+" ") {
			t.Errorf("%s is not among %v", want, names)
		}
	}
}
