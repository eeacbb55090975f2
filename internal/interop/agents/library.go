package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"

	"github.com/e3431adc/memberlist/internal/interop/source"
)

// library is a membership library that Serf is built with.
type library struct {
	title    string
	file     string // the binary's name
	replaced bool   // the reference is replaced by this checkout
}

var both = []library{
	{title: "reference", file: "serf-reference"},
	{title: "this library", file: "serf-ours", replaced: true},
}

func (l library) binary(dir string) string { return filepath.Join(dir, l.file) }

// build builds Serf's command with the library, in the module cache, with a separate go.mod in dir. The binary
// contains no paths, so that go's build cache serves the next run, which has another dir.
func (l library) build(ctx context.Context, dir string) error {
	module, err := source.Serf.Fetch(ctx)
	if err != nil {
		return err
	}
	modfile := filepath.Join(dir, l.file+".mod")
	for from, to := range map[string]string{"go.mod": modfile, "go.sum": filepath.Join(dir, l.file+".sum")} {
		content, err := os.ReadFile(filepath.Join(module, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			return err
		}
	}
	args := []string{"build", "-trimpath", "-mod=mod", "-modfile=" + modfile, "-o", l.binary(dir)}
	if l.replaced {
		if err := source.Replace(ctx, modfile); err != nil {
			return err
		}
		args = append(args, "-tags="+source.Serf.Tags)
	}
	if _, err := source.Go(ctx, module, append(args, "./cmd/serf")...); err != nil {
		return err
	}
	return l.check(l.binary(dir))
}

// check returns an error if the binary was built with the other library.
func (l library) check(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	for _, module := range info.Deps {
		if module.Path == source.ReferenceModule {
			if replaced := module.Replace != nil; replaced != l.replaced {
				return fmt.Errorf("%s has %s replaced: %t, want %t", binary, module.Path, replaced, l.replaced)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is built without %s", binary, source.ReferenceModule)
}
