package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Faults that the simulator must detect are kept as text: rules of the core in an earlier, wrong form. Each file of
// testdata/putback names the scenarios in which the fault is searched for, and has pairs of texts: one that is in a
// source file now, and its replacement. TestPutBack, with -putback, runs the simulator on a core with the
// replacements:
//
//	go test ./internal/sim -run '^TestPutBack$' -v -timeout 2h -args -putback all

var (
	putBackFlag = flag.String("putback", "", "the file of testdata/putback whose rule is put back, or all")
	findFlag    = flag.String("find", "", "the rule that TestFind looks for, in the scenarios that -scenario names, with commas")
)

// putBackSeeds is the number of seeds within which a fault must be detected.
const putBackSeeds = 1000

// putBack is a rule put back to an earlier form.
type putBack struct {
	name      string
	scenarios string
	rule      string // the rule of the simulator that detects it
	edits     []edit
}

// edit is a change of a source file.
type edit struct{ file, now, before string }

// readPutBack reads a file of testdata/putback:
//
//	comments
//	scenarios: names, with commas
//	rule: the text of the simulator's rule that finds it
//	== internal/swim/file.go
//	text that is there now
//	==>
//	text that takes its place
//	==
//
// and so on for each edit.
func readPutBack(t *testing.T, path string) putBack {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := putBack{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	var e *edit
	var into *string
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "scenarios: ") && e == nil:
			p.scenarios = strings.TrimSpace(strings.TrimPrefix(line, "scenarios: "))
		case strings.HasPrefix(line, "rule: ") && e == nil:
			p.rule = strings.TrimSpace(strings.TrimPrefix(line, "rule: "))
		case line == "==>\n":
			into = &e.before
		case line == "==\n":
			into = nil
		case strings.HasPrefix(line, "== "):
			p.edits = append(p.edits, edit{file: strings.TrimSpace(strings.TrimPrefix(line, "== "))})
			e = &p.edits[len(p.edits)-1]
			into = &e.now
		case into != nil:
			*into += line
		}
	}
	if p.scenarios == "" || p.rule == "" || len(p.edits) == 0 {
		t.Fatalf("%s: no scenarios, no rule or no edits", path)
	}
	return p
}

// putBacks reads the chosen files.
func putBacks(t *testing.T, chosen string) []putBack {
	t.Helper()
	files, err := filepath.Glob("testdata/putback/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []putBack
	for _, path := range files {
		if p := readPutBack(t, path); chosen == "all" || chosen == p.name {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		t.Fatalf("nothing is called %q", chosen)
	}
	return all
}

// apply returns the source files that the edits change, by path from the root of the module.
func (p *putBack) apply(t *testing.T) map[string]string {
	t.Helper()
	changed := make(map[string]string)
	for _, e := range p.edits {
		text, ok := changed[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join("..", "..", e.file))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.now); n != 1 {
			t.Errorf("%s: this is %d times in %s, not once:\n%s", p.name, n, e.file, e.now)
		}
		changed[e.file] = strings.Replace(text, e.now, e.before, 1)
	}
	return changed
}

// TestPutBackTexts: all texts to replace are in the current sources, and the results are Go.
func TestPutBackTexts(t *testing.T) {
	for _, p := range putBacks(t, "all") {
		for file, text := range p.apply(t) {
			if _, err := parser.ParseFile(token.NewFileSet(), file, text, 0); err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
	}
}

// TestPutBack: each fault is detected.
func TestPutBack(t *testing.T) {
	if *putBackFlag == "" {
		t.Skip("only with -putback: each takes up to minutes")
	}
	for _, p := range putBacks(t, *putBackFlag) {
		t.Run(p.name, func(t *testing.T) {
			found := p.find(t)
			if found == "" {
				t.Fatalf("not found by %d seeds of %s", putBackSeeds, p.scenarios)
			}
			t.Log(found)
			if v := p.asItIs(t, found); v != nil {
				t.Errorf("the core as it is breaks the rule with the same seed: %v", v)
			}
		})
	}
}

// find runs TestFind on the core with a rule put back, and returns the violation in its output.
func (p *putBack) find(t *testing.T) string {
	t.Helper()
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	dir := t.TempDir()
	for file, text := range p.apply(t) {
		now, err := filepath.Abs(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		before := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(before, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[now] = before
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-run", "^TestFind$", "-timeout", "1h", ".", "-args",
		"-find", p.rule, "-scenario", p.scenarios, "-seeds", fmt.Sprint(putBackSeeds)).CombinedOutput()
	if _, found, ok := strings.Cut(string(output), "found: "); ok {
		line, _, _ := strings.Cut(found, "\n")
		return line
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return ""
}

// asItIs runs the current core on the seed with which a violation was found.
func (p *putBack) asItIs(t *testing.T, found string) *Violation {
	t.Helper()
	name, rest, _ := strings.Cut(found, ", seed ")
	number, _, _ := strings.Cut(rest, ":")
	seed, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return breaks(scenario(name).Config(seed), p.rule)
}

// breaks returns the violation of a rule, even if others are violated before it.
func breaks(cfg Config, rule string) *Violation {
	for {
		v := settle(cfg).Violation
		switch {
		case v == nil || v.Rule == rule:
			return v
		case v.Rule == mixedByPackets:
			return nil
		}
		cfg.Ignored = append(cfg.Ignored, v.Rule)
	}
}

// scenario returns the scenario of a name. It panics if there is none.
func scenario(name string) Scenario {
	all := Scenarios()
	return all[slices.IndexFunc(all, func(sc Scenario) bool { return sc.Name == name })]
}

// TestFind fails at the first seed that violates the rule. TestPutBack runs it.
func TestFind(t *testing.T) {
	if *findFlag == "" {
		t.Skip("only with -find")
	}
	scenarios := chosen(t)
	for seed := range uint64(*seedsFlag) {
		for _, sc := range scenarios {
			if v := breaks(sc.Config(seed), *findFlag); v != nil {
				t.Fatalf("found: %s, seed %d: %v", sc.Name, seed, v)
			}
		}
	}
}
