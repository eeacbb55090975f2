package memberlist

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRefusalsAreAlike: a peer without a key cannot tell from the size or the time of the answer whether it has
// guessed the label, or whether it used any key.
func TestRefusalsAreAlike(t *testing.T) {
	request := (&wire.PushPullHeader{Join: true}).Append(nil)
	cipher, err := wire.NewCipher(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	labelled := func(label string, rest []byte) []byte {
		header, err := wire.AppendLabel(nil, label)
		if err != nil {
			t.Fatal(err)
		}
		return append(header, rest...)
	}
	sealed := func(label string) []byte {
		return wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, new([wire.NonceSize]byte), label, request)
	}
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	type answer struct {
		size int
		took time.Duration
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		sent   map[string][]byte
		want   time.Duration
	}{
		{"whole messages", func(*Config) {}, map[string][]byte{
			"the label, another key":      labelled("azure", sealed("azure")),
			"another label, another key":  labelled("crimson", sealed("crimson")),
			"no label, another key":       sealed(""),
			"the label, plain text":       labelled("azure", request),
			"another label, plain text":   labelled("crimson", request),
			"no label, plain text":        request,
			"the label, a ping in text":   labelled("azure", (&wire.Ping{SeqNo: 1}).Append(nil)),
			"another label, noise sealed": labelled("green", append([]byte{byte(wire.TypeEncrypt), 0, 0, 0, 50, 1}, make([]byte, 49)...)),
		}, 2 * time.Millisecond},
		{"answers in plain text", func(c *Config) { c.GossipVerifyOutgoing = false }, map[string][]byte{
			"the label, another key":     labelled("azure", sealed("azure")),
			"another label, another key": labelled("crimson", sealed("crimson")),
			"the label, plain text":      labelled("azure", request),
			"another label, plain text":  labelled("crimson", request),
		}, 2 * time.Millisecond},
		{"messages without an end", func(*Config) {}, map[string][]byte{
			"the label, another key":     labelled("azure", cut(sealed("azure"))),
			"another label, another key": labelled("crimson", cut(sealed("crimson"))),
			"no label, another key":      cut(sealed("")),
		}, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim := newMember(t, network, "victim", func(c *Config) {
					c.Label, c.SecretKey = "azure", attackKey
					tt.change(c)
				})
				network.mu.network.SetDefault(simnet.Link{Latency: time.Millisecond})
				end := outsider(t, network, 66)
				texts := map[string]bool{}
				answers := map[answer][]string{}
				for name, b := range tt.sent {
					conn, err := end.Dial(context.Background(), addrOf(victim))
					if err != nil {
						t.Fatal(err)
					}
					start := time.Now()
					reply, took := firstAnswer(t, conn, b), time.Since(start)
					answers[answer{len(reply), took}] = append(answers[answer{len(reply), took}], name)
					if len(reply) > 0 && wire.Type(reply[0]) != wire.TypeEncrypt {
						texts[string(reply)] = true
					}
					if took.Round(time.Second) != tt.want.Round(time.Second) {
						t.Errorf("%s: answered after %v, want %v", name, took, tt.want)
					}
				}
				if len(answers) != 1 {
					t.Errorf("there are different answers: %v", answers)
				}
				if len(texts) > 1 {
					t.Errorf("there are %d different texts", len(texts))
				}
				t.Logf("%v", answers)
			})
		})
	}
}

// firstAnswer writes to a stream and returns the bytes of the first read from it, none if the stream ends.
func firstAnswer(t *testing.T, conn net.Conn, b []byte) []byte {
	t.Helper()
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 10_000)
	n, err := conn.Read(reply)
	if err != nil && err != io.EOF {
		t.Logf("read: %v", err)
	}
	return reply[:n]
}
