package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogAddresses(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	conn := remoteConn{addr: addr}
	for _, tt := range []struct {
		name, got, want string
	}{
		{"address", LogAddress(addr), "from=127.0.0.1:80"},
		{"no address", LogAddress(nil), "from=<unknown address>"},
		{"text", LogStringAddress("a:1"), "from=a:1"},
		{"no text", LogStringAddress(""), "from=<unknown address>"},
		{"connection", LogConn(conn), "from=127.0.0.1:80"},
		{"no connection", LogConn(nil), "from=<unknown address>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}

// remoteConn is a connection to an address.
type remoteConn struct {
	net.Conn
	addr net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.addr }

// bufferLogger gives a logger and what it writes, without a time.
func bufferLogger(flags int) (*logger, *bytes.Buffer) {
	var out bytes.Buffer
	return newLogger(log.New(&out, "", flags)), &out
}

func TestLogLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(*logger)
		want string
	}{
		{"debug", func(l *logger) { l.debug("text") }, "[DEBUG] memberlist: text"},
		{"info", func(l *logger) { l.info("text") }, "[INFO] memberlist: text"},
		{"warn", func(l *logger) { l.warn("text") }, "[WARN] memberlist: text"},
		{"error", func(l *logger) { l.error("text") }, "[ERR] memberlist: text"},
		{"attributes", func(l *logger) {
			l.warn("text", slog.String("node", "a"), slog.Int("n", 3), slog.Duration("rtt", time.Second))
		}, "[WARN] memberlist: text: node=a n=3 rtt=1s"},
		{"error attribute", func(l *logger) { l.warn("text", errAttr(errors.New("it broke"))) },
			`[WARN] memberlist: text: error="it broke"`},
		{"forged line", func(l *logger) { l.warn("text", slog.String("node", "a\n[ERR] memberlist: fire")) },
			`[WARN] memberlist: text: node="a\n[ERR] memberlist: fire"`},
		{"escape sequence", func(l *logger) { l.warn("text", slog.String("node", "\x1b[31m")) },
			`[WARN] memberlist: text: node="\x1b[31m"`},
		{"empty", func(l *logger) { l.warn("text", slog.String("node", "")) }, `[WARN] memberlist: text: node=""`},
		{"group", func(l *logger) { l.warn("text", slog.Group("g", slog.Int("n", 1), slog.Int("m", 2))) },
			"[WARN] memberlist: text: g.n=1 g.m=2"},
		{"handler's own attributes", func(l *logger) {
			l.slog.With("a", 1).WithGroup("g").With("b", 2).Warn("text", "c", 3)
		}, "[WARN] memberlist: text: a=1 g.b=2 g.c=3"},
		{"limited", func(l *logger) { l.limited("id", slog.LevelError, "text", slog.Int("n", 1)) },
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

func TestLogLinesNameTheirCaller(t *testing.T) {
	for name, write := range map[string]func(*logger){
		"plain":   func(l *logger) { l.warn("text") },
		"limited": func(l *logger) { l.limited("id", slog.LevelWarn, "text") },
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
			l.limited("a", slog.LevelWarn, "a")
		}
		l.limited("b", slog.LevelWarn, "b")
		want("[WARN] memberlist: a\n[WARN] memberlist: b\n")

		time.Sleep(limitInterval - 1)
		l.limited("a", slog.LevelWarn, "a")
		want("")

		time.Sleep(1)
		l.limited("a", slog.LevelWarn, "a", slog.Int("n", 1))
		l.limited("b", slog.LevelWarn, "b")
		want("[WARN] memberlist: a: n=1 suppressed=3\n[WARN] memberlist: b\n")

		time.Sleep(limitInterval)
		l.limited("a", slog.LevelWarn, "a")
		want("[WARN] memberlist: a\n")
	})
}

func TestLimitedLinesRememberFewIDs(t *testing.T) {
	var l lineLimiter
	now := time.Unix(0, 0)
	for i := range 2 * limitIDs {
		_, ok := l.allow(fmt.Sprint(i), now)
		if want := i <= limitIDs; ok != want {
			t.Errorf("id %d: got %v, want %v", i, ok, want)
		}
	}
	if got, want := len(l.mu.lines), limitIDs+1; got != want {
		t.Errorf("remembers %d ids, want %d", got, want)
	}
}

func TestLoggerFromConfig(t *testing.T) {
	var out bytes.Buffer
	newConfigLogger(&Config{LogOutput: &out}).warn("to the writer")
	newConfigLogger(&Config{Logger: log.New(&out, "mine ", 0)}).warn("to the logger")
	lines := strings.Split(out.String(), "\n")
	if !strings.HasSuffix(lines[0], " [WARN] memberlist: to the writer") || len(lines[0]) < len("2006/01/02 15:04:05 ") {
		t.Errorf("got line %q, want a time before the level", lines[0])
	}
	if want := "mine [WARN] memberlist: to the logger"; lines[1] != want {
		t.Errorf("got line %q, want %q", lines[1], want)
	}
	if newConfigLogger(&Config{}).out == nil {
		t.Error("nothing to write to")
	}
}

func TestLoggerIsSharedByGoroutines(t *testing.T) {
	l := newLogger(log.New(io.Discard, "", 0))
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				l.limited("id", slog.LevelWarn, "text", slog.Int("n", 1))
				l.slog.WarnContext(context.Background(), "text")
			}
		})
	}
	writers.Wait()
}
