package memberlist

import (
	"bytes"
	"log"
	"log/slog"
	"net"
	"strings"
	"testing"
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

// remoteConn is a connection with a given remote address.
type remoteConn struct {
	net.Conn
	addr net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.addr }

func TestLoggerFromConfig(t *testing.T) {
	var out bytes.Buffer
	newLogger(&Config{LogOutput: &out}).Warn("to the writer")
	newLogger(&Config{Logger: log.New(&out, "mine ", 0)}).Warn("to the logger")
	lines := strings.Split(out.String(), "\n")
	if !strings.HasSuffix(lines[0], " [WARN] memberlist: to the writer") || len(lines[0]) < len("2006/01/02 15:04:05 ") {
		t.Errorf("got line %q, want a time before the level", lines[0])
	}
	if want := "mine [WARN] memberlist: to the logger"; lines[1] != want {
		t.Errorf("got line %q, want %q", lines[1], want)
	}
	out.Reset()
	newLogger(&Config{SlogHandler: slog.NewJSONHandler(&out, nil)}).Warn("to the handler")
	if !strings.Contains(out.String(), `"msg":"to the handler"`) || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("the handler wrote %q", &out)
	}
}
