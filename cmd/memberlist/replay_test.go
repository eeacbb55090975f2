package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/explain"
	"github.com/e3431adc/memberlist/internal/swim"
)

// recordedFile returns the file of a recording of a member that was joined by "b", which was killed then and declared dead.
func recordedFile(t *testing.T) string {
	t.Helper()
	faster := func(c *memberlist.Config) {
		c.ProbeInterval, c.ProbeTimeout, c.GossipInterval, c.SuspicionMult = 20*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond, 1
	}
	a := member(t, "a", func(c *memberlist.Config) { faster(c); c.Recorder = new(memberlist.RecorderOptions) })
	b := member(t, "b", faster)
	events := a.Subscribe(100).Events()
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	b.Shutdown()
	for e := range events {
		if e.Kind == memberlist.EventFail {
			break
		}
	}
	file := filepath.Join(t.TempDir(), "recording")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := a.WriteRecording(f); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReplay(t *testing.T) {
	file, bad := recordedFile(t), filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("no recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr []string
	}{
		{"all", []string{file}, exitOK, []string{"a, recorded by", "replayed with the same outputs"}, nil},
		{"a member", []string{"-member", "b", file}, exitOK,
			[]string{"in   state alive at incarnation 1, in a push/pull with", "join: alive", "suspect: suspect at incarnation 1", "no ack to", "not refuted in time", "replayed with the same outputs"}, nil},
		{"a test", []string{"-test", "-member", "b", file}, exitOK, []string{"package flaps", `Deaths("b", "`}, nil},
		{"a test of no member", []string{"-test", file}, exitFailed, nil, []string{"-test needs the -member"}},
		{"a test of no recording", []string{"-test", "-member", "b", bad}, exitFailed, nil, []string{"corrupt recording"}},
		{"no recording", []string{bad}, exitFailed, nil, []string{"corrupt recording"}},
		{"no such file", []string{bad + "0"}, exitFailed, nil, []string{"no such file"}},
		{"no file", nil, exitFailed, nil, []string{"one FILE"}},
		{"no such flag", []string{"-x", file}, exitFailed, nil, []string{"-x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := call(t, append([]string{"replay"}, tt.args...)...)
			if status != tt.status {
				t.Errorf("status %d", status)
			}
			for _, want := range tt.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("%q is not in %.2000s", want, stdout)
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in %q", want, stderr)
				}
			}
		})
	}
}

// TestEvidenceText: the last causes and results of the core have the same texts in the library.
func TestEvidenceText(t *testing.T) {
	if got := explain.Evidence(nil); got != "" {
		t.Errorf("of none: %q", got)
	}
	e := &swim.Evidence{Cause: swim.CauseProgram, Findings: &swim.Findings{Pings: 1, Waited: time.Second, Stream: swim.ResultFailed, Error: "reset",
		Helpers: []swim.Helped{{Name: "c", Result: swim.ResultNacked}}}, Timeout: time.Minute, Confirmed: []string{"d"}, Acked: true, Down: time.Hour, Health: 3}
	got := explain.Evidence(e)
	for _, want := range []string{"a program said so", "within 1s", "c nacked", "stream failed: reset", "confirmed by d", "answered a ping", "1h0m0s", "score 3"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}
