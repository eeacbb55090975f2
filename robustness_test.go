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
			if !declared(t, name[1], name[2]) {
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
	for dir, pkg := range testPackages(t) {
		for name := range declarations(t, dir) {
			if strings.HasPrefix(name, "Fuzz") && !listed[strings.TrimPrefix(pkg+"."+name, ".")] {
				t.Errorf("%s in %s is not listed", name, dir)
			}
		}
	}
}

// testPackages are the directories that have tests, with the names of their packages; that of the root has none.
func testPackages(t *testing.T) map[string]string {
	t.Helper()
	packages := map[string]string{".": ""}
	for _, pattern := range []string{"internal/*", "internal/interop/*"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			packages[dir] = filepath.Base(dir)
		}
	}
	return packages
}

// declared reports whether a package has a test, or whatever begins like one.
func declared(t *testing.T, pkg, name string) bool {
	t.Helper()
	for dir, its := range testPackages(t) {
		if its == pkg && declarations(t, dir)[name] {
			return true
		}
	}
	return false
}

var testDeclaration = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// declarations are the tests and fuzz targets of a directory.
func declarations(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testDeclaration.FindAllSubmatch(source, -1) {
			found[string(match[1])] = true
		}
	}
	return found
}
