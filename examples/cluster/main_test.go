package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/goroutines"
)

// fastSettings have no pauses. The intervals and limits stay: with shorter ones members suspect each other wrongly on
// a busy machine under the race detector.
func fastSettings() settings {
	s := defaultSettings()
	s.pause = 0
	return s
}

// tellTo runs a story with plain output.
func tellTo(t *testing.T, ctx context.Context, s settings, out io.Writer) int {
	t.Helper()
	before := runtime.NumGoroutine()
	status := tell(ctx, s, &plainView{out: out}, out)
	goroutines.Await(t, before, 5*time.Second)
	return status
}

func TestStory(t *testing.T) {
	tests := []struct {
		name   string
		adjust func(*settings)
		want   []string // in this order
	}{
		{
			name:   "default",
			adjust: func(*settings) {},
			want: []string{
				`5 members on 127\.0\.0\.1\n`,
				`n1 listens on 127\.0\.0\.1:\d+, UDP and TCP`, `n5 listens on 127\.0\.0\.1:\d+ and joins n1`,
				`all 5 members see each other alive`,
				`n2 is killed`, `sees? n2 suspect`, `n\d suspects n2`, `n\d received no refutation and declares n2 dead`,
				`all 4 others agree that n2 is dead`,
				`n2 is started again on 127\.0\.0\.1:\d+ and joins n1`, `n2 refuted its death: all see it alive again`,
				`n3 changes its metadata from "role=worker" to "role=leader"`, `all see the new metadata of n3`,
				`n5 leaves`, `all 4 others know that n5 left`,
				`\nok: 5 members converged in \S+; failure detected everywhere in \S+; rejoined in \S+; ` +
					`metadata everywhere in \S+; left in \S+\n$`,
			},
		},
		{
			name: "three with all options",
			adjust: func(s *settings) {
				s.members, s.encrypt, s.label, s.keep = 3, true, "blue", 50*time.Millisecond
				s.bind = "::1"
			},
			want: []string{
				`3 members on ::1, encrypted, label "blue"\n`,
				`n3 listens on \[::1\]:\d+ and joins n1`,
				`all 2 others know that n3 left`,
				`the others go on for 50ms`,
				`\nok: 3 members converged in .*\n$`,
			},
		},
		{
			name:   "TLS",
			adjust: func(s *settings) { s.tls = true },
			want: []string{
				`5 members on 127\.0\.0\.1, TLS\n`,
				`n1 listens on 127\.0\.0\.1:\d+, TCP\n`,
				`all 4 others agree that n2 is dead`, `n2 refuted its death: all see it alive again`,
				`\nok: 5 members converged in .*\n$`,
			},
		},
		{
			name:   "more",
			adjust: func(s *settings) { s.members = 8 },
			want:   []string{`all 8 members see each other alive`, `n8 A A A A A A A A`, `\nok: 8 members converged in .*\n$`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := fastSettings()
			test.adjust(&s)
			requireAddress(t, s.bind)
			var out bytes.Buffer
			if status := tellTo(t, t.Context(), s, &out); status != exitOK {
				t.Errorf("exit status %d, want %d", status, exitOK)
			}
			rest := out.String()
			for _, want := range test.want {
				at := regexp.MustCompile(want).FindStringIndex(rest)
				if at == nil {
					t.Fatalf("%q is missing, or too early, in:\n%s", want, &out)
				}
				rest = rest[at[1]:]
			}
		})
	}
}

// requireAddress skips a test that needs an address which this machine does not have.
func requireAddress(t *testing.T, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skip(err)
	}
	listener.Close()
}

func TestFailure(t *testing.T) {
	tests := []struct {
		name   string
		adjust func(*settings)
		want   string
	}{
		{
			name:   "nothing detected in time",
			adjust: func(s *settings) { s.limits.detect = time.Nanosecond },
			want:   `not seen in time: some member \S+ n2.*: n1 sees n2`,
		},
		{
			name:   "no member starts in time",
			adjust: func(s *settings) { s.limits.converge = -time.Hour },
			want:   `only 0 members started in time`,
		},
		{
			name:   "address of somebody else",
			adjust: func(s *settings) { s.bind = "192.0.2.1" }, // RFC 5737: reserved for documentation
			want:   `start n1: .*192\.0\.2\.1`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := fastSettings()
			test.adjust(&s)
			var out bytes.Buffer
			if status := tellTo(t, t.Context(), s, &out); status != exitFailed {
				t.Errorf("exit status %d, want %d", status, exitFailed)
			}
			if !regexp.MustCompile(`(^|\n)failed: ` + test.want + `.*\n$`).MatchString(out.String()) {
				t.Errorf("no failure like %q in:\n%s", test.want, &out)
			}
		})
	}
}

// cancelAt cancels a context when a text is written.
type cancelAt struct {
	all    bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.cancel()
	}
	return w.all.Write(p)
}

func TestInterrupted(t *testing.T) {
	for _, at := range []string{"5 members on", "n4 listens", "n2 is killed", "go on for"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := fastSettings()
			s.keep = 20 * time.Second
			out := &cancelAt{text: at, cancel: cancel}
			if status := tellTo(t, ctx, s, out); status != exitInterrupted {
				t.Errorf("exit status %d, want %d", status, exitInterrupted)
			}
			if !strings.HasSuffix(out.all.String(), "\ninterrupted\n") {
				t.Errorf("not closed with %q:\n%s", "interrupted", &out.all)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		status int
		want   string
	}{
		{"too few members", "-n 2", exitUsage, "-n 2: the story needs 3 to 99 members"},
		{"too many members", "-n 100", exitUsage, "-n 100: the story needs 3 to 99 members"},
		{"negative time", "-for -1s", exitUsage, "-for -1s: must not be negative"},
		{"argument", "-n 3 now", exitUsage, `unexpected argument "now"`},
		{"unknown flag", "-x", exitUsage, "-x"},
		{"help", "-h", exitOK, "-bind address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if status := run(t.Context(), strings.Fields(test.args), nil, &stderr); status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("no %q in:\n%s", test.want, &stderr)
			}
		})
	}
}

// TestDefaultsEndInTime: the whole story, failing at its last moment, within a minute.
func TestDefaultsEndInTime(t *testing.T) {
	s := defaultSettings()
	l := s.limits
	worst := l.converge + l.detect + l.rejoin + l.metadata + l.leave + 4*s.pause + announceTimeout
	if worst >= time.Minute {
		t.Errorf("may take %v, want less than a minute", worst)
	}
}
