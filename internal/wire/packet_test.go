package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// unpacked returns the messages of packet as text.
func unpacked(u *Unpacker, packet []byte) (messages []string, dropped int, err error) {
	dropped, err = u.Unpack(packet, func(t Type, body []byte) {
		messages = append(messages, fmt.Sprintf("%v %s", t, body))
	})
	return messages, dropped, err
}

func withChecksum(b []byte) []byte {
	packet := append(make([]byte, ChecksumSize), b...)
	PutChecksum(packet)
	return packet
}

func compoundOf(parts ...[]byte) []byte {
	packet, _ := AppendCompound(nil, parts)
	return packet
}

func user(s string) []byte { return append([]byte{byte(TypeUser)}, s...) }

func TestUnpack(t *testing.T) {
	compress := func(b []byte) []byte { return compressMessage(t, b) }
	nested := func(n int, wrap func([]byte) []byte) []byte {
		b := user("deep")
		for range n {
			b = wrap(b)
		}
		return b
	}
	join := func(b []byte) []byte { return compoundOf(b) }
	badChecksum := withChecksum(user("a"))
	badChecksum[1] ^= 1
	broken := compress(user("lost"))
	broken = append(broken[:len(broken)-2], 0xff, 0xff)
	tests := []struct {
		name    string
		packet  []byte
		want    string
		dropped int
		err     error
	}{
		{"one", user("a"), "user a", 0, nil},
		{"one, empty", []byte{0}, "ping ", 0, nil},
		{"checksum", withChecksum(user("a")), "user a", 0, nil},
		{"compress", compress(user("a")), "user a", 0, nil},
		{"compound", compoundOf(user("a"), []byte{2, 'b'}, user("")), "user a|ack b|user ", 0, nil},
		{"all layers", withChecksum(compress(compoundOf(user("a"), user("b")))), "user a|user b", 0, nil},
		{"compressed parts", compoundOf(compress(user("a")), compress(user("b")), user("c")), "user a|user b|user c", 0, nil},
		{"every type of a packet", compoundOf([]byte{0}, []byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5}, []byte{8}, []byte{11}),
			"ping |indirect ping |ack |suspect |alive |dead |user |nack ", 0, nil},
		{"deepest compounds", nested(MaxPacketDepth, join), "user deep", 0, nil},
		{"deepest compress", nested(MaxPacketDepth, compress), "user deep", 0, nil},

		{"nothing", nil, "", 1, ErrTruncated},
		{"wrong checksum", badChecksum, "", 1, ErrChecksum},
		{"short checksum", []byte{12, 1, 2, 3}, "", 1, ErrTruncated},
		{"checksum of nothing", withChecksum(nil), "", 1, ErrTruncated},
		{"checksum within", compoundOf(user("a"), withChecksum(user("b")), user("c")), "user a|user c", 1, ErrUnknownType},
		{"checksum twice", withChecksum(withChecksum(user("a"))), "", 1, ErrUnknownType},
		{"compress of nothing", compress(nil), "", 1, ErrTruncated},
		{"compress without body", []byte{9}, "", 1, ErrTruncated},
		{"broken compress among others", compoundOf(user("a"), broken, user("c")), "user a|user c", 1, ErrCompression},
		{"compound without body", []byte{7}, "", 1, ErrTruncated},
		{"compound of nothing", compoundOf([]byte{}, user("b"), []byte{}), "user b", 2, ErrTruncated},
		{"stream types", compoundOf([]byte{6}, []byte{10}, []byte{13}, user("a")), "user a", 3, ErrUnknownType},
		{"no types", compoundOf([]byte{14}, []byte{255}, []byte{244, 1, 1}), "", 3, ErrUnknownType},
		{"compounds too deep", nested(MaxPacketDepth+1, join), "", 1, ErrTooDeep},
		{"compress too deep", nested(MaxPacketDepth+1, compress), "", 1, ErrTooDeep},
		{"mixed too deep", compress(join(compress(join(compress(user("a")))))), "", 1, ErrTooDeep},
		{"too large", make([]byte, MaxPacket+1), "", 1, ErrTooLarge},
	}
	var u Unpacker // one for all: nothing of a packet is left for the next
	for range 2 {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				before := slices.Clone(tt.packet)
				got, dropped, err := unpacked(&u, tt.packet)
				if strings.Join(got, "|") != tt.want || dropped != tt.dropped || !errors.Is(err, tt.err) {
					t.Errorf("got %q, %d dropped, %v\nwant %q, %d dropped, %v", got, dropped, err, tt.want, tt.dropped, tt.err)
				}
				if !bytes.Equal(tt.packet, before) {
					t.Error("the packet was changed")
				}
			})
		}
	}
}

// Wrappers around nothing made a peer's node panic (hashicorp/memberlist#236).
func TestUnpackWrappersOfNothing(t *testing.T) {
	wrappers := []func([]byte) []byte{
		withChecksum,
		func(b []byte) []byte { return compressMessage(t, b) },
		func(b []byte) []byte { return compoundOf(b) },
	}
	packets := [][]byte{nil}
	for range 3 {
		var next [][]byte
		for _, b := range packets {
			for _, wrap := range wrappers {
				next = append(next, wrap(b))
			}
		}
		for _, packet := range next {
			var u Unpacker
			if got, dropped, err := unpacked(&u, packet); got != nil || dropped != 1 || err == nil {
				t.Errorf("%x: %q, %d dropped, %v", packet, got, dropped, err)
			}
		}
		packets = next
	}
}

// Bodies do not change until the next packet, though more is decompressed after them, and a caller appends to one.
func TestUnpackKeepsBodies(t *testing.T) {
	var parts [][]byte
	var want []string
	for i := range 40 {
		s := strings.Repeat(string(rune('a'+i%26)), 500+10*i)
		parts, want = append(parts, compressMessage(t, user(s)), user(s)), append(want, s, s)
	}
	var u Unpacker
	var got [][]byte
	if dropped, err := u.Unpack(compoundOf(parts...), func(_ Type, body []byte) {
		_ = append(body, "overwritten"...)
		got = append(got, body)
	}); dropped != 0 || err != nil {
		t.Fatal(dropped, err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if string(got[i]) != want[i] {
			t.Errorf("message %d is %.20q of %d, want %.20q of %d", i, got[i], len(got[i]), want[i], len(want[i]))
		}
	}
}

// However it is nested, a packet yields at most MaxPacket bytes (hashicorp/memberlist#363).
func TestUnpackBombs(t *testing.T) {
	half := compressMessage(t, user(strings.Repeat("z", MaxPacket/2-100)))
	bomb := compressMessage(t, user(strings.Repeat("z", MaxPacket)))
	large := compressMessage(t, make([]byte, 10<<20))
	most := compressMessage(t, user(strings.Repeat("z", MaxPacket-1)))
	tests := []struct {
		name   string
		packet []byte
		want   int // messages
		err    error
	}{
		{"just fits", most, 1, nil},
		{"one byte more", bomb, 0, ErrTooLarge},
		{"large", large, 0, ErrTooLarge},
		{"two halves", compoundOf(half, half), 2, nil},
		{"three halves", compoundOf(half, half, half), 2, ErrTooLarge},
		{"half, then a small one", compoundOf(half, half, half, user("a")), 3, ErrTooLarge},
		{"as they are, then decompressed", compoundOf(user(strings.Repeat("a", 40000)), half), 1, ErrTooLarge},
		{"many bombs", compoundOf(slices.Repeat([][]byte{bomb}, 200)...), 0, ErrTooLarge},
		{"compress of compounds of compress", compressMessage(t, compoundOf(half, half, half)), 1, ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u Unpacker
			messages, total := 0, 0
			_, err := u.Unpack(tt.packet, func(_ Type, body []byte) {
				messages++
				total += len(body)
			})
			if messages != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%d messages, %v, want %d, %v", messages, err, tt.want, tt.err)
			}
			if total > MaxPacket || u.expanded > MaxPacket || cap(u.inflated) > 2*MaxPacket {
				t.Errorf("%d bytes yielded, %d decompressed, %d kept", total, u.expanded, cap(u.inflated))
			}
		})
	}
}

// An Unpacker keeps the memory of one packet, however many it unpacks.
func TestUnpackerStaysSmall(t *testing.T) {
	packet := compressMessage(t, user(strings.Repeat("z", 3000)))
	var u Unpacker
	for range 100 {
		unpacked(&u, packet)
	}
	if n := cap(u.inflated); n > 2*streamBuffer {
		t.Errorf("keeps %d bytes", n)
	}
}

// The output of a message that turns out to be broken counts too, or a packet full of them would cost a lot of time.
func TestUnpackCountsVainWork(t *testing.T) {
	lzw := deflate(t, make([]byte, 20000))
	broken := append([]byte{byte(TypeCompress)}, refEncode(t, refCompressed{Buf: lzw[:len(lzw)-2]})...)
	var u Unpacker
	_, dropped, err := unpacked(&u, compoundOf(slices.Repeat([][]byte{broken}, 200)...))
	if dropped != 200 || !errors.Is(err, ErrCompression) {
		t.Errorf("%d dropped, %v", dropped, err)
	}
	if u.expanded < 19000 || u.expanded > MaxPacket {
		t.Errorf("counted %d bytes", u.expanded)
	}
}

func TestUnpackManyMessages(t *testing.T) {
	full := compoundOf(slices.Repeat([][]byte{{8}}, MaxCompoundParts)...)
	packet := compoundOf(slices.Repeat([][]byte{full}, 20)...) // five compounds are begun before the limit
	var u Unpacker
	got, dropped, err := unpacked(&u, packet)
	if want := MaxPacketMessages - 5; len(got) != want {
		t.Errorf("%d messages, want %d", len(got), want)
	}
	if dropped == 0 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d dropped, %v", dropped, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(withChecksum(compressMessage(f, compoundOf(user("a"), user("b")))), true)
	f.Add(compoundOf(compressMessage(f, user("a")), compoundOf(user("b"))), false)
	f.Add([]byte{7, 0x80}, true)
	f.Add([]byte{9}, true)
	f.Add([]byte{12, 0, 0, 0, 0}, false)
	f.Add(aliveTests[0].m.Append(nil), true)
	for _, p := range loadTraffic(f).packets {
		f.Add(p, false)
	}
	var u Unpacker
	f.Fuzz(func(t *testing.T, packet []byte, wrap bool) {
		if wrap {
			packet = withChecksum(compressMessage(t, compoundOf(packet, packet)))
		}
		messages, total := 0, 0
		dropped, err := u.Unpack(packet, func(kind Type, body []byte) {
			messages++
			total += len(body)
			parseAny(kind, body)
		})
		if (dropped > 0) != (err != nil) {
			t.Fatalf("%d dropped, but %v", dropped, err)
		}
		if err != nil && !isOurs(err) {
			t.Fatal(err)
		}
		if total > MaxPacket || messages > MaxPacketMessages || u.expanded > MaxPacket {
			t.Fatalf("%d messages, %d bytes, %d decompressed", messages, total, u.expanded)
		}
	})
}

func parseAny(kind Type, body []byte) {
	switch kind {
	case TypePing:
		_ = new(Ping).Parse(body, nil)
	case TypeIndirectPing:
		_ = new(IndirectPing).Parse(body, nil)
	case TypeAck:
		_ = new(Ack).Parse(body, nil)
	case TypeNack:
		_ = new(Nack).Parse(body, nil)
	case TypeSuspect:
		_ = new(Suspect).Parse(body, nil)
	case TypeAlive:
		_ = new(Alive).Parse(body, nil)
	case TypeDead:
		_ = new(Dead).Parse(body, nil)
	}
}

// A packet as it is sent comes back as it was, through all layers, in any combination.
func TestPacketLayers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c := testCipher(t, 16, 1)
	var comp Compressor
	var u Unpacker
	for range 500 {
		var parts [][]byte
		var want []string
		for range 1 + r.IntN(20) {
			m := &Alive{Node: fmt.Sprint("node-", r.IntN(100)), Incarnation: r.Uint32(), Addr: []byte{10, 0, 0, 1}, Port: 7946}
			parts = append(parts, m.Append(nil))
			want = append(want, fmt.Sprintf("%v %s", TypeAlive, parts[len(parts)-1][1:]))
		}
		body := parts[0]
		if len(parts) > 1 {
			body = compoundOf(parts...)
		}
		if r.IntN(2) == 0 {
			body = comp.Append(nil, body)
		}
		if r.IntN(2) == 0 {
			body = withChecksum(body)
		}
		label := strings.Repeat("l", r.IntN(3)*127)
		packet, err := AppendLabel(nil, label)
		if err != nil {
			t.Fatal(err)
		}
		sealed := r.IntN(2) == 0
		if sealed {
			packet = c.AppendSealed(packet, uint8(r.IntN(2)), &testNonce, body, []byte(label))
		} else {
			packet = append(packet, body...)
		}

		gotLabel, rest, err := CutLabel(packet)
		if err != nil || string(gotLabel) != label {
			t.Fatalf("label %q, %v", gotLabel, err)
		}
		if sealed {
			if rest, _, err = Open(nil, []*Cipher{c}, rest, gotLabel); err != nil {
				t.Fatal(err)
			}
		}
		got, dropped, err := unpacked(&u, rest)
		if dropped != 0 || err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d of %d messages, %d dropped, %v", len(got), len(want), dropped, err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	alive := aliveTests[0].m.Append(nil)
	packet := withChecksum(compressMessage(b, compoundOf(slices.Repeat([][]byte{alive}, 12)...)))
	names := NewNames()
	var u Unpacker
	b.ReportAllocs()
	for b.Loop() {
		u.Unpack(packet, func(_ Type, body []byte) {
			var m Alive
			if err := m.Parse(body, names); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func TestUnpackLimit(t *testing.T) {
	large := append([]byte{byte(TypeUser)}, make([]byte, 2*MaxPacket)...)
	for limit, want := range map[int]int{0: 0, 1400: 0, len(large): 1} {
		u, visited := Unpacker{Limit: limit}, 0
		if u.Unpack(large, func(Type, []byte) { visited++ }); visited != want {
			t.Errorf("limit %d: %d messages of %d bytes, want %d", limit, visited, len(large), want)
		}
	}
}
