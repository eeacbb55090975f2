package clustertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// TestLevelsOfDrops: dropped packets are logged at the reference's levels. Operators alert on them: a member without the
// key is an error.
func TestLevelsOfDrops(t *testing.T) {
	cipher := func(key string) *wire.Cipher {
		c, err := wire.NewCipher([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, another := cipher(string(attackKey)), cipher("another key of 32 bytes, as long")
	sealed := func(c *wire.Cipher, message []byte) []byte {
		return underLabel(t, "blue", c.AppendSealed(nil, wire.SealVersion1, newNonce(), message, []byte("blue")))
	}
	frame := func(c *wire.Cipher, message []byte) []byte {
		return underLabel(t, "blue", wire.AppendSealedFrame(nil, c, wire.SealVersion1, newNonce(), "blue", message))
	}
	user := []byte{byte(wire.TypeUser), 'x'}
	damaged := append(make([]byte, wire.ChecksumSize), user...)
	wire.PutChecksum(damaged)
	damaged[wire.ChecksumSize-1]++
	misdirected := (&wire.Ping{SeqNo: 1, Node: "another"}).Append(nil)
	for _, tt := range []struct {
		name           string
		packet, stream []byte
		text, level    string
	}{
		{"packet that is not encrypted", underLabel(t, "blue", user), nil, "dropping packet that cannot be decrypted", "ERROR"},
		{"packet with another key", sealed(another, user), nil, "dropping packet that cannot be decrypted", "ERROR"},
		{"packet with another label", underLabel(t, "red", user), nil, "dropping packet with unacceptable label", "ERROR"},
		{"packet without a label", user, nil, "dropping packet with unacceptable label", "ERROR"},
		{"empty packet", sealed(ours, nil), nil, "dropping empty packet", "ERROR"},
		{"unknown message", sealed(ours, []byte{99}), nil, "dropping undecodable part of packet", "ERROR"},
		{"malformed message", sealed(ours, []byte{byte(wire.TypeAlive), 1}), nil, "dropping message that cannot be decoded", "ERROR"},
		{"damaged packet", sealed(ours, damaged), nil, "dropping undecodable part of packet", "WARN"},
		{"ping for another", sealed(ours, misdirected), nil, "got ping for another member", "WARN"},
		{"stream that is not encrypted", nil, underLabel(t, "blue", user), "stream failed", "ERROR"},
		{"stream with another key", nil, frame(another, user), "stream failed", "ERROR"},
		{"stream with another label", nil, underLabel(t, "red", user), "stream failed", "ERROR"},
		{"unknown message on a stream", nil, frame(ours, []byte{99}), "stream failed", "ERROR"},
		{"ping for another on a stream", nil, frame(ours, misdirected), "got ping for another member", "WARN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(recordHandler)
				c := newSimCluster(t)
				defer c.stop()
				c.add(func(config *memberlist.Config) {
					config.Label, config.SecretKey = "blue", attackKey
					config.LogOutput, config.SlogHandler = nil, h
				})
				other := c.add(func(config *memberlist.Config) { config.Label, config.SecretKey = "blue", attackKey })
				if _, err := other.Join(seedsAt(0)); err != nil {
					t.Fatal(err)
				}
				end := c.outsider(9)
				defer end.Close()
				if tt.packet != nil {
					if err := end.Send(tt.packet, simAddr(0)); err != nil {
						t.Fatal(err)
					}
				} else {
					conn, err := end.Dial(t.Context(), simAddr(0))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if _, err := conn.Write(tt.stream); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				found := h.find(tt.text)
				if len(found) != 1 || found[0]["level"] != tt.level {
					t.Errorf("records %v, want one at level %s; all: %v", found, tt.level, h.find(""))
				}
			})
		})
	}
}

// TestNewNameAtAnOldAddress: a process that is started again under another name causes no warning, neither of pings for the
// old name nor of anything else.
func TestNewNameAtAnOldAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t).grow(5, func(config *memberlist.Config) { config.LogOutput, config.SlogHandler = nil, h })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		c.members[4].Shutdown()
		config := c.simConfig(4)
		config.Name, config.LogOutput, config.SlogHandler = "again", nil, h
		again, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Shutdown()
		if _, err := again.Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool {
			for _, m := range append(c.members[:4:4], again) {
				if names := namesOf(m); len(names) != 5 || !slices.Contains(names, "again") {
					return false
				}
			}
			return true
		})
		time.Sleep(time.Hour)
		for _, record := range h.find("") {
			if level := record["level"]; level == "WARN" || level == "ERROR" {
				t.Errorf("logged %v", record)
			}
		}
	})
}

// TestLongQueueIsWarnedOf: every QueueCheckInterval the broadcast queue is compared with HandoffQueueDepth.
func TestLongQueueIsWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			queued   = 31 // itself and 30 others
			interval = time.Second
			quiet    = 10 * time.Second // between repeats of a line
		)
		c := newSimCluster(t)
		defer c.stop()
		for _, tt := range []struct {
			depth, warnings int
		}{
			{queued - 1, 1},
			{queued, 0},
		} {
			h := new(recordHandler)
			c.add(func(config *memberlist.Config) {
				config.LogOutput, config.SlogHandler = nil, h
				config.HandoffQueueDepth, config.QueueCheckInterval = tt.depth, interval
				config.GossipInterval, config.ProbeInterval = 0, 0 // nothing leaves the queue
			})
			c.hearOfGhosts(len(c.members)-1, queued-1, 1, nil)
			if found := h.find("broadcast queue is long"); len(found) != 0 {
				t.Errorf("depth %d: warned before the first check: %v", tt.depth, found)
			}
			time.Sleep(5 * interval)
			found := h.find("broadcast queue is long")
			if len(found) != tt.warnings {
				t.Fatalf("depth %d: %d warnings in %v, want %d: %v", tt.depth, len(found), 5*interval, tt.warnings, found)
			}
			for _, record := range found {
				if record["level"] != "WARN" || record["queued"] != fmt.Sprint(queued) {
					t.Errorf("depth %d: got %v, want a warning of %d", tt.depth, record, queued)
				}
			}
			time.Sleep(quiet)
			if found := h.find("broadcast queue is long"); len(found) != 2*tt.warnings {
				t.Errorf("depth %d: %d warnings %v later, want %d", tt.depth, len(found), quiet, 2*tt.warnings)
			}
		}
	})
}

// namesOf are the names of the members that a member sees.
func namesOf(m *memberlist.Memberlist) (names []string) {
	for _, n := range m.Members() {
		names = append(names, n.Name)
	}
	return names
}

// TestFallbackPingsAreLoggedOnce: each member logs one error about a member that ended, as its ping on a stream failed. Further such pings,
// of a member that is suspect or dead already, are quiet.
func TestFallbackPingsAreLoggedOnce(t *testing.T) {
	const n = 4
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		var logs [n]recordHandler
		for i := range logs {
			c.add(func(config *memberlist.Config) { config.LogOutput, config.SlogHandler = nil, &logs[i] })
			if _, err := c.members[i].Join(seedsAt(0)); err != nil && i > 0 {
				t.Fatal(err)
			}
		}
		c.await(settles, func() bool { return c.members[0].NumMembers() == n })
		time.Sleep(time.Minute)
		c.members[n-1].Shutdown()
		time.Sleep(time.Hour)
		total := 0
		for i := range n - 1 {
			atError := 0
			for _, record := range logs[i].find("ping on a stream failed") {
				if record["level"] == "ERROR" {
					atError++
				}
				if record["node"] != fmt.Sprint("m", n-1) {
					t.Errorf("got %v", record)
				}
			}
			if atError > 1 {
				t.Errorf("m%d logs %d errors", i, atError)
			}
			total += atError
		}
		if total == 0 {
			t.Error("no member logs an error")
		}
		t.Logf("%d errors", total)
	})
}

// TestRecordsHaveAttributes: a handler of the user's gets records with the
// level, the source, and the member that they are about.
func TestRecordsHaveAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t)
		defer c.stop()
		c.grow(4, func(config *memberlist.Config) { config.LogOutput, config.SlogHandler = nil, h })
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
				r["level"] != tt.level || r["file"] != "events.go" {
				t.Errorf("%q: %v", tt.text, r)
			}
		}
		end := c.outsider(66)
		for range 50 {
			end.Send([]byte{99}, simAddr(0))
			time.Sleep(time.Second)
		}
		dropped := h.find("dropping undecodable part of packet")
		dropped = append(dropped, h.find("dropping packet message of unexpected type")...)
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

// TestLoggedErrorsAreOneLine: a resolver of the user's with an error of several lines is logged on one.
func TestLoggedErrorsAreOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) {
			config.LogOutput, config.SlogHandler = nil, h
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
				return nil, errors.Join(errors.New("first"), errors.New("second"))
			})
		})
		if _, err := m.Join([]string{"host"}); err == nil {
			t.Error("joined what cannot be resolved")
		}
		time.Sleep(time.Second)
		found := h.find("failed to resolve")
		if len(found) != 1 || !strings.HasSuffix(found[0]["error"], "first; second") {
			t.Errorf("records %v, want one with both errors on a line", found)
		}
	})
}

// recordHandler keeps records with their attributes.
type recordHandler struct {
	mu      sync.Mutex
	records []map[string]string
}

func (h *recordHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *recordHandler) WithAttrs([]slog.Attr) slog.Handler { panic("not used") }

func (h *recordHandler) WithGroup(string) slog.Handler { panic("not used") }

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

// find returns the records whose message begins with a text.
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

// provokeLogs makes a small cluster write as many kinds of lines as possible.
func provokeLogs(t *testing.T, secrets map[string][]byte, sealed bool, text *lineBuffer, records *recordHandler) {
	c := newSimCluster(t)
	defer c.stop()
	var delegates []*secretive
	refuse := new(atomic.Bool)
	use := func(config *memberlist.Config) {
		d := &secretive{secrets: secrets}
		d.set(secrets["metadata"])
		d.state = secrets["state"]
		config.Delegate, config.Ping = d, d
		config.Merge, config.Alive = mergeFunc(func([]*memberlist.Node) error {
			if refuse.Load() {
				return errors.New("no merge today")
			}
			return nil
		}), aliveFunc(func(n *memberlist.Node) error {
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
	stranger, err := memberlist.Create(func() *memberlist.Config {
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
	c.transport(0).writeErr.Store(&broken)
	time.Sleep(5 * time.Second)
	c.transport(0).writeErr.Store(nil)
	c.network.Partition([]netip.AddrPort{simAddr(0), simAddr(1)})
	time.Sleep(2 * time.Minute)
	c.network.Heal()
	time.Sleep(2 * time.Minute)
}

// secretive is a delegate with secrets in all of its results.
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

func (d *secretive) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {}

func (d *secretive) GetBroadcasts(overhead, limit int) [][]byte {
	if d.oversize.Load() {
		return [][]byte{bytes.Repeat(d.secrets["message"], 100)}
	}
	return [][]byte{d.secrets["message"]}
}
