package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/e3431adc/memberlist/internal/interop/source"
)

// program is a program whose tests are run.
type program struct {
	source.Program
	name     string
	packages []string

	fast []selection
}

// selection is the tests of some packages that match a pattern, or all of them.
type selection struct {
	packages []string
	run      string
}

var programs = []program{
	{
		Program:  source.Serf,
		name:     "serf",
		packages: []string{"./..."},
		fast: []selection{
			{[]string{"./coordinate"}, ""},
			// All that have once found a difference, and a test of each operation of Serf on members.
			{[]string{"./serf"}, "^(TestSerf_(events.*|joinLeave|Join_Cancel|PingDelegate.*|update|reconnect|role|" +
				"RemoveFailedNode|SetTags|LocalMember|Query|NumNodes|Coordinates)|TestMemberlist_KeyManager.*|" +
				"TestSerf_.*Key.*)$"},
		},
	},
	{
		Program:  source.Alertmanager,
		name:     "alertmanager",
		packages: []string{"./cluster/..."},
		fast:     []selection{{[]string{"./cluster"}, ""}},
	},
	{
		Program:  source.FormerAlertmanager,
		name:     "alertmanager-0.34",
		packages: []string{"./cluster/..."},
	},
	{
		Program:  source.Dskit,
		name:     "dskit",
		packages: []string{"./kv/memberlist/..."},
		fast:     []selection{{[]string{"./kv/memberlist/..."}, ""}},
	},
}

// both is two copies of a program's source: unchanged, and with this library.
type both struct {
	program   *program
	reference string
	ours      string
}

// prepare fetches a program and makes the two copies.
func prepare(ctx context.Context, p *program, dir string) (*both, error) {
	module, err := p.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	b := &both{program: p, reference: filepath.Join(dir, p.name, "reference"), ours: filepath.Join(dir, p.name, "ours")}
	for _, to := range []string{b.reference, b.ours} {
		if err := os.CopyFS(to, os.DirFS(module)); err != nil {
			return nil, err
		}
	}
	return b, source.Replace(ctx, filepath.Join(b.ours, "go.mod"))
}

// compare runs the tests, and runs those that fail with this library again with both, until they pass or have had all
// their runs.
func (b *both) compare(ctx context.Context, fast bool, runs int) (*comparison, error) {
	c := &comparison{reference: make(results), ours: make(results)}
	selections := []selection{{b.program.packages, ""}}
	if fast {
		selections = b.program.fast
	}
	for _, s := range selections {
		if err := b.test(ctx, c.ours, b.ours, s); err != nil {
			return nil, err
		}
		if fast {
			continue
		}
		if err := b.test(ctx, c.reference, b.reference, s); err != nil {
			return nil, err
		}
	}
	for range runs - 1 {
		for _, s := range c.undecided() {
			if err := b.test(ctx, c.ours, b.ours, s); err != nil {
				return nil, err
			}
			if err := b.test(ctx, c.reference, b.reference, s); err != nil {
				return nil, err
			}
		}
	}
	return c, ctx.Err()
}

// test runs tests once and adds the results.
func (b *both) test(ctx context.Context, to results, dir string, s selection) error {
	args := []string{"test", "-json", "-count=1", "-timeout=9m", "-mod=mod"}
	if dir == b.ours && b.program.Tags != "" {
		args = append(args, "-tags="+b.program.Tags)
	}
	if s.run != "" {
		args = append(args, "-run="+s.run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.packages...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := to.read(out)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil // a test failed: that is in the results
	}
	return errors.Join(readErr, err)
}
