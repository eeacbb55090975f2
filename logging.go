package memberlist

import (
	"log"
	"log/slog"
	"net"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/swim"
)

// LogAddress returns "from=" and the address, for the end of a log line. The address may be nil.
func LogAddress(addr net.Addr) string {
	if addr == nil {
		return LogStringAddress("")
	}
	return LogStringAddress(addr.String())
}

// LogStringAddress returns "from=" and the address, for the end of a log line. The address may be empty.
func LogStringAddress(addr string) string {
	if addr == "" {
		addr = "<unknown address>"
	}
	return "from=" + addr
}

// LogConn returns "from=" and the remote address of a connection, for the end of a log line. The connection may be
// nil.
func LogConn(conn net.Conn) string {
	if conn == nil {
		return LogStringAddress("")
	}
	return LogAddress(conn.RemoteAddr())
}

// newLogger returns the logger that a configuration asks for. Neither metadata, nor key material, nor the bytes of messages are
// logged. Attributes of a member are "node", "addr", "state" and "incarnation"; the origin of something is "from".
func newLogger(c *Config) *logging.Logger {
	switch {
	case c.SlogHandler != nil:
		return logging.NewHandler(c.SlogHandler)
	case c.LogOutput != nil:
		return logging.New(log.New(c.LogOutput, "", log.LstdFlags))
	default:
		return logging.New(c.Logger)
	}
}

// logBurst is the number of lines of a kind in a logging.LimitInterval, if each is about another member.
const logBurst = 20

// memberAttrs returns the attributes of a member, and more.
func memberAttrs(m *swim.Member, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("node", m.Name),
		slog.Any("addr", m.Addr),
		slog.String("state", m.State.String()),
		slog.Uint64("incarnation", uint64(m.Incarnation)),
	}, more...)
}
