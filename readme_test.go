package memberlist

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeBuilds: the program of the README builds in a directory next to the checkout, under either import path, with the
// lines for go.mod and the commands that the README gives and no others.
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
			continue // for what is published
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

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goCommand runs go in a directory, with nothing of the caller's workspace or flags.
func goCommand(dir string, args ...string) (output []byte, err error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "PWD="+dir)
	return cmd.CombinedOutput()
}
