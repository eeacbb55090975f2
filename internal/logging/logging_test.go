package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// burst is a number of lines in an interval.
const burst = 20

// bufferLogger returns a logger and its output, without times.
func bufferLogger(flags int) (*Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return New(log.New(&out, "", flags)), &out
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(*Logger)
		want string
	}{
		{"debug", func(l *Logger) { l.Debug("text") }, "[DEBUG] memberlist: text"},
		{"info", func(l *Logger) { l.Info("text") }, "[INFO] memberlist: text"},
		{"warn", func(l *Logger) { l.Warn("text") }, "[WARN] memberlist: text"},
		{"error", func(l *Logger) { l.Error("text") }, "[ERR] memberlist: text"},
		{"attributes", func(l *Logger) {
			l.Warn("text", slog.String("node", "a"), slog.Int("n", 3), slog.Duration("rtt", time.Second))
		}, "[WARN] memberlist: text: node=a n=3 rtt=1s"},
		{"error attribute", func(l *Logger) { l.Warn("text", Err(errors.New("it broke"))) },
			`[WARN] memberlist: text: error="it broke"`},
		{"error of several lines", func(l *Logger) {
			l.Warn("text", Err(errors.Join(errors.New("2 errors:\n\t* a"), errors.New("\tb\r\n"))))
		}, `[WARN] memberlist: text: error="2 errors:; * a; b"`},
		{"forged line", func(l *Logger) { l.Warn("text", slog.String("node", "a\n[ERR] memberlist: fire")) },
			`[WARN] memberlist: text: node="a\n[ERR] memberlist: fire"`},
		{"escape sequence", func(l *Logger) { l.Warn("text", slog.String("node", "\x1b[31m")) },
			`[WARN] memberlist: text: node="\x1b[31m"`},
		{"empty", func(l *Logger) { l.Warn("text", slog.String("node", "")) }, `[WARN] memberlist: text: node=""`},
		{"group", func(l *Logger) { l.Warn("text", slog.Group("g", slog.Int("n", 1), slog.Int("m", 2))) },
			"[WARN] memberlist: text: g.n=1 g.m=2"},
		{"empty attribute", func(l *Logger) { l.Warn("text", slog.Attr{}) }, "[WARN] memberlist: text"},
		{"handler's own attributes", func(l *Logger) {
			slog.New(l.handler).With("a", 1).WithGroup("g").With("b", 2).Warn("text", "c", 3)
		}, "[WARN] memberlist: text: a=1 g.b=2 g.c=3"},
		{"limited", func(l *Logger) { l.Limited("id", slog.LevelError, "text", slog.Int("n", 1)) },
			"[ERR] memberlist: text: n=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, out := bufferLogger(0)
			tt.log(l)
			if got := strings.TrimSuffix(out.String(), "\n"); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLinesNameTheirCaller(t *testing.T) {
	for name, write := range map[string]func(*Logger){
		"plain":   func(l *Logger) { l.Warn("text") },
		"limited": func(l *Logger) { l.Limited("id", slog.LevelWarn, "text") },
	} {
		t.Run(name, func(t *testing.T) {
			l, out := bufferLogger(log.Lshortfile)
			write(l)
			if !strings.HasPrefix(out.String(), "logging_test.go:") {
				t.Errorf("got line %q", out)
			}
		})
	}
}

func TestLimitedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := bufferLogger(0)
		want := func(lines string) {
			t.Helper()
			if got := out.String(); got != lines {
				t.Errorf("got %q, want %q", got, lines)
			}
			out.Reset()
		}
		for range 3 {
			l.Limited("a", slog.LevelWarn, "a")
		}
		l.Limited("b", slog.LevelWarn, "b")
		want("[WARN] memberlist: a\n[WARN] memberlist: b\n")

		time.Sleep(LimitInterval - 1)
		l.Limited("a", slog.LevelWarn, "a")
		want("")

		time.Sleep(time.Nanosecond)
		l.Limited("a", slog.LevelWarn, "a", slog.Int("n", 1))
		l.Limited("b", slog.LevelWarn, "b")
		want("[WARN] memberlist: a: n=1 suppressed=3\n[WARN] memberlist: b\n")

		time.Sleep(LimitInterval)
		l.Limited("a", slog.LevelWarn, "a")
		want("[WARN] memberlist: a\n")
	})
}

// TestBursts: the given number of lines are written in an interval, and no more.
func TestBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := bufferLogger(0)
		made := 0
		for round := range 2 {
			for i := range 50 {
				l.Burst(time.Now(), "a", slog.LevelInfo, burst, "a", func() []slog.Attr {
					made++
					return []slog.Attr{slog.Int("i", i)}
				})
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			first := "[INFO] memberlist: a: i=0"
			if round == 1 {
				first += " suppressed=30"
			}
			if len(lines) != burst || lines[0] != first || lines[burst-1] != "[INFO] memberlist: a: i=19" {
				t.Errorf("round %d: %d lines from %q to %q", round, len(lines), lines[0], lines[len(lines)-1])
			}
			out.Reset()
			time.Sleep(LimitInterval)
		}
		if made != 2*burst {
			t.Errorf("made the attributes of %d lines, wrote %d", made, 2*burst)
		}
	})
}

// TestUnwantedRecords: a record that the handler does not want, or whose line is discarded, is neither made nor counted.
func TestUnwantedRecords(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelError)
	lines := log.New(io.Discard, "", 0)
	for _, tt := range []struct {
		name string
		l    *Logger
		show func()
		line string
	}{
		{"handler", NewHandler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})),
			func() { level.Set(slog.LevelWarn) }, "msg=text\n"},
		{"logger", New(lines),
			func() { lines.SetOutput(&out) }, "[WARN] memberlist: text\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out.Reset()
			made := 0
			write := func() {
				tt.l.Warn("text")
				tt.l.Limited("a", slog.LevelWarn, "text")
				tt.l.LimitedFunc("b", slog.LevelWarn, "text", func() []slog.Attr { made++; return nil })
			}
			write()
			if made != 0 || out.Len() != 0 {
				t.Errorf("made attributes %d times, wrote %q", made, &out)
			}
			if allocs := testing.AllocsPerRun(100, write); allocs != 0 {
				t.Errorf("%v allocations for lines that are not written", allocs)
			}
			tt.show()
			write()
			write()
			if got := strings.Count(out.String(), tt.line); made != 1 || got != 4 || strings.Contains(out.String(), "suppressed") {
				t.Errorf("made attributes once? %d times; %d lines: %s", made, got, &out)
			}
		})
	}
}

func TestLimiterRemembersFewKeys(t *testing.T) {
	var l limiter
	now := time.Unix(0, 0)
	for i := range 2 * limitKeys {
		_, ok := l.allow(fmt.Sprint(i), now, 1)
		if want := i <= limitKeys; ok != want {
			t.Errorf("key %d: got %v, want %v", i, ok, want)
		}
	}
	if got, want := len(l.mu.keys), limitKeys+1; got != want {
		t.Errorf("remembers %d keys, want %d", got, want)
	}
}

func TestLoggerIsSharedByGoroutines(t *testing.T) {
	l := New(log.New(io.Discard, "", 0))
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				l.Limited("id", slog.LevelWarn, "text", slog.Int("n", 1))
				slog.New(l.handler).WarnContext(context.Background(), "text")
			}
		})
	}
	writers.Wait()
}

func TestDefaultIsStandardError(t *testing.T) {
	if out := New(nil).handler.(*lineHandler).out; out.Writer() != os.Stderr || out.Flags() != log.LstdFlags {
		t.Errorf("writes to %v with flags %d", out.Writer(), out.Flags())
	}
}
