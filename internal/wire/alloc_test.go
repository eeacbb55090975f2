package wire

import (
	"slices"
	"testing"
)

// The operations for each packet allocate nothing once warm.
func TestAllocs(t *testing.T) {
	names := NewNames()
	c := testCipher(t, 32, 1)
	ciphers := []*Cipher{testCipher(t, 16, 9), c}
	aad := []byte("label")
	alive := aliveTests[0].m.Append(nil)
	parts := slices.Repeat([][]byte{alive}, 12)
	packet := withChecksum(compressMessage(t, compoundOf(parts...)))
	sealed := map[uint8][]byte{}
	for _, version := range []uint8{SealVersion0, SealVersion1} {
		sealed[version] = c.AppendSealed(nil, version, &testNonce, packet, aad)
	}
	labelled, err := AppendLabel(nil, "label")
	if err != nil {
		t.Fatal(err)
	}
	checked := withChecksum(alive)
	odd := unhex(t, "83 a178 c403010203 a55365714e6f cf0000000000000007 a44e6f6465 d9026e31")
	buf := make([]byte, 0, 4096)
	var u Unpacker
	var comp Compressor
	var d Decompressor
	var failed error
	keep := func(_ []byte, err error) {
		if err != nil {
			failed = err
		}
	}

	tests := []struct {
		name string
		run  func()
	}{
		{"compound", func() { AppendCompound(buf[:0], parts) }},
		{"checksum", func() { PutChecksum(checked); keep(CheckChecksum(checked[1:])) }},
		{"label", func() {
			keep(AppendLabel(buf[:0], "label"))
			_, rest, err := CutLabel(labelled)
			keep(rest, err)
		}},
		{"compress", func() { comp.Append(buf[:0], alive); comp.AppendShorter(buf[:0], alive) }},
		{"decompress", func() { keep(d.Append(buf[:0], packet[ChecksumSize+1:], MaxPacket)) }},
		{"seal, version 0", func() { c.AppendSealed(buf[:0], SealVersion0, &testNonce, alive, aad) }},
		{"seal, version 1", func() { nonce := testNonce; c.AppendSealed(buf[:0], SealVersion1, &nonce, alive, aad) }},
		{"seal in place", func() { c.SealInPlace(buf[:500], 100, SealVersion0, &testNonce, buf[:100]) }},
		{"open, version 0", func() { plain, _, err := Open(buf[:0], ciphers, sealed[0], aad); keep(plain, err) }},
		{"open, version 1", func() { plain, _, err := Open(buf[:0], ciphers, sealed[1], aad); keep(plain, err) }},
		{"other shapes", func() { var m IndirectPing; keep(nil, m.Parse(odd, names)) }},
		{"unpack", func() {
			count := 0
			_, err := u.Unpack(packet, func(_ Type, body []byte) {
				var m Alive
				keep(nil, m.Parse(body, names))
				count++
			})
			if keep(nil, err); count != len(parts) {
				t.Errorf("%d messages", count)
			}
		}},
	}
	add := func(name string, m message, parse func(body []byte) error) {
		body := m.Append(nil)[1:]
		tests = append(tests, struct {
			name string
			run  func()
		}{name, func() {
			m.Append(buf[:0])
			keep(nil, parse(body))
		}})
	}
	add("ping", pingTests[0].m, func(b []byte) error { var m Ping; return m.Parse(b, names) })
	add("indirect ping", indirectPingTests[0].m, func(b []byte) error { var m IndirectPing; return m.Parse(b, names) })
	add("ack", ackTests[2].m, func(b []byte) error { var m Ack; return m.Parse(b, names) })
	add("nack", nackTests[1].m, func(b []byte) error { var m Nack; return m.Parse(b, names) })
	add("suspect", suspectTests[0].m, func(b []byte) error { var m Suspect; return m.Parse(b, names) })
	add("dead", deadTests[0].m, func(b []byte) error { var m Dead; return m.Parse(b, names) })
	add("alive", aliveTests[0].m, func(b []byte) error { var m Alive; return m.Parse(b, names) })

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failed = nil
			if allocs := testing.AllocsPerRun(100, tt.run); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
			if failed != nil {
				t.Error(failed)
			}
		})
	}
}
