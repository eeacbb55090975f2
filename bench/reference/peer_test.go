// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"bytes"
	"compress/lzw"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// The types of messages.
const (
	typePing     = 0
	typeSuspect  = 3
	typeAlive    = 4
	typeDead     = 5
	typePushPull = 6
	typeCompound = 7
	typeUser     = 8
	typeCompress = 9
	typeEncrypt  = 10
	typeChecksum = 12
	typeLabel    = 244
)

// The types that go-msgpack encodes.
type (
	ping struct {
		SeqNo      uint32
		Node       string
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
	}
	accusation struct {
		Incarnation uint32
		Node        string
		From        string
	}
	alive struct {
		Incarnation uint32
		Node        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Vsn         []byte
	}
	pushPullHeader struct {
		Nodes        int
		UserStateLen int
		Join         bool
	}
	pushNodeState struct {
		Name        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Incarnation uint32
		State       int
		Vsn         []byte
	}
	compressed struct {
		Algo uint8
		Buf  []byte
	}
)

// mode is the encoding of a cluster's packets and streams.
type mode struct {
	name     string
	compress bool
	seal     bool // AES-256, and a label
}

var (
	plain       = mode{name: "plain"}
	sealed      = mode{name: "sealed", seal: true}
	compressing = mode{name: "compressed", compress: true}
	both        = mode{name: "both", compress: true, seal: true}
)

const (
	self  = "node-self"
	label = "blue"
	port  = 7946
)

var (
	primaryKey = bytes.Repeat([]byte{1}, 32)
	secondKey  = bytes.Repeat([]byte{2}, 32)
	versions   = []byte{1, 5, 2, 0, 0, 0}
)

// config returns the configuration of a member without periodic activity.
func (m mode) config(tb testing.TB, transport memberlist.Transport) *memberlist.Config {
	tb.Helper()
	c := memberlist.DefaultLANConfig()
	c.Name = self
	c.Transport = transport
	c.AdvertiseAddr, c.AdvertisePort = "10.255.0.1", port
	c.Logger = log.New(io.Discard, "", 0)
	c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0
	c.HandoffQueueDepth = 4096
	c.ProbeTimeout = time.Minute // the machine may be busy
	c.EnableCompression = m.compress
	if m.seal {
		c.Label = label
		ring, err := memberlist.NewKeyring([][]byte{primaryKey, secondKey}, primaryKey)
		if err != nil {
			tb.Fatal(err)
		}
		c.Keyring = ring
	}
	return c
}

// packet encodes messages in one packet, as a peer does that knows the receiver.
func (m mode) packet(tb testing.TB, messages ...[]byte) *memberlist.Packet {
	tb.Helper()
	return m.packetWith(tb, primaryKey, messages...)
}

func (m mode) packetWith(tb testing.TB, key []byte, messages ...[]byte) *memberlist.Packet {
	tb.Helper()
	buf := messages[0]
	if len(messages) > 1 {
		buf = compound(messages)
	}
	if m.compress {
		if small := compress(tb, buf); len(small) < len(buf) {
			buf = small
		}
	}
	sum := binary.BigEndian.AppendUint32([]byte{typeChecksum}, crc32.ChecksumIEEE(buf))
	buf = append(sum, buf...)
	if m.seal {
		buf = append(labelHeader(), seal(tb, key, buf, []byte(label))...)
	}
	return &memberlist.Packet{Buf: buf, From: memberAddr(1), Timestamp: time.Now()}
}

// stream encodes a message as a peer's reply on a stream.
func (m mode) stream(tb testing.TB, message []byte) []byte {
	tb.Helper()
	if m.compress {
		if small := compress(tb, message); len(small) < len(message) {
			message = small
		}
	}
	if m.seal {
		const overhead = 1 + 12 + 16
		header := binary.BigEndian.AppendUint32([]byte{typeEncrypt}, uint32(overhead+len(message)))
		message = append(header, seal(tb, primaryKey, message, append(bytes.Clone(header), label...))...)
	}
	return message
}

func labelHeader() []byte { return append([]byte{typeLabel, byte(len(label))}, label...) }

func compound(messages [][]byte) []byte {
	buf := []byte{typeCompound, byte(len(messages))}
	for _, message := range messages {
		buf = binary.BigEndian.AppendUint16(buf, uint16(len(message)))
	}
	return append(buf, bytes.Join(messages, nil)...)
}

func compress(tb testing.TB, message []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := lzw.NewWriter(&out, lzw.LSB, 8)
	if _, err := w.Write(message); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return encode(tb, typeCompress, compressed{Buf: out.Bytes()})
}

func seal(tb testing.TB, key, plaintext, data []byte) []byte {
	tb.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	buf := make([]byte, 1+12, 1+12+len(plaintext)+16)
	buf[0] = 1 // the version without padding
	rand.Read(buf[1:])
	return gcm.Seal(buf, buf[1:], plaintext, data)
}

// encode encodes a message, type byte and body.
func encode(tb testing.TB, kind byte, message any) []byte {
	tb.Helper()
	out := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(out, &codec.MsgpackHandle{}).Encode(message); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func memberName(i int) string { return fmt.Sprintf("node-%05d", i) }

func memberIP(i int) net.IP { return net.IP{10, byte(i >> 16), byte(i >> 8), byte(i)} }

func memberAddr(i int) *net.UDPAddr { return &net.UDPAddr{IP: memberIP(i), Port: port} }

func memberMeta() []byte { return []byte("role=web;zone=a") }

// pingMessage returns a ping by the first of the other members.
func pingMessage(tb testing.TB) []byte {
	return encode(tb, typePing, ping{SeqNo: 7, Node: self, SourceAddr: memberIP(1), SourcePort: port, SourceNode: memberName(1)})
}

// aliveMessage returns an alive message about member i.
func aliveMessage(tb testing.TB, i int, incarnation uint32) []byte {
	return encode(tb, typeAlive, alive{Incarnation: incarnation, Node: memberName(i), Addr: memberIP(i), Port: port,
		Meta: memberMeta(), Vsn: versions})
}

// accuse returns a suspect or dead message.
func accuse(tb testing.TB, kind byte, name string, incarnation uint32) []byte {
	return encode(tb, kind, accusation{Incarnation: incarnation, Node: name, From: memberName(1)})
}

// pushPullMessage returns a push/pull with the given number of members, all alive at incarnation 1.
func pushPullMessage(tb testing.TB, members int) []byte {
	tb.Helper()
	return pushPullOf(tb, members, memberMeta())
}

// pushPullOf is pushPullMessage with metadata.
func pushPullOf(tb testing.TB, members int, meta []byte) []byte {
	tb.Helper()
	out := bytes.NewBuffer([]byte{typePushPull})
	encoder := codec.NewEncoder(out, &codec.MsgpackHandle{})
	if err := encoder.Encode(pushPullHeader{Nodes: members}); err != nil {
		tb.Fatal(err)
	}
	for i := 1; i <= members; i++ {
		state := pushNodeState{Name: memberName(i), Addr: memberIP(i), Port: port, Meta: meta, Incarnation: 1, Vsn: versions}
		if err := encoder.Encode(state); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}
