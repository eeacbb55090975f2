package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReferenceIsCurrent fails if the suite has changed since the suite for the reference was generated.
func TestReferenceIsCurrent(t *testing.T) {
	files, err := generate("../suite")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no suite found")
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../reference", name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("reference/%s is not what suite/%s makes: run go generate in bench", name, name)
		}
	}
	there, err := filepath.Glob("../reference/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(files) {
		t.Errorf("reference has %d files, suite makes %d: run go generate in bench", len(there), len(files))
	}
}
