package attacks

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if ServeVictim(Ours{}) {
		return
	}
	os.Exit(m.Run())
}

func main(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	var buf bytes.Buffer
	library := func() Library { return Ours{} }
	status = Main(t.Context(), flag.NewFlagSet("attack", flag.ContinueOnError), args, library, &buf, &buf)
	return status, buf.String()
}

// TestList: -list prints every attack with its description, its figures and their bounds.
func TestList(t *testing.T) {
	status, out := main(t, "-list")
	if status != 0 {
		t.Fatalf("status %d: %s", status, out)
	}
	names := map[string]bool{}
	for _, a := range All() {
		if names[a.Name] {
			t.Errorf("two attacks are named %s", a.Name)
		}
		names[a.Name] = true
		if !strings.Contains(out, "\n"+a.Name+" ") && !strings.HasPrefix(out, a.Name+" ") || !strings.Contains(out, a.Does) {
			t.Errorf("%s is not listed", a.Name)
		}
		for _, f := range a.Figures {
			if !strings.Contains(out, f.What+": "+f.bound()) {
				t.Errorf("%s: %q is not listed", a.Name, f.What)
			}
		}
	}
}

// TestPage: docs/robustness.md has a row for each figure, with its bound.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/robustness.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.NewReplacer("<=", "at most", ">=", "at least")
	for _, a := range All() {
		for _, f := range a.Figures {
			row := fmt.Sprintf("\n| %s | %s | %s | ", a.Name, f.What, words.Replace(f.bound()))
			if !strings.Contains(string(page), row) {
				t.Errorf("no row begins with %s", row)
			}
		}
	}
}

// TestStatus: the exit status tells an attack that cannot be run from one that exceeds a bound.
func TestStatus(t *testing.T) {
	if status, out := main(t, "-run", "("); status != 2 || !strings.Contains(out, "missing closing") {
		t.Errorf("status %d for a bad pattern: %s", status, out)
	}
	if status, out := main(t, "-list", "-run", "^replay"); status != 0 || strings.Contains(out, "dials") {
		t.Errorf("status %d, listed:\n%s", status, out)
	}
	results := []result{{attack: Attack{Name: "a", Figures: []Figure{{What: "time", Unit: "s", Bound: 5}}}, values: []float64{5}}}
	var out bytes.Buffer
	if err := writeTable(&out, results); err != nil {
		t.Errorf("%v for a figure within its bound", err)
	}
	results[0].values[0] = never
	if err := writeTable(&out, results); err != errExceeded || !strings.Contains(out.String(), "never") {
		t.Errorf("%v for a figure beyond its bound:\n%s", err, out.String())
	}
	results = append(results, result{attack: Attack{Name: "b"}, err: context.Canceled})
	if err := writeTable(&out, results); err == nil || err == errExceeded {
		t.Errorf("%v for an attack that failed", err)
	}
}

func TestFigure(t *testing.T) {
	most, least := Figure{Unit: "s", Bound: 5}, Figure{Unit: "%", Bound: 95, AtLeast: true}
	for _, c := range []struct {
		figure Figure
		value  float64
		holds  bool
		text   string
	}{
		{most, 5, true, "5 s"},
		{most, 5.126, false, "5.13 s"},
		{most, never, false, "never"},
		{least, 95, true, "95 %"},
		{least, 94.5, false, "94.50 %"},
	} {
		if holds, text := c.figure.Holds(c.value), c.figure.value(c.value); holds != c.holds || text != c.text {
			t.Errorf("%v %q with bound %s, want %v %q", holds, text, c.figure.bound(), c.holds, c.text)
		}
	}
}

// TestAttacks: each attack runs to its end, scaled down, and measures all of its figures.
func TestAttacks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the attacks need more addresses than 127.0.0.1, and /proc")
	}
	for _, r := range runAll(t.Context(), Ours{}, true, All()) {
		if r.err != nil {
			t.Errorf("%s: %v", r.attack.Name, r.err)
		} else if len(r.values) != len(r.attack.Figures) {
			t.Errorf("%s: %d values for %d figures", r.attack.Name, len(r.values), len(r.attack.Figures))
		}
	}
}

// TestAgain: an attack that exceeds a bound is run again, as often as asked, until it does not.
func TestAgain(t *testing.T) {
	for again, want := range map[int]bool{0: true, 1: true, 2: false, 9: false} { // whether it still exceeds the bound
		runs := 0
		a := Attack{Name: "a", Figures: []Figure{{Unit: "s", Bound: 5}}, Run: func(context.Context, *Run) ([]float64, error) {
			runs++
			return []float64{8 - float64(runs)}, nil
		}}
		results := []result{runAll(t.Context(), Ours{}, false, []Attack{a})[0]}
		runAgain(t.Context(), Ours{}, results, again, io.Discard)
		if exceeds := results[0].exceeds(); exceeds != want || runs != 1+min(again, 2) {
			t.Errorf("again %d: %d runs, exceeds its bound: %v", again, runs, exceeds)
		}
	}
}
