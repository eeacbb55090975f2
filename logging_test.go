package memberlist

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"
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

// recordHandler keeps records with their attributes.
type recordHandler struct {
	mu      sync.Mutex
	records []map[string]string
}

func (h *recordHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *recordHandler) WithAttrs([]slog.Attr) slog.Handler       { panic("not used") }
func (h *recordHandler) WithGroup(string) slog.Handler            { panic("not used") }
func (h *recordHandler) Handle(_ context.Context, r slog.Record) error {
	record := map[string]string{"": r.Message, "level": r.Level.String(), "file": filepath.Base(r.Source().File)}
	r.Attrs(func(a slog.Attr) bool {
		record[a.Key] = a.Value.String()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records = append(h.records, record)
	return nil
}

// find gives the records whose message begins with a text.
func (h *recordHandler) find(text string) (found []map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.records {
		if strings.HasPrefix(r[""], text) {
			found = append(found, r)
		}
	}
	return found
}

// TestRecordsHaveAttributes: a handler of the user's gets records with the
// level, the source, and the member that they are about.
func TestRecordsHaveAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t)
		defer c.stop()
		c.grow(4, func(config *Config) { config.LogOutput, config.SlogHandler = nil, h })
		c.await(settles, func() bool { return c.agree(4) })
		c.members[2].Shutdown()
		c.await(settles, func() bool { return c.members[0].NumMembers() == 3 })
		for _, tt := range []struct{ text, level, state string }{
			{"marking member as failed", "INFO", "suspect"},
		} {
			found := h.find(tt.text)
			if len(found) == 0 {
				t.Errorf("no record %q among %v", tt.text, h.records)
				continue
			}
			r := found[0]
			if r["node"] != "m2" || r["addr"] != simAddr(2).String() || r["state"] != tt.state || r["incarnation"] != "1" ||
				r["level"] != tt.level || r["file"] != "event_log.go" {
				t.Errorf("%q: %v", tt.text, r)
			}
		}
		end := c.outsider(66)
		for range 50 {
			end.Send([]byte{99}, simAddr(0))
			time.Sleep(time.Second)
		}
		dropped := h.find("dropping what cannot be read")
		dropped = append(dropped, h.find("dropping message that has no place")...)
		if len(dropped) != 5 || dropped[0]["from"] != simAddr(66).String() || dropped[1]["suppressed"] != "9" {
			t.Errorf("50 bad packets in 50 s: %v, want 5 records, each but the first with suppressed=9", dropped)
		}
	})
}

// TestLogsHaveNoSecrets: whatever happens, neither metadata nor keys nor the
// bytes of messages come to be in a log line, however written.
func TestLogsHaveNoSecrets(t *testing.T) {
	secrets := map[string][]byte{
		"key":       []byte("KEYKEYKEY-of-16b"),
		"other key": []byte("OTHERKEY--of-16b"),
		"metadata":  []byte("METADATA-of-a-member"),
		"message":   []byte("MESSAGE-to-a-member"),
		"state":     []byte("STATE-of-a-delegate"),
		"payload":   []byte("PAYLOAD-of-an-ack"),
	}
	for _, sealed := range []bool{false, true} {
		var text lineBuffer
		records := new(recordHandler)
		synctest.Test(t, func(t *testing.T) { provokeLogs(t, secrets, sealed, &text, records) })
		lines := text.containing("")
		for _, r := range records.find("") {
			lines = append(lines, fmt.Sprint(r))
		}
		kinds := map[string]bool{}
		for _, r := range records.find("") {
			kinds[r[""]] = true
		}
		if len(kinds) < 15 {
			t.Errorf("sealed %v: only %d kinds of lines were provoked: %v", sealed, len(kinds), kinds)
		}
		for what, secret := range secrets {
			for _, form := range []string{
				string(secret[:8]), hex.EncodeToString(secret[:8]), strings.ToUpper(hex.EncodeToString(secret[:8])),
				base64.StdEncoding.EncodeToString(secret)[:8], strings.Trim(fmt.Sprint(secret[:8]), "[]"),
				strings.Trim(fmt.Sprintf("%#v", secret[:8]), "[]byte{}"),
			} {
				for _, line := range lines {
					if strings.Contains(line, form) {
						t.Errorf("sealed %v: %s in %q", sealed, what, line)
					}
				}
			}
		}
	}
}

// provokeLogs has a small cluster write as many kinds of lines as it can.
func provokeLogs(t *testing.T, secrets map[string][]byte, sealed bool, text *lineBuffer, records *recordHandler) {
	c := newSimCluster(t)
	defer c.stop()
	var delegates []*secretive
	refuse := new(atomic.Bool)
	use := func(config *Config) {
		d := &secretive{secrets: secrets}
		d.set(secrets["metadata"])
		d.state = secrets["state"]
		config.Delegate, config.Ping = d, d
		config.Merge, config.Alive = mergeFunc(func([]*Node) error {
			if refuse.Load() {
				return errors.New("no merge today")
			}
			return nil
		}), aliveFunc(func(n *Node) error {
			if n.Name == "refused" {
				return errors.New("not this one")
			}
			return nil
		})
		config.PushPullInterval = 5 * time.Second
		config.SuspicionMult = 2
		if sealed {
			config.SecretKey = secrets["key"]
		}
		if len(delegates)%2 == 0 {
			config.LogOutput, config.SlogHandler = nil, records
		} else {
			config.LogOutput = text
		}
		delegates = append(delegates, d)
	}
	c.grow(6, use)
	c.await(settles, func() bool { return c.agree(6) })

	// A stranger with another key, or none, and one with broken messages.
	stranger, err := Create(func() *Config {
		config := c.simConfig(50)
		use(config)
		config.Label = "another"
		config.SecretKey = secrets["other key"]
		return config
	}())
	if err != nil {
		t.Fatal(err)
	}
	c.members = append(c.members, stranger)
	if _, err := stranger.Join([]string{simAddr(0).String(), simAddr(99).String(), "[::1"}); err == nil {
		t.Error("a stranger joined")
	}
	end := c.outsider(66)
	alive := wire.Alive{Incarnation: 7, Node: "m2", Addr: simAddr(66).Addr().AsSlice(), Port: 7946, Meta: secrets["metadata"],
		Vsn: []byte{1, 5, 2, 0, 0, 0}}
	refused, versions, maximum := alive, alive, wire.Suspect{Incarnation: 9, Node: "m0", From: "m1"}
	refused.Node = "refused"
	versions.Node, versions.Vsn = "v", []byte{9, 1, 1, 0, 0, 0}
	message := append([]byte{byte(wire.TypeUser)}, secrets["message"]...)
	for to := range 2 {
		send := func(m []byte) {
			if sealed {
				cipher, err := wire.NewCipher(secrets["key"])
				if err != nil {
					t.Fatal(err)
				}
				m = cipher.AppendSealed(nil, wire.SealVersion1, new([wire.NonceSize]byte), m, nil)
			}
			end.Send(m, simAddr(to))
			time.Sleep(10 * time.Millisecond)
		}
		end.Send(alive.Append(nil), simAddr(to)) // in plain text
		for _, m := range [][]byte{alive.Append(nil), refused.Append(nil), versions.Append(nil), maximum.Append(nil), message} {
			send(m)
			for cut := range m {
				send(m[:cut])
			}
			damaged := append(make([]byte, wire.ChecksumSize), m...)
			wire.PutChecksum(damaged)
			damaged[len(damaged)-1]++
			send(damaged)
			send(append([]byte{99}, m...))
			if conn, err := end.Dial(t.Context(), simAddr(to)); err == nil {
				conn.Write(m)
				time.Sleep(time.Millisecond)
				conn.Close()
			}
		}
	}
	refuse.Store(true) // push/pulls that join
	if _, err := c.members[1].Join([]string{simAddr(0).String()}); err == nil {
		t.Error("joined though the delegate refuses")
	}
	refuse.Store(false)
	if err := c.members[0].SendBestEffort(c.members[1].LocalNode(), bytes.Repeat(secrets["message"], 10_000)); err == nil {
		t.Error("a message of 190,000 bytes was sent")
	}
	delegates[0].oversize.Store(true)
	time.Sleep(10 * time.Second)

	c.network.SetDefault(simnet.Link{Latency: time.Millisecond, PacketsDown: true})
	time.Sleep(20 * time.Second)
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond, StreamsDown: true})
	time.Sleep(time.Minute)
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond})
	broken := error(&net.OpError{Op: "write", Net: "udp", Err: errors.New("no buffer space")})
	c.members[0].config.Transport.(*simTransport).writeErr.Store(&broken)
	time.Sleep(5 * time.Second)
	c.members[0].config.Transport.(*simTransport).writeErr.Store(nil)
	c.network.Partition([]netip.AddrPort{simAddr(0), simAddr(1)})
	time.Sleep(2 * time.Minute)
	c.network.Heal()
	time.Sleep(2 * time.Minute)
}

// secretive is a delegate with secrets in all that it gives.
type secretive struct {
	testDelegate
	secrets  map[string][]byte
	oversize atomic.Bool
}

func (d *secretive) AckPayload() []byte {
	if d.oversize.Load() {
		return bytes.Repeat(d.secrets["payload"], 100)
	}
	return d.secrets["payload"]
}
func (d *secretive) NotifyPingComplete(*Node, time.Duration, []byte) {}
func (d *secretive) GetBroadcasts(overhead, limit int) [][]byte {
	if d.oversize.Load() {
		return [][]byte{bytes.Repeat(d.secrets["message"], 100)}
	}
	return [][]byte{d.secrets["message"]}
}

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

// bufferLogger returns a logger and its output, without times.
func bufferLogger() (*logging.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return logging.New(log.New(&out, "", 0)), &out
}
