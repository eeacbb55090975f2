package memberlist

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bugClasses is how many kinds of bugs docs/robustness.md lists.
const bugClasses = 28

// TestRobustness: docs/robustness.md names, for each class of bugs, tests that there are, and lists every fuzz target.
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

// declaredTests are the tests and fuzz targets of each package, by its name; that of the root has none.
func declaredTests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	there := make(map[string]map[string]bool)
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "internal/interop/*/*_test.go"} {
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
