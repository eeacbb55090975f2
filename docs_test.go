package memberlist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestReadmeBuilds: the program of the README builds in a directory next to the checkout, under either import path,
// with exactly the go.mod lines and commands in the README.
func TestReadmeBuilds(t *testing.T) {
	checkout, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	// A paragraph, and the lines that it introduces.
	mods := regexp.MustCompile("([^\n]+\n)+\n```\n((?:(?:require|replace) [^\n]+\n)+)```").FindAllStringSubmatch(string(readme), -1)
	if program == nil {
		t.Fatal("the README has no program")
	}
	if out, err := goCommand(t.TempDir(), "list", "-m", "-versions", "github.com/google/btree"); err != nil {
		t.Skipf("no module proxy, so nothing can be built that has dependencies: %v\n%s", err, out)
	}
	built := map[string]bool{}
	for _, mod := range mods {
		lines := mod[2]
		if !strings.Contains(lines, "../memberlist") {
			continue // for published versions
		}
		path := "github.com/e3431adc/memberlist"
		if strings.Contains(lines, "replace github.com/hashicorp/memberlist ") {
			path = "github.com/hashicorp/memberlist"
		}
		built[path] = true
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			if err := os.Symlink(checkout, filepath.Join(parent, "memberlist")); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(parent, "program")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			source := strings.Replace(string(program[1]), `"github.com/e3431adc/memberlist"`, `"`+path+`"`, 1)
			write(t, filepath.Join(dir, "main.go"), source)
			write(t, filepath.Join(dir, "go.mod"), "module example.com/program\n\ngo 1.25\n\n"+lines)
			for _, command := range regexp.MustCompile("`go ([^`]+)`").FindAllStringSubmatch(mod[0], -1) {
				if out, err := goCommand(dir, strings.Fields(command[1])...); err != nil {
					t.Fatalf("go %s: %v\n%s", command[1], err, out)
				}
			}
			if out, err := goCommand(dir, "build", "-trimpath", "-o", filepath.Join(parent, "built"), "."); err != nil {
				t.Errorf("go build: %v\n%s", err, out)
			}
		})
	}
	if len(built) != 2 {
		t.Errorf("the README tells how to build with %v, want both import paths", built)
	}
}

// TestReadmeTransportBuilds: the lines of the README that switch a program to package tcptransport build in one.
func TestReadmeTransportBuilds(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```go\n(transport, err := tcptransport.New.*?)```").FindSubmatch(readme)
	if lines == nil {
		t.Fatal("the README has no lines with package tcptransport")
	}
	program := filepath.Join(t.TempDir(), "main.go")
	write(t, program, `package main

import (
	"log"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

func main() {
	config := memberlist.DefaultLANConfig()
`+string(lines[1])+`}
`)
	if out, err := goCommand(".", "build", "-o", os.DevNull, program); err != nil {
		t.Errorf("go build: %v\n%s", err, out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goCommand runs go in a directory, without the caller's workspace or flags.
func goCommand(dir string, args ...string) (output []byte, err error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "PWD="+dir)
	return cmd.CombinedOutput()
}

// bugClasses is the number of kinds of bugs in docs/robustness.md.
const bugClasses = 28

// TestRobustness: docs/robustness.md names existing tests for each class of bugs, and lists every fuzz target.
func TestRobustness(t *testing.T) {
	text, err := os.ReadFile("docs/robustness.md")
	if err != nil {
		t.Fatal(err)
	}
	there := declaredTests(t)
	var classes []int
	listed := make(map[string]bool)
	reference := regexp.MustCompile(`(?:(\w+)\.)?((?:Test|Fuzz)[A-Z]\w*)`)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 2 || !strings.HasPrefix(line, "|") {
			continue
		}
		found := reference.FindAllStringSubmatch(line, -1)
		for _, name := range found {
			if name[1] == "memberlist" { // as internal/fuzz calls the root package
				name[0], name[1] = name[2], ""
			}
			if !there[name[1]][name[2]] {
				t.Errorf("there is no %s", name[0])
			}
			listed[name[0]] = true
		}
		class, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue
		}
		classes = append(classes, class)
		if len(found) == 0 {
			t.Errorf("no test for %d, %s", class, cells[1])
		}
	}
	slices.Sort(classes)
	if len(classes) != bugClasses || classes[0] != 1 || classes[bugClasses-1] != bugClasses ||
		len(slices.Compact(classes)) != bugClasses {
		t.Errorf("classes %v, want 1 to %d", classes, bugClasses)
	}
	for pkg, names := range there {
		for name := range names {
			if strings.HasPrefix(name, "Fuzz") && !listed[strings.TrimPrefix(pkg+"."+name, ".")] {
				t.Errorf("%s in package %q is not listed", name, pkg)
			}
		}
	}
}

var testDeclaration = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// declaredTests returns the tests and fuzz targets of each package, by its name, which is empty for the root.
func declaredTests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	there := make(map[string]map[string]bool)
	for _, pattern := range []string{"*_test.go", "tcptransport/*_test.go", "internal/*/*_test.go", "internal/interop/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			pkg := ""
			if dir := filepath.Dir(file); dir != "." {
				pkg = filepath.Base(dir)
			}
			if there[pkg] == nil {
				there[pkg] = make(map[string]bool)
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range testDeclaration.FindAllSubmatch(source, -1) {
				there[pkg][string(match[1])] = true
			}
		}
	}
	return there
}

// TestDifferences compares docs/differences.md with the source: the log messages that it attributes to this library
// exist, and its list of metrics is complete.
func TestDifferences(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts, keys := sourceTexts(t)
	code := regexp.MustCompile("`([^`]+)`")

	lines := sectionRows(t, string(page), "Log lines")
	for _, cells := range lines {
		ours := code.FindAllStringSubmatch(cells[2], -1)
		for _, message := range ours {
			text := message[1]
			if strings.Contains(text, " ") && !texts[text] {
				t.Errorf("no code logs %q", text)
			}
		}
		if len(ours) == 0 && !strings.HasPrefix(cells[2], "none") {
			t.Errorf("%q is no message of this library", cells[0])
		}
	}

	named := map[string]bool{}
	for _, cells := range sectionRows(t, string(page), "Metrics") {
		named[strings.Trim(cells[0], "`")] = true
	}
	if got, want := slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
		t.Errorf("metrics of the page\n%s\nof the source\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sectionRows returns the cells of the table under a heading, without its first two lines.
func sectionRows(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if len(cells) != 3 {
			t.Fatalf("%d cells, want 3: %s", len(cells), line)
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("section %q has no table", heading)
	}
	return rows[2:]
}

// sourceTexts returns the string literals of the library's code, with concatenated ones joined, and the keys of
// metrics.
func sourceTexts(t *testing.T) (texts, keys map[string]bool) {
	t.Helper()
	texts, keys = map[string]bool{}, map[string]bool{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != "." {
				return filepath.SkipDir // another module
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit, *ast.BinaryExpr:
				if text, ok := constantText(n.(ast.Expr)); ok {
					texts[text] = true
				}
			case *ast.CompositeLit:
				var key []string
				for _, e := range n.Elts {
					text, ok := constantText(e)
					if !ok {
						return true
					}
					key = append(key, text)
				}
				if len(key) > 1 && key[0] == "memberlist" {
					keys[strings.Join(key, ".")] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts, keys
}

// constantText returns the value of a string literal, or of a concatenation of several.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := constantText(e.X)
		if !ok || e.Op != token.ADD {
			return "", false
		}
		right, ok := constantText(e.Y)
		return left + right, ok
	default:
		return "", false
	}
}
