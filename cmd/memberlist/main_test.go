package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/doctor"
)

var testKey = bytes.Repeat([]byte{6}, 32)

// member creates a member on a loopback socket.
func member(t *testing.T, name string, change func(*memberlist.Config)) *memberlist.Memberlist {
	t.Helper()
	c := memberlist.DefaultLocalConfig()
	c.Name, c.BindAddr, c.BindPort, c.LogOutput = name, "127.0.0.1", 0, io.Discard
	if change != nil {
		change(c)
	}
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

// call runs the program.
func call(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// TestUsage: every command and flag is described; a wrong one is reported, with the exit status of a failure.
func TestUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("# comment\n\nnot a key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"help", []string{"help"}, 0, "memberlist doctor", ""},
		{"help with a dash", []string{"-h"}, 0, "exit status is 0", ""},
		{"nothing", nil, 2, "", "Usage:"},
		{"no such command", []string{"mambers"}, 2, "", `no command "mambers"`},
		{"help of members", []string{"members", "-h"}, 0, "", "-watch"},
		{"help of watch", []string{"watch", "-h"}, 0, "", "-interval"},
		{"help of doctor", []string{"doctor", "-h"}, 0, "", "-packet-size"},
		{"no address", []string{"members"}, 2, "", "address of a member is missing"},
		{"two addresses", []string{"watch", "a", "b"}, 2, "", "more than one"},
		{"no such flag", []string{"doctor", "-x", "a"}, 2, "", "-x"},
		{"flags after the address", []string{"members", "127.0.0.1:1", "-timeout", "0s"}, 2, "", "-timeout must be"},
		{"no interval", []string{"watch", "-interval", "0s", "a"}, 2, "", "-interval must be"},
		{"none at once", []string{"doctor", "-at-once", "0", "a"}, 2, "", "-at-once"},
		{"no key file", []string{"members", "-key-file", bad + "0", "a"}, 2, "", "no such file"},
		{"no key", []string{"members", "-key-file", bad, "a"}, 2, "", "line 3: no key of 16, 24 or 32 bytes"},
		{"nobody there", []string{"members", "127.0.0.1:1"}, 2, "", "refused"},
		{"nobody to watch", []string{"watch", "127.0.0.1:1"}, 2, "", "refused"},
		{"nobody to examine", []string{"doctor", "127.0.0.1:1"}, 2, "", "no member at the given addresses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := call(t, tt.args...)
			if status != tt.status || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("got %d, %q, %q", status, stdout, stderr)
			}
			if tt.stderr != "no key" && strings.Contains(stderr, "not a key") {
				t.Error("the content of the key file is shown")
			}
		})
	}
}

// TestMembers prints the members of an encrypted and labelled cluster, as a table and in JSON.
func TestMembers(t *testing.T) {
	secret := func(c *memberlist.Config) { c.SecretKey, c.Label = testKey, "blue" }
	a := member(t, "a", secret)
	b := member(t, "b\n", secret)
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString(testKey),
		"hex":    "# the key\n" + hex.EncodeToString(testKey) + "\n" + hex.EncodeToString(testKey[:16]) + "\n",
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := call(t, "members", "-key-file", file, "-label", "blue", a.LocalNode().Address())
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if status != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], "NAME ") || !strings.HasPrefix(lines[1], "a  ") ||
			!strings.HasPrefix(lines[2], `"b\n"`) || !strings.Contains(lines[1], " alive ") {
			t.Errorf("%s: got %d, %s%s", name, status, stdout, stderr)
		}
		status, stdout, _ = call(t, "members", "-json", "-key-file", file, "-label", "blue", a.LocalNode().Address())
		var view viewJSON
		if err := json.Unmarshal([]byte(stdout), &view); err != nil || status != 0 || len(view.Members) != 2 ||
			view.Members[1].Name != "b\n" || view.Members[0].State != "alive" || view.Checksum == "" {
			t.Errorf("%s: got %d, %v, %s", name, status, err, stdout)
		}
	}
	if status, _, stderr := call(t, "members", a.LocalNode().Address()); status != 2 || !strings.Contains(stderr, "label mismatch") &&
		!strings.Contains(stderr, "encrypted") {
		t.Errorf("without the key: got %d, %s", status, stderr)
	}
}

// TestMembersInZones: zones are shown if there are any.
func TestMembersInZones(t *testing.T) {
	a := member(t, "a", func(c *memberlist.Config) { c.Zone = "eu-1\x1b" })
	b := member(t, "b", nil)
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ := call(t, "members", a.LocalNode().Address())
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != 0 || len(lines) != 3 || !strings.Contains(lines[0], " ZONE ") || !strings.Contains(lines[1], `"eu-1\x1b"`) {
		t.Errorf("got %d, %s", status, stdout)
	}
	_, stdout, _ = call(t, "members", "-json", a.LocalNode().Address())
	var view viewJSON
	if err := json.Unmarshal([]byte(stdout), &view); err != nil || view.Members[0].Zone != "eu-1\x1b" || view.Members[1].Zone != "" {
		t.Errorf("%v, %s", err, stdout)
	}
}

// TestDoctorCommand: the report of a healthy cluster and of a faulty one, as text and as JSON.
func TestDoctorCommand(t *testing.T) {
	a, b := member(t, "a", nil), member(t, "b", nil)
	at, other := a.LocalNode().Address(), b.LocalNode().Address()
	status, stdout, stderr := call(t, "doctor", at)
	if status != 0 || stdout != "1 of 1 members answered. Nothing is wrong.\n" || stderr != "" {
		t.Errorf("healthy: got %d, %q, %q", status, stdout, stderr)
	}
	status, stdout, _ = call(t, "doctor", "-settle", "0s", at, other)
	for _, want := range []string{"2 of 2 members answered. Findings: 1.", "CRITICAL: the cluster is in 2 parts", "[split]",
		"- part 1, 1 member: a", "What it means: The cluster has", "What to do: Find what"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	if status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	for _, line := range strings.Split(stdout, "\n") {
		if len(line) > lineWidth {
			t.Errorf("a line has %d columns: %s", len(line), line)
		}
	}
	status, stdout, _ = call(t, "doctor", "-settle", "0s", "-json", at, other)
	var r doctor.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 1 || len(r.Findings) != 1 || r.Findings[0].Kind != "split" ||
		r.Findings[0].Severity != doctor.Critical || r.Answered != 2 {
		t.Errorf("got %d, %v, %s", status, err, stdout)
	}
	if status, stdout, _ = call(t, "doctor", "-settle", "0s", "-ignore", "dead,split", "-json", at, other); status != 0 ||
		!strings.Contains(stdout, `"findings": []`) {
		t.Errorf("ignored: got %d, %s", status, stdout)
	}
}

// TestChanges: which differences of two views are which events.
func TestChanges(t *testing.T) {
	one := func(state memberlist.NodeStateType, meta string) []memberlist.MemberInfo {
		return []memberlist.MemberInfo{{Node: &memberlist.Node{Name: "m", State: state, Meta: []byte(meta)}}}
	}
	for _, tt := range []struct {
		before, after []memberlist.MemberInfo
		want          string
	}{
		{nil, one(memberlist.StateAlive, ""), "join"},
		{nil, one(memberlist.StateDead, ""), "fail"},
		{one(memberlist.StateAlive, ""), one(memberlist.StateAlive, ""), ""},
		{one(memberlist.StateAlive, ""), one(memberlist.StateAlive, "x"), "update"},
		{one(memberlist.StateAlive, ""), one(memberlist.StateSuspect, ""), "suspect"},
		{one(memberlist.StateSuspect, ""), one(memberlist.StateAlive, ""), "recover"},
		{one(memberlist.StateSuspect, ""), one(memberlist.StateDead, ""), "fail"},
		{one(memberlist.StateAlive, ""), one(memberlist.StateLeft, ""), "leave"},
		{one(memberlist.StateDead, ""), one(memberlist.StateAlive, ""), "join"},
		{one(memberlist.StateDead, ""), nil, "forget"},
		{nil, nil, ""},
	} {
		got := ""
		for _, c := range changes(tt.before, tt.after) {
			got += c.Event
		}
		if got != tt.want {
			t.Errorf("from %v to %v: got %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
}

// lines is a writer that sends each write to a channel.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestWatch watches a member while another one joins, and until it ends itself.
func TestWatch(t *testing.T) {
	a, b := member(t, "a", nil), member(t, "b", nil)
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := make(lines, 16), make(chan int)
	go func() {
		ended <- run(ctx, []string{"watch", "-interval", "10ms", a.LocalNode().Address()}, out, io.Discard)
	}()
	next := func(want string) {
		t.Helper()
		select {
		case line := <-out:
			if !strings.Contains(line, want) {
				t.Fatalf("got %q, want %q", line, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no line with %q", want)
		}
	}
	next("watching 1 known members")
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	next("join     b 127.0.0.1:")
	a.Shutdown()
	next("unanswered")
	cancel()
	if status := <-ended; status != 0 {
		t.Errorf("got status %d", status)
	}
}
