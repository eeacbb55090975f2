package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/wire"
)

var (
	testKeyA = bytes.Repeat([]byte{1}, 16)
	testKeyB = bytes.Repeat([]byte{2}, 32)
	testFrom = Source{Addr: netip.MustParseAddrPort("10.0.0.1:7946")}
)

// message is a message that compression makes shorter.
var message = append([]byte{byte(wire.TypeUser)}, bytes.Repeat([]byte("memberlist "), 60)...)

func testRing(t testing.TB, keys ...[]byte) *Ring {
	t.Helper()
	var ring Ring
	var set []Key
	for _, bytes := range keys {
		key, err := NewKey(bytes)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, key)
	}
	ring.Store(set)
	return &ring
}

// newTest returns the envelope of the default policy with a change.
func newTest(t testing.TB, keys *Ring, change func(*Policy)) *Envelope {
	t.Helper()
	p := &Policy{PacketSize: 1400, HasKeys: keys != nil, SealVersion: wire.SealVersion1, VerifyIncoming: true, VerifyOutgoing: true}
	if change != nil {
		change(p)
	}
	e, err := New(p, keys)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// forEachPolicy runs a test for all combinations of layers.
func forEachPolicy(t *testing.T, test func(t *testing.T, e *Envelope)) {
	for _, label := range []string{"", "blue"} {
		for _, seal := range []int{-1, int(wire.SealVersion0), int(wire.SealVersion1)} {
			for _, compress := range []bool{false, true} {
				t.Run(fmt.Sprintf("label %q seal %d compress %v", label, seal, compress), func(t *testing.T) {
					var keys *Ring
					if seal >= 0 {
						keys = testRing(t, testKeyA, testKeyB)
					}
					test(t, newTest(t, keys, func(p *Policy) {
						p.Label, p.Compress = label, compress
						if seal >= 0 {
							p.SealVersion = uint8(seal)
						}
					}))
				})
			}
		}
	}
}

// unpacked returns the messages of the content of a packet.
func unpacked(t *testing.T, e *Envelope, content []byte) (messages [][]byte) {
	t.Helper()
	u := wire.Unpacker{Limit: e.Budget().Received}
	if dropped, err := u.Unpack(content, func(kind wire.Type, body []byte) {
		messages = append(messages, append([]byte{byte(kind)}, body...))
	}); err != nil || dropped > 0 {
		t.Errorf("dropped %d, %v", dropped, err)
	}
	return messages
}

func TestPacketsComeThrough(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, e *Envelope) {
		for _, to := range []wire.Features{0, wire.FeatureChecksum, wire.FeatureChecksum | wire.FeatureSnappy} {
			packet := e.Wrap(new(Packer), message, to)
			if whole := len(packet) >= len(message); whole == e.policy.Compress {
				t.Errorf("%d bytes for a message of %d", len(packet), len(message))
			}
			content, err := e.Open(new(Opener), packet, time.Now(), testFrom)
			if err != nil {
				t.Fatal(err)
			}
			if got := unpacked(t, e, content); len(got) != 1 || !bytes.Equal(got[0], message) {
				t.Errorf("got %q, want %q", got, message)
			}
		}
	})
}

func TestStreamsComeThrough(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, e *Envelope) {
		var request, reply bytes.Buffer
		n, err := e.WriteRequest(&request, message, 0)
		if err != nil || n != request.Len() {
			t.Errorf("wrote %d bytes of %d, %v", n, request.Len(), err)
		}
		check := func(r *wire.StreamReader, kind wire.Type, err error) {
			t.Helper()
			if err != nil || kind != wire.TypeUser {
				t.Fatalf("got %v, %v", kind, err)
			}
			if got, err := r.ReadN(len(message)-1, len(message)); err != nil || !bytes.Equal(got, message[1:]) {
				t.Errorf("got %q, %v, want %q", got, err, message[1:])
			}
		}
		r := wire.NewStreamReader(&request, nil)
		kind, label, err := e.ReadRequest(r, testFrom)
		check(r, kind, err)
		if _, err := e.WriteReply(&reply, label, message, 0); err != nil {
			t.Fatal(err)
		}
		r = wire.NewStreamReader(&reply, nil)
		kind, err = e.ReadReply(r, testFrom)
		check(r, kind, err)
	})
}

// TestPackSplits: messages that one packet cannot hold are sent in several, none of them too large, in their order.
func TestPackSplits(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, e *Envelope) {
		rng := newRandom()
		var messages [][]byte
		for i := range 600 {
			m := []byte{byte(wire.TypeUser), byte(i), byte(i >> 8)}
			if i%3 == 0 {
				m = append(m, rng(300)...) // does not shrink
			}
			messages = append(messages, m)
		}
		var p Packer
		var got [][]byte
		packets := 0
		for remaining := messages; len(remaining) > 0; packets++ {
			var packet []byte
			packet, remaining = e.Pack(&p, remaining, wire.FeatureChecksum)
			if len(packet) > e.Budget().Packet {
				t.Errorf("a packet of %d bytes, the limit is %d", len(packet), e.Budget().Packet)
			}
			content, err := e.Open(new(Opener), packet, time.Now(), testFrom)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, unpacked(t, e, content)...)
		}
		if !slices.EqualFunc(got, messages, bytes.Equal) {
			t.Errorf("%d messages came through, want %d, the same", len(got), len(messages))
		}
		if packets > 150 {
			t.Errorf("%d packets", packets)
		}
	})
}

// TestPackOfALargeMessage: a message that no compound can hold is sent alone, and does not delay the others.
func TestPackOfALargeMessage(t *testing.T) {
	e := newTest(t, nil, func(p *Policy) { p.PacketSize = 200_000 })
	small := []byte{byte(wire.TypeUser), 1}
	large := append([]byte{byte(wire.TypeUser)}, bytes.Repeat([]byte("x"), wire.MaxCompoundPart)...)
	var p Packer
	for _, messages := range [][][]byte{{small, small, large}, {large, small, small}, {small, large, small}} {
		var got [][]byte
		for remaining := messages; len(remaining) > 0; {
			var packet []byte
			packet, remaining = e.Pack(&p, remaining, 0)
			got = append(got, unpacked(t, e, packet)...)
		}
		if !slices.EqualFunc(got, messages, bytes.Equal) {
			t.Errorf("%d messages came through, want %d", len(got), len(messages))
		}
	}
}

// TestEncryptionPolicies: the results of receiving packets and streams in plain text, and encrypted with known and
// unknown keys.
func TestEncryptionPolicies(t *testing.T) {
	sealed := func(key []byte) *Envelope { return newTest(t, testRing(t, key), nil) }
	lax := func(p *Policy) { p.VerifyIncoming = false }
	for _, tt := range []struct {
		name     string
		from, to *Envelope
		packet   error
		stream   error
	}{
		{"plain", newTest(t, nil, nil), newTest(t, nil, nil), nil, nil},
		{"one key", sealed(testKeyA), sealed(testKeyA), nil, nil},
		{"old key", sealed(testKeyB), newTest(t, testRing(t, testKeyA, testKeyB), nil), nil, nil},
		{"other key", sealed(testKeyB), sealed(testKeyA), wire.ErrDecrypt, wire.ErrDecrypt},
		{"plain to one with keys", newTest(t, nil, nil), sealed(testKeyA), wire.ErrDecrypt, ErrNotEncrypted},
		{"plain to one that also takes that", newTest(t, nil, nil), newTest(t, testRing(t, testKeyA), lax), nil, nil},
		{"keys that are not used", newTest(t, testRing(t, testKeyA), func(p *Policy) { p.VerifyOutgoing = false }),
			newTest(t, nil, nil), nil, nil},
		{"empty ring", newTest(t, testRing(t), nil), newTest(t, testRing(t), nil), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packet := tt.from.Wrap(new(Packer), message, 0)
			if _, err := tt.to.Open(new(Opener), packet, time.Now(), testFrom); !errors.Is(err, tt.packet) {
				t.Errorf("packet: got error %v, want %v", err, tt.packet)
			}
			var stream bytes.Buffer
			if _, err := tt.from.WriteRequest(&stream, message, 0); err != nil {
				t.Fatal(err)
			}
			if _, _, err := tt.to.ReadRequest(wire.NewStreamReader(&stream, nil), testFrom); !errors.Is(err, tt.stream) {
				t.Errorf("stream: got error %v, want %v", err, tt.stream)
			}
		})
	}
	var stream bytes.Buffer
	if _, err := sealed(testKeyA).WriteRequest(&stream, message, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := newTest(t, nil, nil).ReadRequest(wire.NewStreamReader(&stream, nil), testFrom); !errors.Is(err, ErrEncrypted) {
		t.Errorf("an encrypted stream to one without keys: got error %v, want %v", err, ErrEncrypted)
	}
}

func TestStreamTooLarge(t *testing.T) {
	var out bytes.Buffer
	n, err := newTest(t, testRing(t, testKeyA), nil).WriteRequest(&out, make([]byte, wire.MaxSealedFrame), 0)
	if n != 0 || out.Len() != 0 || !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("wrote %d bytes, %v, want none and %v", n, err, wire.ErrTooLarge)
	}
}

func TestPacketsDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector, pools drop some values")
	}
	forEachPolicy(t, func(t *testing.T, e *Envelope) {
		var p Packer
		var o Opener
		messages := [][]byte{message, message}
		at := time.Now()
		if n := testing.AllocsPerRun(100, func() {
			packet, _ := e.Pack(&p, messages, wire.FeatureChecksum)
			if _, err := e.Open(&o, packet, at, testFrom); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestPackFollowsCompression: the more the packets before shrank, the more gossip the next may carry.
func TestPackFollowsCompression(t *testing.T) {
	e := newTest(t, nil, func(p *Policy) { p.Compress = true })
	random := newRandom()
	alike := [][]byte{message, message, message}
	other := [][]byte{append([]byte{byte(wire.TypeUser)}, random(600)...), append([]byte{byte(wire.TypeUser)}, random(600)...)}
	if got := e.CompressionBudget(); got != 0 {
		t.Errorf("%d at the start, want 0", got)
	}
	e.Pack(new(Packer), alike, wire.FeatureChecksum)
	if got := e.CompressionBudget(); got < 1000 {
		t.Errorf("%d after a packet that shrank to a tenth", got)
	}
	e.Pack(new(Packer), other, wire.FeatureChecksum)
	if got := e.CompressionBudget(); got > 100 {
		t.Errorf("%d after a packet that did not shrink", got)
	}
}

// TestNoncesDiffer: no two packets or frames are encrypted with the same nonce.
func TestNoncesDiffer(t *testing.T) {
	e := newTest(t, testRing(t, testKeyA), nil)
	seen := make(map[string]bool)
	var p Packer
	for range 100 {
		packet := e.Wrap(&p, message, 0)
		var stream bytes.Buffer
		if _, err := e.WriteRequest(&stream, message, 0); err != nil {
			t.Fatal(err)
		}
		frame := stream.Bytes()[wire.SealedFrameHeader:]
		for _, sealed := range [][]byte{packet, frame} {
			nonce := string(sealed[1 : 1+wire.NonceSize]) // after the version
			if seen[nonce] {
				t.Fatal("a nonce was used twice")
			}
			seen[nonce] = true
		}
	}
}
