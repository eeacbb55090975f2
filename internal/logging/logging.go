// Package logging writes log records to a slog.Handler, or to a *log.Logger in the line format of
// github.com/hashicorp/memberlist:
//
//	2006/01/02 15:04:05 [WARN] memberlist: text: key=value key="a value"
//
// Lines that a peer can cause at will are limited: each has a key, and a number of them is written in an interval.
package logging

import (
	"context"
	"log"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"
)

// Logger writes records. Its methods may be called from any goroutine, but not with a lock held: the handler may block.
type Logger struct {
	handler slog.Handler
	limit   limiter
}

// New returns a Logger that writes lines to out, or to standard error if out is nil.
func New(out *log.Logger) *Logger {
	if out == nil {
		out = log.New(os.Stderr, "", log.LstdFlags)
	}
	return NewHandler(&lineHandler{out: out})
}

// NewHandler returns a Logger that gives records to a handler.
func NewHandler(handler slog.Handler) *Logger { return &Logger{handler: handler} }

// Debug writes a record at that level.
func (l *Logger) Debug(msg string, attrs ...slog.Attr) { l.write(slog.LevelDebug, msg, attrs) }

// Info writes a record at that level.
func (l *Logger) Info(msg string, attrs ...slog.Attr) { l.write(slog.LevelInfo, msg, attrs) }

// Warn writes a record at that level.
func (l *Logger) Warn(msg string, attrs ...slog.Attr) { l.write(slog.LevelWarn, msg, attrs) }

// Error writes a record at that level.
func (l *Logger) Error(msg string, attrs ...slog.Attr) { l.write(slog.LevelError, msg, attrs) }

// Limited writes at most one record with this key in every LimitInterval. The next one has the number of those left out, as
// "suppressed". The key is a constant of the calling code.
func (l *Logger) Limited(key string, level slog.Level, msg string, attrs ...slog.Attr) {
	if suppressed, ok := l.allow(time.Now(), key, level, 1); ok {
		l.write(level, msg, withSuppressed(attrs, suppressed))
	}
}

// LimitedFunc is Limited with attributes that are made only if the record is written.
func (l *Logger) LimitedFunc(key string, level slog.Level, msg string, attrs func() []slog.Attr) {
	if suppressed, ok := l.allow(time.Now(), key, level, 1); ok {
		l.write(level, msg, withSuppressed(attrs(), suppressed))
	}
}

// Burst is LimitedFunc with up to most records in every LimitInterval, at a time that the caller has.
func (l *Logger) Burst(now time.Time, key string, level slog.Level, most int, msg string, attrs func() []slog.Attr) {
	if suppressed, ok := l.allow(now, key, level, most); ok {
		l.write(level, msg, withSuppressed(attrs(), suppressed))
	}
}

// allow reports whether a limited record may be written. One that the handler does not want is not counted.
func (l *Logger) allow(now time.Time, key string, level slog.Level, most int) (suppressed uint64, ok bool) {
	if !l.handler.Enabled(context.Background(), level) {
		return 0, false
	}
	return l.limit.allow(key, now, most)
}

func withSuppressed(attrs []slog.Attr, suppressed uint64) []slog.Attr {
	if suppressed == 0 {
		return attrs
	}
	return append(attrs[:len(attrs):len(attrs)], slog.Uint64("suppressed", suppressed))
}

// write makes a record, unless the handler does not want it. Its source is the caller of an exported method.
func (l *Logger) write(level slog.Level, msg string, attrs []slog.Attr) {
	ctx := context.Background()
	if !l.handler.Enabled(ctx, level) {
		return
	}
	var caller [1]uintptr
	runtime.Callers(3, caller[:])
	record := slog.NewRecord(time.Now(), level, msg, caller[0])
	record.AddAttrs(attrs...)
	_ = l.handler.Handle(ctx, record) // there is no other log to report it to
}

// Err returns the attribute "error", with the error's text on one line.
func Err(err error) slog.Attr { return slog.Any("error", oneLine(err)) }

// oneLine returns an error with the same text on one line: with semicolons for line breaks, as errors.Join makes them.
func oneLine(err error) error {
	if strings.ContainsAny(err.Error(), "\r\n") {
		return oneLineError{err}
	}
	return err
}

type oneLineError struct{ error }

func (e oneLineError) Error() string {
	var lines []string
	for line := range strings.FieldsFuncSeq(e.error.Error(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func (e oneLineError) Unwrap() error { return e.error }
