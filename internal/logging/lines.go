package logging

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineDepth is the number of calls between the caller of a Logger's method and the *log.Logger, for the flags Lshortfile and
// Llongfile.
const lineDepth = 4

// lineBytes is the initial capacity of a line: most are shorter.
const lineBytes = 256

// lineHandler writes records as "[WARN] memberlist: text: key=value key=value" to a *log.Logger. Values with spaces,
// quotes or unprintable characters are quoted, so that a peer cannot forge a line.
type lineHandler struct {
	out    *log.Logger
	prefix string // of attribute names: the open groups, each with a dot
	attrs  string // those of WithAttrs, formatted
}

// Enabled reports false if the lines are discarded.
func (h lineHandler) Enabled(context.Context, slog.Level) bool { return h.out.Writer() != io.Discard }

func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	line := make([]byte, 0, lineBytes)
	line = append(line, levelName(r.Level)...)
	line = append(line, " memberlist: "...)
	line = append(line, r.Message...)
	line = append(line, ':')
	bare := len(line)
	line = append(line, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		line = appendAttr(line, h.prefix, a)
		return true
	})
	if len(line) == bare {
		line = line[:bare-1]
	}
	return h.out.Output(lineDepth, string(line))
}

func (h lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	text := []byte(h.attrs)
	for _, a := range attrs {
		text = appendAttr(text, h.prefix, a)
	}
	h.attrs = string(text)
	return h
}

func (h lineHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

// levelName returns the tag that log filters expect at the start of a line.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "[DEBUG]"
	case level < slog.LevelWarn:
		return "[INFO]"
	case level < slog.LevelError:
		return "[WARN]"
	default:
		return "[ERR]"
	}
}

// appendAttr appends " key=value"; for a group, one for each of its attributes.
func appendAttr(dst []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range value.Group() {
			dst = appendAttr(dst, prefix, inner)
		}
		return dst
	}
	if a.Equal(slog.Attr{}) {
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, prefix...)
	dst = append(dst, a.Key...)
	dst = append(dst, '=')
	if text := value.String(); needsQuotes(text) {
		return strconv.AppendQuote(dst, text)
	} else {
		return append(dst, text...)
	}
}

func needsQuotes(s string) bool {
	return s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}
