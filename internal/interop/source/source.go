// Package source fetches programs that use github.com/hashicorp/memberlist through the module proxy, and puts this library
// in its place by replace directives.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ReferenceModule is the module that Replace replaces.
const ReferenceModule = "github.com/hashicorp/memberlist"

const libraryModule = "github.com/e3431adc/memberlist"

// Program is one version of a program.
type Program struct {
	Module  string
	Version string
	Tags    string // build tags that this library needs with it
}

// Serf sets Config.MetricLabels with the type of hashicorp/go-metrics: hence the tag.
var Serf = Program{Module: "github.com/hashicorp/serf", Version: "v0.11.0", Tags: "hashicorpmetrics"}

// Alertmanager needs no tag.
var Alertmanager = Program{Module: "github.com/prometheus/alertmanager", Version: "v0.35.0"}

// FormerAlertmanager is the version before that.
var FormerAlertmanager = Program{Module: "github.com/prometheus/alertmanager", Version: "v0.34.2"}

// Dskit is the part of Mimir, Loki, Tempo and Pyroscope that uses github.com/grafana/memberlist, in the reference's place.
var Dskit = Program{Module: "github.com/grafana/dskit", Version: "v0.0.0-20260703122047-de1ec7541c44"}

// Fetch downloads the program and returns its directory in the module cache, which is not to be written to.
func (p Program) Fetch(ctx context.Context) (string, error) {
	out, err := Go(ctx, os.TempDir(), "mod", "download", "-json", p.Module+"@"+p.Version)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return module.Dir, nil
}

// Replace edits a program's go.mod so that it is built with the library of this checkout. The working directory must be in
// the checkout.
func Replace(ctx context.Context, modfile string) error {
	out, err := Go(ctx, ".", "list", "-m", "-f", "{{.Dir}}", libraryModule)
	if err != nil {
		return err
	}
	library := strings.TrimSpace(string(out))
	_, err = Go(ctx, ".", "mod", "edit",
		"-replace="+ReferenceModule+"="+filepath.Join(library, "compat", "hashicorp"),
		"-replace="+libraryModule+"="+library, modfile)
	return err
}

// Go runs the go command and returns its output.
func Go(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}
