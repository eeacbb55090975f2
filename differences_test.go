package memberlist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDifferences holds docs/differences.md to the source: each log message of ours that it names is one, and its list of
// metrics is complete.
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
			t.Errorf("%q has no message of ours", cells[0])
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

// sourceTexts returns the string literals of the library's code, those added to one another as one, and the keys of metrics.
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

// constantText returns the value of a string literal, or of several that are added.
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
