// Command generate derives the suite for the reference from the suite for this library: the same files with another
// import path. go generate runs it in the directory of the module.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
)

const (
	ours   = `"github.com/e3431adc/memberlist"`
	theirs = `"github.com/hashicorp/memberlist"`
	header = "// Code generated from ../suite by go generate; DO NOT EDIT.\n\n"
)

func main() {
	if err := run("suite", "reference"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	files, err := generate(from)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o777); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(to, name), content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// bare is the file of the suite that uses no library.
const bare = "bare_test.go"

// generate returns the content of each file of the suite for the reference.
func generate(from string) (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, name := range names {
		if filepath.Base(name) == bare {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		content = bytes.ReplaceAll(content, []byte(ours), []byte(theirs))
		if content, err = format.Source(content); err != nil { // sorts the imports
			return nil, err
		}
		files[filepath.Base(name)] = append([]byte(header), content...)
	}
	return files, nil
}
