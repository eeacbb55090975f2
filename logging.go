package memberlist

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/e3431adc/memberlist/internal/swim"
)

// LogAddress gives "from=" and the address, for the end of a log line. The address may be nil.
func LogAddress(addr net.Addr) string {
	if addr == nil {
		return LogStringAddress("")
	}
	return LogStringAddress(addr.String())
}

// LogStringAddress gives "from=" and the address, for the end of a log line. The address may be empty.
func LogStringAddress(addr string) string {
	if addr == "" {
		addr = "<unknown address>"
	}
	return "from=" + addr
}

// LogConn gives "from=" and the address of the connection's other side, for the end of a log line. The connection may be
// nil.
func LogConn(conn net.Conn) string {
	if conn == nil {
		return LogStringAddress("")
	}
	return LogAddress(conn.RemoteAddr())
}

// logger writes what a member logs: records of log/slog to the user's handler or, in the reference's line format, to a
// *log.Logger. It must not be used with a lock held: either may block. What it is given is never metadata, key material or
// the bytes of a message.
//
// Attributes that name a member are "node", "addr", "state" and "incarnation"; where something came from is "from".
type logger struct {
	handler slog.Handler
	limit   lineLimiter
	lines   lineHandler // the handler, if the user gave none
}

// newLogger gives a logger that writes to out, or to standard error if out is nil.
func newLogger(out *log.Logger) *logger {
	if out == nil {
		out = log.New(os.Stderr, "", log.LstdFlags)
	}
	l := &logger{lines: lineHandler{out: out}}
	l.handler = &l.lines
	return l
}

// newConfigLogger gives the logger that a configuration asks for.
func newConfigLogger(c *Config) *logger {
	switch {
	case c.SlogHandler != nil:
		return &logger{handler: c.SlogHandler}
	case c.LogOutput != nil:
		return newLogger(log.New(c.LogOutput, "", log.LstdFlags))
	default:
		return newLogger(c.Logger)
	}
}

func (l *logger) debug(msg string, attrs ...slog.Attr) { l.write(slog.LevelDebug, msg, attrs) }
func (l *logger) info(msg string, attrs ...slog.Attr)  { l.write(slog.LevelInfo, msg, attrs) }
func (l *logger) warn(msg string, attrs ...slog.Attr)  { l.write(slog.LevelWarn, msg, attrs) }
func (l *logger) error(msg string, attrs ...slog.Attr) { l.write(slog.LevelError, msg, attrs) }

// limited writes a line that a peer can cause at will: at most one every ten seconds for each id, the next one saying how
// many were left out in between. The id is a constant of the calling code.
func (l *logger) limited(id string, level slog.Level, msg string, attrs ...slog.Attr) {
	if suppressed, ok := l.allow(time.Now(), id, level, 1); ok {
		l.write(level, msg, withSuppressed(attrs, suppressed))
	}
}

// limitedFunc is limited with attributes that are made only if the line is written.
func (l *logger) limitedFunc(id string, level slog.Level, msg string, attrs func() []slog.Attr) {
	if suppressed, ok := l.allow(time.Now(), id, level, 1); ok {
		l.write(level, msg, withSuppressed(attrs(), suppressed))
	}
}

// event is limitedFunc for what an event of the core tells, at the time of its turn: so many lines in ten seconds.
func (l *logger) event(now time.Time, id string, level slog.Level, most int, msg string, attrs func() []slog.Attr) {
	if suppressed, ok := l.allow(now, id, level, most); ok {
		l.write(level, msg, withSuppressed(attrs(), suppressed))
	}
}

// allow says whether a limited line may be written. One that nobody wants to see does not count.
func (l *logger) allow(now time.Time, id string, level slog.Level, burst int) (suppressed uint64, ok bool) {
	if !l.handler.Enabled(context.Background(), level) {
		return 0, false
	}
	return l.limit.allow(id, now, burst)
}

func withSuppressed(attrs []slog.Attr, suppressed uint64) []slog.Attr {
	if suppressed == 0 {
		return attrs
	}
	return append(attrs[:len(attrs):len(attrs)], slog.Uint64("suppressed", suppressed))
}

// write makes a record whose source is the caller of one of the methods above, if anybody wants to see it.
func (l *logger) write(level slog.Level, msg string, attrs []slog.Attr) {
	ctx := context.Background()
	if !l.handler.Enabled(ctx, level) {
		return
	}
	var caller [1]uintptr
	runtime.Callers(3, caller[:])
	record := slog.NewRecord(time.Now(), level, msg, caller[0])
	record.AddAttrs(attrs...)
	_ = l.handler.Handle(ctx, record) // there is nobody to tell
}

// memberAttrs are the attributes of a member, and more.
func memberAttrs(m *swim.Member, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("node", m.Name),
		slog.Any("addr", m.Addr),
		slog.String("state", m.State.String()),
		slog.Uint64("incarnation", uint64(m.Incarnation)),
	}, more...)
}

// errAttr is the attribute of an error, whose text it has on one line.
func errAttr(err error) slog.Attr {
	if strings.ContainsAny(err.Error(), "\r\n") {
		err = oneLineError{err}
	}
	return slog.Any("error", err)
}

// oneLineError is an error with its lines behind one another, as one of several has.
type oneLineError struct{ error }

// Error returns the lines with semicolons between them.
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

// lineDepth is how many calls lie between the line's caller and the *log.Logger, for its flags Lshortfile and Llongfile.
const lineDepth = 4

// lineBytes is how long most lines are at most, without their time.
const lineBytes = 256

// lineHandler writes records as "[WARN] memberlist: text: key=value key=value" to a *log.Logger. Values with spaces,
// quotes or unprintable characters are quoted, so that a peer cannot forge a line.
type lineHandler struct {
	out    *log.Logger
	prefix string // of attribute names: the open groups, each with a dot
	attrs  string // those of With, as they go on the line
}

// Enabled says no if nobody can ever see a line.
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

// levelName gives the tag that tools look for at the start of a line.
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

// appendAttr appends " key=value", for a group one for each of its attributes.
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

const (
	// limitInterval is how long a limited line keeps others of its id from being written.
	limitInterval = 10 * time.Second

	// limitBurst is how many are written in that time of lines of which each tells something else, as each of another member.
	limitBurst = 20

	// limitIDs bounds how many ids are told apart; ids are constants, so this many are a mistake in the code. All beyond
	// share one.
	limitIDs = 64
)

// lineLimiter remembers when each limited line was last written. Its zero value is ready for use.
type lineLimiter struct {
	mu struct {
		sync.Mutex
		lines map[string]*limitedLine
	}
}

type limitedLine struct {
	began      time.Time // the interval
	written    int       // in it
	suppressed uint64
}

// allow says whether the line may be written now, which burst of them may in each interval, and how many were not since it
// last was.
func (l *lineLimiter) allow(id string, now time.Time, burst int) (suppressed uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.lines == nil {
		l.mu.lines = make(map[string]*limitedLine)
	}
	line := l.mu.lines[id]
	if line == nil {
		if len(l.mu.lines) >= limitIDs {
			id = ""
			line = l.mu.lines[id]
		}
		if line == nil {
			l.mu.lines[id] = &limitedLine{began: now, written: 1}
			return 0, true
		}
	}
	if now.Sub(line.began) >= limitInterval {
		line.began, line.written = now, 0
	}
	if line.written >= burst {
		line.suppressed++
		return 0, false
	}
	line.written++
	suppressed, line.suppressed = line.suppressed, 0
	return suppressed, true
}
