package flaps

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// recordPause records node 0 of five, while node 1 ("n1") is paused for some time, and returns the file. flapped is set if node 0 declared n1
// dead, and then alive again.
func recordPause(t *testing.T, pause time.Duration) (file []byte, flapped bool) {
	t.Helper()
	var r *swim.Recorder
	dead := false
	cfg := sim.Config{N: 5, Seed: 1, Observe: func(b sim.Belief) {
		if b.Node == 0 && b.Member == 1 {
			flapped = flapped || dead && b.State == swim.StateAlive
			dead = b.State == swim.StateDead
		}
	}}
	cfg.Tamper.Config = func(node int, core *swim.Config) {
		if node == 0 {
			r = swim.NewRecorder(1<<20, false)
			core.Recorder = r
		}
	}
	if pause > 0 {
		cfg.Faults = []sim.Fault{{Kind: sim.Pause, At: 10 * time.Second, For: pause, Nodes: []int{1}}}
	}
	s := sim.New(cfg)
	if err := s.RunUntil(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := r.File().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), flapped
}

// TestMadeTest makes tests of recordings, and runs them as files of this package: that of a flap fails, and says so; those of a member that was
// never declared dead pass, also if another one was.
func TestMadeTest(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	flap, flapped := recordPause(t, time.Minute)
	rest, rested := recordPause(t, 0)
	if !flapped || rested {
		t.Fatalf("node 1 flapped: %v with a pause, %v without", flapped, rested)
	}
	for _, tt := range []struct {
		name, member string
		recording    []byte
		fails        bool
	}{
		{"flap", "n1", flap, true},
		{"another member", "n2", flap, false},
		{"no flap", "n1", rest, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source, err := Test(tt.member, tt.recording)
			if err != nil {
				t.Fatal(err)
			}
			out, err := runTest(t, source)
			if strings.Contains(out, "n1 is declared dead") != tt.fails || strings.Contains(out, "--- FAIL: TestFlap") != tt.fails ||
				(err != nil) != tt.fails || !tt.fails && !strings.Contains(out, "--- PASS: TestFlap") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// runTest runs TestFlap of a file that is laid over this package.
func runTest(t *testing.T, source string) (out string, err error) {
	t.Helper()
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "flap_test.go"), filepath.Join(dir, "overlay.json")
	here, err := filepath.Abs("flap_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{file: source, overlay: `{"Replace": {"` + filepath.ToSlash(here) + `": "` + filepath.ToSlash(file) + `"}}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := exec.CommandContext(t.Context(), "go", "test", "-v", "-vet=off", "-run", "^TestFlap$", "-overlay", overlay, ".").CombinedOutput()
	return string(b), err
}
