package memberlist

import (
	"bytes"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
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

// TestPingOfASuspectIsNoError: a ping on a stream that fails is an error, unless the member is suspect or dead already.
func TestPingOfASuspectIsNoError(t *testing.T) {
	for state, want := range map[swim.State]string{swim.StateAlive: "level=ERROR", swim.StateSuspect: "level=DEBUG", swim.StateDead: "level=DEBUG"} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			m := newMember(t, new(MockNetwork), "a", func(c *Config) {
				c.LogOutput, c.SlogHandler = nil, slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
			})
			m.probeOnStream(swim.Stream{
				Kind: swim.StreamPing, Deadline: time.Now().Add(time.Second),
				To: swim.Member{Name: "b", Addr: netip.MustParseAddrPort("127.0.0.1:999"), State: state},
			})
			m.Shutdown()
			line, _, _ := strings.Cut(out.String()[strings.Index(out.String(), "level="):], "\n")
			if !strings.HasPrefix(line, want) || !strings.Contains(line, "ping on a stream failed") {
				t.Errorf("%v: logged %q, want %s", state, line, want)
			}
		})
	}
}
