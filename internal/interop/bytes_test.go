package interop

import (
	"bytes"
	"compress/lzw"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Every message is byte for byte what go-msgpack makes of the reference's struct.
func TestMessagesAreTheReferencesBytes(t *testing.T) {
	var cases []struct {
		m     interface{ Append([]byte) []byte }
		shape any
	}
	add := func(m interface{ Append([]byte) []byte }, shape any) {
		cases = append(cases, struct {
			m     interface{ Append([]byte) []byte }
			shape any
		}{m, shape})
	}
	// The sizes at which an encoding changes its form.
	numbers := []uint32{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32}
	ports := []uint16{0, 1, 127, 128, 255, 256, 7946, math.MaxUint16}
	names := []string{"", "n", strings.Repeat("n", 31), strings.Repeat("n", 32), strings.Repeat("n", 255),
		strings.Repeat("n", 256), strings.Repeat("n", 65535), strings.Repeat("n", 65536), "é\x00\xff"}
	blobs := [][]byte{nil, {}, {1}, {127, 0, 0, 1}, bytes.Repeat([]byte{9}, 16), bytes.Repeat([]byte{9}, 31),
		bytes.Repeat([]byte{9}, 32), bytes.Repeat([]byte{9}, 255), bytes.Repeat([]byte{9}, 256), bytes.Repeat([]byte{9}, 65536)}
	ints := []int{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxInt32, math.MaxInt, -1, -32, -33, -128, -129, -32769, math.MinInt}
	if n := int64(math.MaxUint32); int64(int(n)) == n { // an int has 64 bits
		ints = append(ints, int(n))
	}

	for _, n := range numbers {
		add(&wire.Nack{SeqNo: n}, &nackShape{n})
		for _, b := range blobs {
			add(&wire.Ack{SeqNo: n, Payload: b}, &ackShape{SeqNo: n, Payload: b})
		}
		for _, s := range names {
			add(&wire.Suspect{Incarnation: n, Node: s, From: "x"}, &deadShape{n, s, "x"})
			add(&wire.Dead{Incarnation: n, Node: "x", From: s}, &deadShape{n, "x", s})
			add(&wire.Ping{SeqNo: n, Node: s}, &pingShape{SeqNo: n, Node: s})
		}
	}
	for _, s := range names {
		add(&wire.Err{Error: s}, &errShape{s})
		for _, port := range ports {
			for _, b := range blobs {
				add(&wire.Ping{SeqNo: 7, Node: "n", SourceAddr: b, SourcePort: port, SourceNode: s},
					&pingShape{SeqNo: 7, Node: "n", SourceAddr: b, SourcePort: port, SourceNode: s})
				for _, nack := range []bool{false, true} {
					add(&wire.IndirectPing{SeqNo: 7, Target: b, Port: port, Node: s, Nack: nack},
						&indirectPingShape{SeqNo: 7, Target: b, Port: port, Node: s, Nack: nack})
					add(&wire.IndirectPing{SeqNo: 7, Target: b, Port: port, Node: s, Nack: nack, SourceAddr: b, SourcePort: port, SourceNode: s},
						&indirectPingShape{7, b, port, s, nack, b, port, s})
				}
				add(&wire.Alive{Incarnation: 1, Node: s, Addr: b, Port: port, Meta: b, Vsn: b}, &aliveShape{1, s, b, port, b, b, nil})
				add(&wire.PushNodeState{Name: s, Addr: b, Port: port, Meta: b, Incarnation: 1, State: 2, Vsn: b},
					&stateShape{s, b, port, b, 1, 2, b, nil})
			}
		}
	}
	for _, n := range ints {
		add(&wire.UserHeader{UserMsgLen: n}, &userShape{n})
		add(&wire.PushNodeState{State: n}, &stateShape{State: n})
		for _, join := range []bool{false, true} {
			add(&wire.PushPullHeader{Nodes: n, UserStateLen: n, Join: join}, &pushPullShape{Nodes: n, UserStateLen: n, Join: join})
		}
	}

	for _, tt := range cases {
		want, err := encodeShape(tt.shape)
		if err != nil {
			t.Fatal(err)
		}
		got := tt.m.Append(nil)
		if m, ok := tt.m.(wire.Message); ok {
			if got[0] != byte(m.Type()) {
				t.Fatalf("%T begins with %d", m, got[0])
			}
			got = got[1:]
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%.200s:\ngot  %.300x\nwant %.300x", fmt.Sprintf("%+v", tt.m), got, want)
		}
	}
	t.Logf("%d messages", len(cases))
}

// What is compressed is what compress/lzw, which the reference uses, makes of it.
func TestCompressedMessagesAreTheReferencesBytes(t *testing.T) {
	var c wire.Compressor
	for _, plain := range []string{"", "a", strings.Repeat("a", 1000), noise(10), noise(5000), strings.Repeat("memberlist ", 3000)} {
		var buf bytes.Buffer
		w := lzw.NewWriter(&buf, lzw.LSB, 8)
		w.Write([]byte(plain))
		w.Close()
		body, err := encodeShape(&compressShape{0, buf.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		want := append([]byte{byte(wire.TypeCompress)}, body...)
		if got := c.Append(nil, []byte(plain)); !bytes.Equal(got, want) {
			t.Errorf("%.20q:\ngot  %.200x\nwant %.200x", plain, got, want)
		}
	}
}
