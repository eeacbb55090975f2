package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProtocolPage parses every example of docs/protocol.md, and encodes each message again.
func TestProtocolPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for block := range strings.SplitSeq(string(page), "```hex\n") {
		block, _, found := strings.Cut(block, "```")
		if examples++; !found || examples == 1 {
			continue // the text before the first block
		}
		name := ""
		for line := range strings.Lines(block) {
			if text, ok := strings.CutPrefix(line, "# "); ok {
				name = strings.TrimSpace(text)
				continue
			}
			t.Run(name, func(t *testing.T) { checkExample(t, unhex(t, line)) })
		}
	}
	if examples != 3 {
		t.Errorf("%d blocks of examples, want 2", examples-1)
	}
}

// checkExample parses a message, after removing its wrappers, and encodes it again.
func checkExample(t *testing.T, b []byte) {
	t.Helper()
	switch Type(b[0]) {
	case TypeCompound, TypeChecksum, TypeCompress:
		var u Unpacker
		messages := 0
		dropped, err := u.Unpack(b, func(kind Type, body []byte) {
			messages++
			checkExample(t, append([]byte{byte(kind)}, body...))
		})
		if dropped != 0 || err != nil || messages == 0 {
			t.Errorf("%d messages, %d dropped, %v", messages, dropped, err)
		}
		return
	}
	m, ok := map[Type]interface {
		Message
		Body
	}{
		TypePing: new(Ping), TypeIndirectPing: new(IndirectPing), TypeAck: new(Ack), TypeNack: new(Nack), TypeErr: new(Err),
		TypeSuspect: new(Suspect), TypeDead: new(Dead), TypeAlive: new(Alive), TypePushPull: new(PushPullHeader), TypeUser: new(UserHeader),
	}[Type(b[0])]
	if !ok {
		t.Fatalf("type %v", Type(b[0]))
	}
	if m.Type() == TypeUser && b[1] != 0x81 {
		return // of a packet: raw bytes
	}
	if err := m.Parse(b[1:], NewNames()); err != nil {
		t.Fatal(err)
	}
	if again := m.Append(nil); !bytes.Equal(again, b) {
		t.Errorf("%+v is\n%x, the page has\n%x", m, again, b)
	}
}
